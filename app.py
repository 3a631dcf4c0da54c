"""Wire the web application together: `gunicorn "app:create_app()"`."""

import sys
from pathlib import Path

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from model.errors import ModelFileError
from model.network.classifier import Classifier, load_classifiers
from web import errors, probes, routes, service
from web.api import docs_page, openapi
from web.api import views as api_views
from web.api.evaluation_results import RESULTS_FILE, read_results
from web.guards import cross_site, headers, rate_limit, tokens
from web.guards.overload import Places
from web.guards.uploads import MemoryRequest
from web.languages import languages
from web.observing import requests
from web.page import documents
from web.page import views as page_views
from web.routes import Mark
from web.server.addresses import EXIT_CANNOT_START
from web.service import Service
from web.settings import SettingsError, load_settings


class Application(Flask):
    """Flask with requests that keep uploads in memory."""

    request_class = MemoryRequest


def create_app(
    settings: dict[str, object] | None = None,
    classifiers: dict[str, Classifier] | None = None,
    results_file: Path = RESULTS_FILE,
) -> Flask:
    """Make the application; without classifiers given, load the models of the settings, once.

    Exits with EXIT_CANNOT_START and one line on standard error where settings or models cannot be used.
    """
    try:
        chosen = load_settings(settings)
        if classifiers is None:
            service.start_readers()  # they get ready while the models load
        loaded = classifiers or load_classifiers(chosen.models_dir, chosen.model_names, chosen.precision)
        return _wired(Service(chosen, loaded, Places(chosen.max_in_work), read_results(results_file)))
    except (SettingsError, ModelFileError) as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        sys.exit(EXIT_CANNOT_START)


def _wired(parts: Service) -> Flask:
    """Make the application of its parts. What is registered first acts first on a request."""
    app, settings = Application(__name__), parts.settings
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_upload_bytes,
        # One part per file, and the few fields of the form.
        MAX_FORM_PARTS=settings.max_files + 10,
        # Werkzeug reads bodies in pieces of 64 KiB, which this must not be below.
        MAX_FORM_MEMORY_SIZE=100_000,
        # Known proxies in front, whose ids of requests are taken over.
        PROXY_HOPS=settings.proxy_hops,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    service.install(app, parts)
    routes.marked(Mark.OPEN_TO_ALL | Mark.FOR_KEEPING)(app.view_functions["static"])
    cross_site.register(app)
    tokens.register(app, settings.tokens)
    rate_limit.register(app, settings)
    for module in (api_views, docs_page, documents, probes, page_views):
        app.register_blueprint(module.blueprint)
    languages.register(app)
    errors.register(app, page_views.show_refusal)
    headers.register(app, settings.hsts_seconds)
    app.extensions["openapi"] = openapi.describe(app)
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    parts.metrics.tell_models((c.card, c.precision) for c in parts.classifiers.values())
    requests.register(app, parts.metrics)
    return app
