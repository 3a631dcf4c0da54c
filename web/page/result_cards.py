"""What the page shows of each result, ready for the templates: images as data: URLs, sorted rows and words."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from model.answering import AnsweredImage, AnsweredVolume, Opinion, Refused, Result, SlicesDone
from model.answers.certainty import Answer, Tumor
from model.answers.headline import Headline, Tone, bounds, headline, share
from model.answers.prediction import Prediction
from model.answers.volume import VolumeSummary
from model.card import ModelCard
from model.evidence.drawing import picture_webp, shrink
from model.evidence.explainer import DISPLAY_SIDE_PX, NO_TUMOR, TUMOR, Explainer
from model.network.classifier import Classifier
from model.reading.contents import MriImage
from model.records import notes_of, page_rows, record_of
from model.sentences import NO_SENTENCE, Sentence
from web.languages.languages import say
from web.page.place import NO_PLACE, Place, place_of
from web.page.wording import Description, describe

# Evidence has at most ten cells along a side: this many pixels show all of it.
_LAYER_SIDE_PX = 96
# Sides of a volume's images: there are a hundred of them in one page.
_SLICE_SIDE_PX = 256
_THUMBNAIL_SIDE_PX = 48
# The chart's size in the units of its view box.
CHART_WIDTH, CHART_HEIGHT = 600, 120


@dataclass(frozen=True)
class Layer:
    """The evidence for a class, to be laid over the image."""

    class_name: str
    url: str
    # The image has no evidence for the class.
    is_empty: bool


@dataclass(frozen=True)
class View:
    """An image with the layers that can be shown over it.

    shows_colours: whether the first layer is shown at once.
    """

    image: str
    width_px: int
    height_px: int
    layers: tuple[Layer, ...] = ()
    shows_colours: bool = False


@dataclass(frozen=True)
class SliceCard:
    """One classified slice of a volume; `number` counts the volume's slices from 1."""

    number: int
    answer: Answer
    view: View
    thumbnail: str

    @property
    def headline(self) -> Sentence:
        """What the first model says of this slice alone."""
        return headline(self.answer).text


@dataclass(frozen=True)
class Chart:
    """Tumor probability along the slices: runs of points, and the places of the key slice and the threshold."""

    runs: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    key_x: float
    operating_y: float
    first_number: int
    last_number: int


@dataclass(frozen=True)
class SecondOpinion:
    """What the other model says, and its known weakness, if any."""

    model: ModelCard
    answer: Answer
    headline: Headline
    weakness: Sentence


@dataclass(frozen=True)
class ResultCard:
    """What the template shows of one result."""

    number: int
    date: str
    sha256: Sequence[str]
    record: dict[str, Any]
    rows: list[dict[str, Any]]
    # Place of the file in the directory of a zip file, from 1.
    member: int | None = None
    refusal: Sentence | None = None
    model: ModelCard | None = None
    answer: Answer | None = None
    headline: Headline | None = None
    bounds: Sentence = NO_SENTENCE
    description: Description | None = None
    view: View | None = None
    place: Place = NO_PLACE
    facts: tuple[Sentence, ...] = ()
    thumbnail: str = ""
    steps: tuple[Sentence, ...] = ()
    notes: tuple[Sentence, ...] = ()
    second: SecondOpinion | None = None
    seconds: float = 0.0
    slices: tuple[SliceCard, ...] = ()
    chart: Chart | None = None
    key_number: int = 0

    @property
    def label(self) -> Sentence:
        """The answer in plain words."""
        return self.headline.text if self.headline else Sentence("No answer")

    @property
    def group(self) -> str:
        """The group of the table's filter."""
        if not self.answer or not self.headline:
            return "refused"
        if not self.answer.is_brain_mri:
            return "not_brain"
        if self.headline.tone is Tone.DISAGREE:
            return "disagree"
        return {Tumor.YES: "tumor", Tumor.NO: "no_tumor", Tumor.UNCLEAR: "unclear"}[self.answer.tumor]

    @property
    def tone(self) -> str:
        """How sure the answer is, for its colour."""
        return (self.headline.tone if self.headline else Tone.UNSURE).value


