"""The project's own documents as pages, and what the footer of every page names."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, render_template
from markupsafe import Markup

from model.card import DISCLAIMER
from model.sentences import Sentence
from web.languages.languages import chosen_language, keep_language, unbroken

if TYPE_CHECKING:
    from markdown_it.token import Token

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
# A wide table or line of code scrolls by itself, also with the keyboard.
_FRAMES = (
    ("<table>", '<div class="table-scroll" tabindex="0"><table class="table">'),
    ("</table>", "</table></div>"),
    ("<pre>", '<pre class="code" tabindex="0">'),
)
# In place of style attributes for alignment, which the Content-Security-Policy forbids.
_CELL_ATTRIBUTES: dict[str, dict[str, str | int | float]] = {"th_open": {"scope": "col"}, "td_open": {}}
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
    if language == "fr":
        # Code stays as it is.
        parts = re.split(r"(<code>.*?</code>)", text, flags=re.DOTALL)
        text = Markup("".join(part if i % 2 else unbroken(part) for i, part in enumerate(parts)))
    return render_template("document.html", title=title, text=text, language=language, disclaimer=DISCLAIMER)


def as_html(markdown: str) -> Markup:
    """Return a Markdown document as HTML for the page, which shows its title itself.

    Without a first heading of level 1, comments, images, and links into the repository. Other HTML is shown as text.
    """
    # Takes 90 ms to import, which a server that shows no document need not wait for.
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL))
    if tokens and tokens[0].tag == "h1":
        del tokens[:3]  # its opening, text and closing
    for token in tokens:
        token.attrs = _CELL_ATTRIBUTES.get(token.type, token.attrs)
        token.children = [*_without_files(token.children or ())]
    html = parser.renderer.render(tokens, parser.options, {})
    for plain, framed in _FRAMES:
        html = html.replace(plain, framed)
    return Markup(html)


def _without_files(tokens: Iterable["Token"]) -> Iterator["Token"]:
    """Yield the tokens but for images and for links into the repository, whose files the server lacks; texts stay."""
    leads_out = False
    for token in tokens:
        if token.type == "link_open":
            leads_out = str(token.attrs["href"]).startswith(("http://", "https://"))
        if token.type != "image" and (leads_out or token.type not in ("link_open", "link_close")):
            yield token


@blueprint.app_context_processor
def footer() -> dict[str, Any]:
    """Return what every template may name of the software."""
    return {"version": VERSION, "documents": {name: title for name, (title, _) in DOCUMENTS.items()}}
