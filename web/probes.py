"""For operators: whether the process is alive, whether it is ready, and its metrics."""

import ipaddress
from http import HTTPStatus

from flask import Blueprint, Response, abort, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST

from web.routes import Mark, marked
from web.service import this_service

blueprint = Blueprint("operations", __name__)
_FORWARDED = ("X-Forwarded-For", "Forwarded")


@blueprint.get("/livez")
@marked(Mark.OPEN_TO_ALL | Mark.FOR_OPERATORS)
def livez() -> tuple[Response, int]:
    """Answer as long as the process can. One whose network hangs is not alive and must be restarted."""
    if this_service().is_stuck:
        return jsonify({"status": "stuck"}), HTTPStatus.SERVICE_UNAVAILABLE
    return jsonify({"status": "alive"}), HTTPStatus.OK


@blueprint.get("/readyz")
@marked(Mark.OPEN_TO_ALL | Mark.FOR_OPERATORS)
def readyz() -> Response:
    """Return the names of the loaded models, without which the app does not start, and how they compute."""
    service = this_service()
    return jsonify({"status": "ready", "models": list(service.classifiers), "precision": service.precision})


@blueprint.get("/metrics")
@marked(Mark.FOR_OPERATORS)
def metrics() -> Response:
    """Return the metrics to the clients that the setting METRICS allows, and 404 to others."""
    service = this_service()
    if service.settings.metrics == "off" or (service.settings.metrics == "local" and not _is_local()):
        abort(404)
    return Response(service.metrics.exposed(), content_type=CONTENT_TYPE_LATEST)


def _is_local() -> bool:
    """Return whether the request comes from this machine, and not through a proxy on it."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return False
    return address.is_loopback and not any(name in request.headers for name in _FORWARDED)