@dataclass
class CardMaker:
    """Makes cards from results as they come; keeps the drawn slices of the current volume."""

    classifier: Classifier
    sha256: Sequence[str]
    first_number: int = 1
    _slices: list[SliceCard] = field(default_factory=list)
    _n_made: int = 0

    def take(self, step: SlicesDone) -> None:
        """Draw slices of a volume, since their feature maps are not kept."""
        for index, prediction in zip(step.slice_indices, step.predictions, strict=True):
            image = step.volume.image(index)
            view = self._view(image, prediction, _SLICE_SIDE_PX, [TUMOR])
            thumbnail = _image_url(image, _THUMBNAIL_SIDE_PX)
            self._slices.append(SliceCard(index + 1, prediction.without_maps(), view, thumbnail))

    def card(self, result: Result) -> ResultCard:
        """Make the card of a result."""
        number, date = self.first_number + self._n_made, _now()
        self._n_made += 1
        common: dict[str, Any] = {
            "number": number,
            "date": date,
            "record": {**record_of(result, self.sha256, say), "date": date},
            "rows": page_rows(result, self.sha256, number, date, say),
            "sha256": [m.sha256 for m in result.members] or [self.sha256[i] for i in result.files],
            "member": result.members[0].place + 1 if result.members else None,
        }
        slices, self._slices = tuple(self._slices), []
        if isinstance(result, Refused):
            return ResultCard(**common, refusal=result.error.sentence)
        answered: dict[str, Any] = {
            "model": result.card,
            "answer": result.answer,
            "headline": headline(result.answer, result.second.answer if result.second else None),
            "bounds": _bounds(result),
            "description": describe(result.answer.answer, isinstance(result, AnsweredVolume)),
            "second": _second(result.second) if result.second else None,
            "notes": notes_of(result.content),
            "facts": result.content.facts,
            "place": place_of(result.content, _SLICE_SIDE_PX),
            "seconds": result.seconds,
        }
        if isinstance(result, AnsweredVolume):
            return ResultCard(**common, **answered, **_of_volume(result), slices=slices)
        return ResultCard(**common, **answered, **self._of_image(result))

    def _of_image(self, result: AnsweredImage) -> dict[str, Any]:
        image, prediction = result.content, result.answer
        return {
            "view": self._view(image, prediction, DISPLAY_SIDE_PX, _layer_names(prediction)),
            "thumbnail": _image_url(image, _THUMBNAIL_SIDE_PX),
            "steps": _steps(image, prediction, result.card.input_size_px),
        }

    def _view(self, image: MriImage, prediction: Prediction, side_px: int, names: Sequence[str]) -> View:
        """Encode the image, and the evidence for some answers, see `Explainer.layers`."""
        height, width = image.pixels.shape
        url = _image_url(image, side_px)
        if not prediction.is_brain_mri or not self.classifier.card.feature_layer:
            return View(url, width, height)
        layers = Explainer(self.classifier).layers(image, prediction, names, _LAYER_SIDE_PX)
        urls = tuple(Layer(name, _data_url(webp), not seen) for name, (webp, seen) in zip(names, layers, strict=True))
        return View(url, width, height, urls, prediction.shows_tumor)


def _layer_names(prediction: Prediction) -> list[str]:
    """Return the layers of an image: any tumor, each kind by falling probability, no tumor."""
    kinds = [name for name, _ in prediction.ranked() if name not in (TUMOR, NO_TUMOR)]
    return [TUMOR, *kinds, NO_TUMOR]


def _second(second: Opinion) -> SecondOpinion:
    return SecondOpinion(second.card, second.answer, headline(second.answer), _weakness(second.card))


