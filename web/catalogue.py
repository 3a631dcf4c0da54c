"""Keep the translators' catalogues up to date: `python -m web.catalogue` rewrites web/languages/translations.

New sentences come in empty, and old ones are removed. The app reads the compiled .mo files next to the .po files.
"""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from flask import Flask

from web.api import views
from web.api.openapi import describe
from web.languages.languages import LANGUAGES, TRANSLATIONS, unbroken
from web.refusals import CODES

TOP = Path(__file__).parents[1]

# `Sentence("...")` in Python, `_("...")` and `{% trans %}` in templates.
_FOLDERS = ("model", "web", "templates")
_KEYWORDS = {"Sentence": None, "_": None, "gettext": None}
# The texts of a model's card that the page shows.
_CARD_FIELDS = ("title", "intended_use", "limits")


def template() -> Catalog:
    """Gather every sentence that a user may see."""
    catalog = _catalog(None)
    for text, place, line in (*_of_sources(), *_of_cards(), *_of_api()):
        catalog.add(text, locations=[(place, line)] if line else [(place, 1)])
    return catalog


def _catalog(language: str | None) -> Catalog:
    return Catalog(language, project="brain-mri-classifier", charset="utf-8", fuzzy=False, header_comment="#",
                   msgid_bugs_address="-", last_translator="-", language_team="-")  # fmt: skip


def _of_sources() -> Iterator[tuple[str, str, int]]:
    files = [(TOP / "training" / "steps" / "card_of_run.py", "training/steps/card_of_run.py")]
    for folder in _FOLDERS:
        files += [(path, path.relative_to(TOP).as_posix()) for path in sorted((TOP / folder).rglob("*"))]
    for path, name in files:
        if path.suffix in {".py", ".html"}:
            yield from _of_file(path, name)


def _of_file(path: Path, name: str) -> Iterator[tuple[str, str, int]]:
    methods = [(path.name, "python" if path.suffix == ".py" else "jinja2")]
    options = {path.name: {"trimmed": "true", "silent": "false", "newstyle_gettext": "true"}}
    found = extract_from_dir(path.parent, methods, options, _KEYWORDS, directory_filter=lambda _: False)
    for file, line, message, _, _ in found:
        if Path(file).name == path.name and isinstance(message, str) and message:
            yield message, name, line


def _of_cards() -> Iterator[tuple[str, str, int]]:
    for path in sorted((TOP / "model" / "weights").glob("*.json")):
        card = json.loads(path.read_text())
        for field in _CARD_FIELDS:
            texts = [card[field]] if isinstance(card[field], str) else card[field]
            yield from ((text, path.relative_to(TOP).as_posix(), 0) for text in texts)


def _of_api() -> Iterator[tuple[str, str, int]]:
    """Yield what the page of the API shows of its OpenAPI document."""
    app = Flask(__name__)
    app.register_blueprint(views.blueprint)
    document = describe(app)
    texts = [document["info"]["description"], *(code.meaning for code in CODES.values())]
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        answer = operation["responses"]["200"]
        (content,) = answer["content"].values()
        texts += [operation["summary"], answer["description"], *content.get("examples", {})]
    for schema in document["components"]["schemas"].values():
        texts += [schema["description"], *(field.get("description", "") for field in schema["properties"].values())]
    yield from ((text, "web/api/schemas.py", 0) for text in texts if text)


def po_file(language: str) -> Path:
    """Return the catalogue of a language, for people."""
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog:
    """Read the catalogue of a language; an empty one where there is none."""
    file = po_file(language)
    if not file.is_file():
        return _catalog(language)
    with file.open("rb") as stream:
        return read_po(stream, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """Return the catalogue as gettext reads it."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def main() -> int:
    """Update every language; exit with 1 while sentences lack their translation."""
    n_missing = 0
    for language in list(LANGUAGES)[1:]:
        catalog = read(language)
        catalog.update(template(), no_fuzzy_matching=True)
        catalog.obsolete.clear()
        for message in catalog:
            if message.id and isinstance(message.string, str):
                message.string = unbroken(message.string)
        file = po_file(language)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as stream:
            write_po(stream, catalog, width=120, sort_by_file=True, no_location=True, omit_header=False)
        file.with_suffix(".mo").write_bytes(compiled(catalog))
        missing = [message.id for message in catalog if message.id and not message.string]
        n_missing += len(missing)
        print(f"{language}: {len(catalog) - len(missing)} sentences, {len(missing)} to be translated in {file}")
    return 1 if n_missing else 0


if __name__ == "__main__":
    sys.exit(main())
