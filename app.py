"""Wire the web application together: `gunicorn "app:create_app()"`."""

import sys

from flask import Flask

from model.classifier import Classifier, load_classifiers
from model.errors import ModelFileError
from web import api, docs, errors, headers, languages, openapi, operations, pages
from web.results import read_results
from web.settings import SettingsError, load_settings
from web.uploads import App, MemoryRequest, start_readers

# gunicorn stops for good, instead of starting another worker, when one leaves with this exit code.
EXIT_CANNOT_START = 4


class Application(Flask):
    """Flask with requests that keep uploads in memory."""

    request_class = MemoryRequest


def create_app(settings: dict[str, object] | None = None, classifiers: dict[str, Classifier] | None = None) -> Flask:
    """Make the application; without classifiers given, load the models of the settings, once.

    Exits with EXIT_CANNOT_START and one line on standard error where settings or models cannot be used.
    """
    try:
        chosen = load_settings(settings)
        if classifiers is None:
            start_readers(chosen)  # they get ready while the models load
        loaded = classifiers or load_classifiers(chosen.models_dir, chosen.model_names)
        results = read_results(chosen.results_file)
    except (SettingsError, ModelFileError) as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        sys.exit(EXIT_CANNOT_START)
    app = Application(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=chosen.max_upload_bytes,
        # One part per file, and the few fields of the form.
        MAX_FORM_PARTS=chosen.max_files + 10,
        MAX_FORM_MEMORY_SIZE=100_000,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["brain_mri"] = App(chosen, loaded, results)
    for module in (api, docs, operations, pages):
        app.register_blueprint(module.blueprint)
    languages.register(app)
    errors.register(app, pages.show_refusal)
    headers.register(app)
    app.extensions["openapi"] = openapi.describe(app)
    return app
