"""The id of a request: in its log line, its answer's header, and every error."""

import re
import secrets

from flask import current_app, g, request

# A proxy's ids, UUIDs among them, are hexadecimal; no word or name has this form.
_PROXY_REQUEST_ID = re.compile(r"[0-9a-f]{16,32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def request_id() -> str:
    """Return this request's id: from a trusted proxy, else a random one, made at its first use."""
    if "request_id" not in g:
        g.request_id = _id_of_proxy() or secrets.token_hex(8)
    identifier: str = g.request_id
    return identifier


def _id_of_proxy() -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if current_app.config["PROXY_HOPS"] and _PROXY_REQUEST_ID.fullmatch(given) else ""
