"""The page: a form, and above it the results of the files that were sent."""

import base64
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue

from model.answering import Refused, SlicesDone
from model.card import DISCLAIMER, ModelCard
from model.network.classifier import Classifier
from model.records import PAGE_COLUMNS, write_csv
from model.sentences import Sentence
from web.answering import classify, hashes_of, refusal_of
from web.errors import note_refusal
from web.guards.overload import admitted
from web.guards.uploads import uploaded_files
from web.languages.languages import keep_language, say
from web.page.result_cards import CHART_HEIGHT, CHART_WIDTH, CardMaker, ResultCard
from web.page.wording import LABELS, SAMPLE_LABELS
from web.refusals import Refusal, concerns_the_form
from web.routes import Mark, marked
from web.service import Service, this_service

blueprint = Blueprint("pages", __name__)
blueprint.url_defaults(keep_language)
# Each file, below static/, that can be tried.
SAMPLES = {
    **{name: f"samples/{name}.jpg" for name in ("glioma", "meningioma", "pituitary", "no_tumor")},
    "volume": "examples/volume.nii.gz",
    "series": "examples/series.zip",
    "cat": "examples/cat.webp",
}


@blueprint.before_request
def bound_bodies_without_files() -> None:
    """Limit bodies to the length of text fields, except multipart ones, which carry files."""
    if request.mimetype != "multipart/form-data":
        request.max_content_length = request.max_form_memory_size


@blueprint.get("/")
def form() -> str:
    """Show the empty form."""
    return show_page()


@blueprint.post("/")
@admitted(lambda: this_service().places)
def predict() -> ResponseReturnValue:
    """Show the results of the uploaded files, or of a sample: the whole page, for a browser without JavaScript."""
    service = this_service()
    contents = _sample() or uploaded_files(request, service.settings.max_files)
    maker, cards, refusals = CardMaker(_first(service), hashes_of(contents)), [], []
    for step in classify(contents, _first(service), service, _second(service)):
        if isinstance(step, SlicesDone):
            maker.take(step)
            continue
        cards.append(maker.card(step))
        refusals += [refusal_of(step)] if isinstance(step, Refused) else []
    if len(refusals) == len(cards):
        first = refusals[0]
        note_refusal(first.code)
        page = show_page(first.code, first.detail, cards if len(cards) > 1 else [])
        return page, first.status, first.headers
    return show_page(cards=cards)


@blueprint.post("/cards")
@marked(Mark.FOR_PROGRAMS)
@admitted(lambda: this_service().places)
def stream_cards() -> Response:
    """Send progress and cards as they come, a JSON object per line: for the page's script."""
    service = this_service()
    contents = _sample() or uploaded_files(request, service.settings.max_files)
    number = request.form.get("number", "1")
    first_number = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1
    lines = _lines(contents, service, CardMaker(_first(service), hashes_of(contents), first_number))
    return Response(stream_with_context(lines), mimetype="application/x-ndjson", headers={"X-Accel-Buffering": "no"})


def _lines(contents: list[bytes], service: Service, maker: CardMaker) -> Iterator[str]:
    for step in classify(contents, _first(service), service, _second(service)):
        if isinstance(step, SlicesDone):
            maker.take(step)
            yield json.dumps({"done": step.n_done, "of": step.n_slices}) + "\n"
        else:
            card = maker.card(step)
            shown = {name: render_template(f"_{name}.html", card=card, **_words()) for name in ("result", "row")}
            yield json.dumps({"card": shown["result"], "row": shown["row"]}) + "\n"


def show_page(code: str = "", error: str = "", cards: list[ResultCard] | None = None) -> str:
    """Render the page with the form, an error if there is one, and results if there are any."""
    service = this_service()
    return render_template(
        "index.html",
        cards=cards or [],
        downloads=_downloads(cards or []),
        model_cards=[c.card for c in service.classifiers.values()],
        precision=service.precision,
        csv_columns=[column.name for column in PAGE_COLUMNS],
        samples=SAMPLES,
        sample_answers=[_sample_answers(c.card) for c in service.classifiers.values()],
        settings=service.settings,
        error=error,
        error_at_field=concerns_the_form(code),
        **_words(),
    )


def show_refusal(code: str, detail: Sentence) -> str:
    """Render the page for an error anywhere outside the API. The body stays unread: it may be what is wrong.

    A client without a token sees only the sentence.
    """
    if code == "unauthorized":
        return render_template("closed.html", error=detail, error_at_field=False, **_words())
    return show_page(code, detail)


def _sample_answers(card: ModelCard) -> tuple[ModelCard, list[Sentence], list[Sentence]]:
    """Return for which samples a model named no class, and which it got wrong, by its card."""
    given: dict[str, str] = card.metrics.get("samples", {})
    silent = [name for name, answer in given.items() if answer not in card.class_names]
    misread = [n for n, answer in given.items() if n not in silent and answer != _expected(n, card.class_names)]
    return card, [LABELS[name] for name in silent], [LABELS[name] for name in misread]


def _expected(sample: str, class_names: Sequence[str]) -> str:
    return sample if sample in class_names else "tumor"


def _words() -> dict[str, Any]:
    return {
        "labels": LABELS,
        "sample_labels": SAMPLE_LABELS,
        "disclaimer": DISCLAIMER,
        "chart_width": CHART_WIDTH,
        "chart_height": CHART_HEIGHT,
    }


def _first(service: Service) -> Classifier:
    return service.classifier(None)


def _second(service: Service) -> Classifier | None:
    """Return the model for the second opinion, if there is one."""
    return next(iter(list(service.classifiers.values())[1:]), None)


def _downloads(cards: list[ResultCard]) -> dict[str, str]:
    """Return the results of the page as data: URLs to save, since the server keeps nothing to fetch."""
    if not cards:
        return {}
    document = {"results": [card.record for card in cards], "disclaimer": say(DISCLAIMER)}
    return {
        "csv": _data_url("text/csv", _csv(cards)),
        "excel": _data_url("text/csv", _csv(cards, ";", ",")),
        "json": _data_url("application/json", json.dumps(document)),
    }


def _csv(cards: list[ResultCard], separator: str = ",", decimal: str = ".") -> str:
    table = io.StringIO(newline="")
    # This mark tells spreadsheets that the table is UTF-8.
    table.write("\ufeff")
    write_csv(table, PAGE_COLUMNS, (row for card in cards for row in card.rows), separator, decimal)
    return table.getvalue()


def _data_url(kind: str, text: str) -> str:
    return f"data:{kind};charset=utf-8;base64," + base64.b64encode(text.encode()).decode()


def _sample() -> list[bytes]:
    name = request.form.get("sample")
    if not name:
        return []
    if name not in SAMPLES:
        names = ", ".join(SAMPLES)
        raise Refusal("unknown_sample", Sentence("Expected a sample among {names}. Choose one of them.", names=names))
    return [Path(current_app.static_folder or "", SAMPLES[name]).read_bytes()]
