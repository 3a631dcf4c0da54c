"""Refuse requests that another web site makes a visitor's browser send."""

from flask import Flask, request

from model.sentences import Sentence
from web.refusals import Refusal
from web.routes import asks_for_work

# "none": the user did it, not a page.
_OWN_SITES = {"same-origin", "none"}


def register(app: Flask) -> None:
    """Refuse requests that change or compute something when a page of another site sent them."""

    @app.before_request
    def refuse_cross_site() -> None:
        if asks_for_work() and not _comes_from_here():
            raise Refusal(
                "cross_site",
                Sentence(
                    "Expected a request from this application's page or from a program. "
                    "Received one from another web site. Open this page and send the file there."
                ),
            )


def _comes_from_here() -> bool:
    """Return whether page or program sent the request. Programs send neither header.

    Browsers leave out Sec-Fetch-Site where the address is neither https nor this machine, and then send Origin.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in _OWN_SITES
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == request.host.lower()
