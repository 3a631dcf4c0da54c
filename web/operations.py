"""Probes for operators: the process lives; it is ready for requests."""

from flask import Blueprint, Response, jsonify

from web.uploads import this_app

blueprint = Blueprint("operations", __name__)


@blueprint.get("/livez")
def livez() -> Response:
    """Answer as long as the process can."""
    return jsonify({"status": "alive"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Name the models that are loaded; the app does not start without them."""
    return jsonify({"status": "ready", "models": list(this_app().classifiers)})
