"""The page: a form, and below it what came of the files that were sent."""

import base64
from dataclasses import dataclass, replace
from pathlib import Path

from flask import Blueprint, current_app, render_template, request

from model.card import DISCLAIMER
from model.classifier import DISPLAY_SIDE_PX, NOT_BRAIN_MRI, UNCERTAIN, Classifier
from model.heatmap import png_bytes, shrink
from model.sentences import Sentence
from web.errors import Refusal, concerns_the_form
from web.predicting import Answer, Refused, classify
from web.uploads import this_app, uploaded_files

blueprint = Blueprint("pages", __name__)

# Plain words for the classes, once for all pages.
CLASS_LABELS = {
    "glioma": "Glioma",
    "meningioma": "Meningioma",
    "pituitary": "Pituitary tumor",
    "no_tumor": "No tumor",
    "tumor": "Tumor",
    UNCERTAIN: "Uncertain",
    NOT_BRAIN_MRI: "Not a brain MRI",
}
SAMPLES = ("glioma", "meningioma", "pituitary", "no_tumor")


@dataclass(frozen=True)
class ResultCard:
    """What the template shows of one file; pictures are data: URLs."""

    number: int
    refusal: str | None = None
    label: str = ""
    reason: str = ""
    # The class whose evidence the heat map shows.
    shown_class: str = ""
    tumor_probability: float = 0.0
    probabilities: tuple[tuple[str, float], ...] = ()
    picture: str = ""
    heatmap: str = ""
    notes: tuple[str, ...] = ()
    width_px: int = 0
    height_px: int = 0
    seconds: float = 0.0


@blueprint.before_request
def bound_bodies_without_files() -> None:
    """Let only a multipart body, the one kind that carries files, be longer than text fields may be."""
    if request.mimetype != "multipart/form-data":
        request.max_content_length = request.max_form_memory_size


@blueprint.get("/")
def form() -> str:
    """Show the empty form."""
    return show_page()


@blueprint.post("/")
def predict() -> str | tuple[str, int]:
    """Show the results of the uploaded files, or of a sample."""
    app = this_app()
    classifier = app.classifier(request.form.get("model"))
    try:
        contents = _sample() or uploaded_files(request, app.settings.max_files)
    except Refusal as refusal:
        return show_page(refusal.code, refusal.detail, classifier=classifier), refusal.status
    results = classify(contents, classifier, app.settings.max_pixels)
    cards = [_card(result, classifier) for result in results]
    refused = [result.refusal for result in results if isinstance(result, Refused)]
    if len(refused) == len(results):
        first = refused[0]
        return show_page(first.code, first.detail, cards if len(cards) > 1 else [], classifier), first.status
    return show_page(cards=cards, classifier=classifier)


def show_page(
    code: str = "", error: str = "", cards: list[ResultCard] | None = None, classifier: Classifier | None = None
) -> str:
    """Render the page with the form, an error if there is one, and results if there are any."""
    app = this_app()
    return render_template(
        "index.html",
        cards=cards or [],
        chosen=(classifier or app.classifier(None)).card,
        model_cards=[c.card for c in app.classifiers.values()],
        labels=CLASS_LABELS,
        samples=SAMPLES,
        settings=app.settings,
        disclaimer=DISCLAIMER,
        error=error,
        error_at_field=concerns_the_form(code),
    )


def show_refusal(code: str, detail: str) -> str:
    """Render the page for an error anywhere outside the API. The body stays unread: it may be what is wrong."""
    return show_page(code, detail)


def _sample() -> list[bytes]:
    name = request.form.get("sample")
    if not name:
        return []
    if name not in SAMPLES:
        names = ", ".join(SAMPLES)
        raise Refusal("unknown_sample", Sentence("Expected a sample among {names}. Choose one of them.", names=names))
    return [Path(current_app.static_folder or "", "samples", f"{name}.jpg").read_bytes()]


def _card(result: Answer | Refused, classifier: Classifier) -> ResultCard:
    if isinstance(result, Refused):
        return ResultCard(result.index + 1, refusal=result.refusal.detail)
    prediction = result.prediction
    height, width = result.image.pixels.shape
    card = ResultCard(
        result.index + 1,
        label=CLASS_LABELS[prediction.answer],
        reason=prediction.reason,
        picture=_data_url(png_bytes(shrink(result.image.pixels, DISPLAY_SIDE_PX))),
        notes=result.image.notes,
        width_px=width,
        height_px=height,
        seconds=result.seconds,
    )
    if not prediction.is_brain_mri:
        return card
    by_class = sorted(prediction.by_class().items(), key=lambda item: -item[1])
    return replace(
        card,
        shown_class=CLASS_LABELS[prediction.predicted_class],
        tumor_probability=prediction.tumor_probability,
        probabilities=tuple((CLASS_LABELS[name], p) for name, p in by_class),
        heatmap=_data_url(classifier.heatmap_png(result.image, prediction)),
    )


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
