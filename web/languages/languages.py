"""The languages of the page and of the API: English and French, by the browser or by the switch in the page."""

import re
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, url_for
from flask_babel import Babel, format_decimal, format_percent, get_locale, gettext

from model.answers.headline import share as spoken_share
from model.sentences import Sentence
from web.routes import Mark, is_marked

# The first is the default.
LANGUAGES = {"en": "English", "fr": "Français"}
TRANSLATIONS = Path(__file__).parent / "translations"


def chosen_language() -> str:
    """Return the language of the address (`?lang=fr`), else the browser's, else the first."""
    asked = request.args.get("lang", "")
    if asked in LANGUAGES:
        return asked
    return request.accept_languages.best_match(LANGUAGES) or next(iter(LANGUAGES))


def say(text: str) -> str:
    """Return a sentence in the language of the request; a plain text is looked up unchanged."""
    if isinstance(text, Sentence):
        return text.said_in(gettext, lambda value: str(format_decimal(value, "#,##0.##")))
    return str(gettext(text)) if text else ""


def percent(share: float, n_decimals: int = 1) -> str:
    """Write a share of 1 as a percentage, as the language does: 96.8% or 96,8 %."""
    pattern = f"#,##0.{'0' * n_decimals}".rstrip(".") + ("%" if _is_english() else "\u202f%")
    return str(format_percent(share, pattern))


def share(probability: float) -> str:
    """Write a probability in whole percent, as headlines do."""
    return say(spoken_share(probability))


def number(value: float, n_decimals: int = 0) -> str:
    """Write a number as the language does, with so many decimals."""
    return str(format_decimal(value, f"#,##0.{'0' * n_decimals}".rstrip(".")))


def _is_english() -> bool:
    return str(get_locale()).startswith("en")


def here_in(language: str) -> str:
    """Return the address of this page in a language, or of the start page if this one has no address of its own."""
    endpoint = request.endpoint if request.method in {"GET", "HEAD"} else None
    return url_for(endpoint or "pages.form", **{**(request.view_args or {}), "lang": language})


def unbroken(french: str) -> str:
    """Return text whose lines never break before a high mark or in guillemets; a placeholder such as %(n)s stays."""
    return re.sub(r" (?=[:;?!»]|%(?!\())|(?<=«) ", "\u202f", french)


def keep_language(_: str, values: dict[str, Any]) -> None:
    """Keep a chosen language in the links to a blueprint: for its `url_defaults`."""
    if request and request.args.get("lang") in LANGUAGES:
        values.setdefault("lang", request.args["lang"])


def register(app: Flask) -> None:
    """Let templates and sentences speak the language of the request."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(TRANSLATIONS)
    Babel(app, locale_selector=chosen_language)
    app.jinja_env.filters.update(say=say, percent=percent, share=share, number=number)
    app.jinja_env.globals.update(languages=LANGUAGES, chosen_language=chosen_language, here_in=here_in)
    # Blank lines and indentation around a translated block are no part of the sentence.
    app.jinja_env.policies["ext.i18n.trimmed"] = True

    @app.after_request
    def name_language(response: Response) -> Response:
        if not is_marked(Mark.FOR_KEEPING):
            response.headers["Content-Language"] = chosen_language()
            response.vary.add("Accept-Language")
        return response
