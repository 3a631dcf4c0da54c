"""The project's own documents as pages, and what the footer of every page names."""

from pathlib import Path
from typing import Any

from flask import Blueprint, abort, render_template

from model.card import DISCLAIMER
from model.sentences import Sentence
from web.languages.languages import chosen_language, keep_language
from web.page.plain_markdown import as_html

VERSION = "1.0.0"
_TOP = Path(__file__).parents[2]
# By the last part of the address: a title, and the file below the project's folder.
DOCUMENTS = {
    "readme": (Sentence("Read me"), "README.md"),
    "use": (Sentence("How to read an answer"), "docs/use.md"),
    "model-card": (Sentence("Model card"), "MODEL_CARD.md"),
    "privacy": (Sentence("Privacy"), "PRIVACY.md"),
    "licence": (Sentence("Licence (MIT)"), "LICENSE"),
}
blueprint = Blueprint("documents", __name__)
blueprint.url_defaults(keep_language)


@blueprint.get("/documents/<name>")
def document(name: str) -> str:
    """Show a document, in the page's language if there is a translation."""
    if name not in DOCUMENTS:
        abort(404)
    title, file_name = DOCUMENTS[name]
    translated = _TOP / "docs" / chosen_language() / Path(file_name).name
    language, file = (chosen_language(), translated) if translated.is_file() else ("en", _TOP / file_name)
    text = as_html(file.read_text(encoding="utf-8"))
    return render_template("document.html", title=title, text=text, language=language, disclaimer=DISCLAIMER)


@blueprint.app_context_processor
def footer() -> dict[str, Any]:
    """Return what every template may name of the software."""
    return {"version": VERSION, "documents": {name: title for name, (title, _) in DOCUMENTS.items()}}