def _weakness(model: ModelCard) -> Sentence:
    # For a network whose evidence is elsewhere in most tumors.
    if model.pointing is None or model.pointing >= 0.5:
        return NO_SENTENCE
    return Sentence(
        "It may rely on the look of the image: its evidence was in the tumor in {share} of its test tumors.",
        share=share(model.pointing),
    )


def _bounds(result: AnsweredImage | AnsweredVolume) -> Sentence:
    """Return the thresholds of the answer in words; nothing for a volume that is not judged."""
    answer = result.answer
    if isinstance(answer, VolumeSummary) and not answer.is_judged:
        return NO_SENTENCE
    return bounds(result.card.decision, isinstance(answer, VolumeSummary), answer.has_kinds)


def _of_volume(result: AnsweredVolume) -> dict[str, Any]:
    key = result.answer.key_slice
    return {
        "thumbnail": _image_url(result.content.image(key), _THUMBNAIL_SIDE_PX),
        "steps": _volume_steps(result),
        "chart": _chart(result),
        "key_number": key + 1,
    }


def _steps(image: MriImage, prediction: Prediction, side_px: int) -> tuple[Sentence, ...]:
    height, width = image.pixels.shape
    box = prediction.box
    return (
        Sentence("Read as {format}, {width} × {height} pixels.", format=image.format, width=width, height=height),
        *image.steps,
        Sentence(
            "Cropped to the head: {width} × {height} pixels. Grey levels stretched, resized to {side} × {side} pixels.",
            width=box.right - box.left, height=box.bottom - box.top, side=side_px,
        ),
    )  # fmt: skip


def _volume_steps(result: AnsweredVolume) -> tuple[Sentence, ...]:
    summary, volume = result.answer, result.content
    _, height, width = volume.slices.shape
    read = Sentence(
        "Read as {format}: {n} slices of {width} × {height} pixels. Classified, because they contain brain: {k}.",
        format=volume.format, n=len(volume.slices), width=width, height=height, k=summary.n_classified,
    )  # fmt: skip
    if not summary.is_brain_mri:
        return (read, *volume.steps)
    return (
        read,
        *volume.steps,
        _rests_on(summary),
    )  # fmt: skip


def _rests_on(summary: VolumeSummary) -> Sentence:
    slices = ", ".join(str(index + 1) for index in summary.window)
    if summary.n_brain_mri == 1:
        return Sentence("The answer is that of slice {slice}, the only one that looks like brain MRI.", slice=slices)
    if summary.lies_apart:
        return Sentence(
            "The answer is the mean over slices {slices}: too few of the {n} slices of brain MRI are neighbours.",
            slices=slices, n=summary.n_brain_mri,
        )  # fmt: skip
    return Sentence(
        "The answer is the mean over slices {slices}, the neighbouring slices with the highest probability of a tumor. "
        "Slices that look like brain MRI: {n}.",
        slices=slices, n=summary.n_brain_mri,
    )  # fmt: skip


def _chart(result: AnsweredVolume) -> Chart:
    summary = result.answer
    indices = summary.slice_indices
    first, last = indices[0], indices[-1]

    def place(index: int) -> float:
        return round((index - first) / max(last - first, 1) * CHART_WIDTH, 1)

    def height(probability: float) -> float:
        return round((1 - probability) * CHART_HEIGHT, 1)

    runs: list[list[tuple[float, float]]] = [[]]
    for index, prediction in zip(indices, summary.slices, strict=True):
        if prediction.is_brain_mri:
            runs[-1].append((place(index), height(prediction.tumor_probability)))
        elif runs[-1]:
            runs.append([])
    return Chart(
        tuple(" ".join(f"{x},{y}" for x, y in run) for run in runs if run),
        tuple(point for run in runs for point in run),
        place(summary.key_slice),
        height(summary.decision.tumor_from),
        first + 1,
        last + 1,
    )


def _now() -> str:
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _image_url(image: MriImage, side_px: int) -> str:
    return _data_url(picture_webp(shrink(image.pixels, side_px)))


def _data_url(webp: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(webp).decode()
