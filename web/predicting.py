"""From uploaded bytes to results, in the order given: the one path behind the page and the API."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.classifier import Classifier, Prediction
from model.errors import ImageError
from model.files import Reading, read_files
from model.images import MriImage, coarse_note
from model.sentences import Sentence
from model.volumes import MriVolume, VolumeSummary, summarize
from web.errors import Refusal
from web.metrics import Metrics
from web.uploads import App

# Slices per pass of the network: enough to fill two cores, few enough to show progress and to stop when nobody waits.
SLICES_PER_PASS = 8
_NO_MAPS = np.zeros((0, 0, 0), np.float32)


@dataclass(frozen=True)
class Source:
    """Which of the uploaded files a result is of: their places, and the SHA-256 of each."""

    files: tuple[int, ...]
    sha256: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Opinion:
    """What another model says of the same picture, or of the slices that a volume's summary rests on."""

    classifier: Classifier
    prediction: Prediction | VolumeSummary


@dataclass(frozen=True, eq=False)
class Answer:
    """A picture and what the network said of it; `seconds` is the time from bytes to probabilities."""

    source: Source
    classifier: Classifier
    image: MriImage
    prediction: Prediction
    second: Opinion | None
    seconds: float

    @property
    def notes(self) -> tuple[Sentence, ...]:
        """Warnings about the picture."""
        return (*self.image.notes, *coarse_note(*self.image.pixels.shape))


@dataclass(frozen=True, eq=False)
class VolumeAnswer:
    """A volume and what the network said of its slices with brain in them.

    slice_indices: the classified slices' places in the volume; predictions: theirs, in that order, their feature maps
    dropped.
    """

    source: Source
    classifier: Classifier
    volume: MriVolume
    slice_indices: tuple[int, ...]
    predictions: tuple[Prediction, ...]
    summary: VolumeSummary
    second: Opinion | None
    seconds: float

    @property
    def notes(self) -> tuple[Sentence, ...]:
        """Warnings about the volume."""
        return (*self.volume.notes, *coarse_note(*self.volume.slices.shape[1:]))


@dataclass(frozen=True, eq=False)
class Refused:
    """A file that got no answer, and why."""

    source: Source
    refusal: Refusal


@dataclass(frozen=True, eq=False)
class SlicesDone:
    """Progress within a volume: slices that were just classified, feature maps included."""

    volume: MriVolume
    slice_indices: tuple[int, ...]
    predictions: tuple[Prediction, ...]
    n_done: int
    n_slices: int


Result = Answer | VolumeAnswer | Refused


def classify(
    contents: Sequence[bytes], classifier: Classifier, app: App, second: Classifier | None = None
) -> Iterator[Result | SlicesDone]:
    """Read and classify files, each result as soon as it is there; what cannot be read is refused in its place.

    second: another model to ask as well. Files of one series make one volume; of a volume come its slices first.
    """
    for step in _steps(contents, classifier, app, second):
        _count(step, app.metrics)
        yield step


def _count(step: Result | SlicesDone, metrics: Metrics) -> None:
    if isinstance(step, Refused):
        metrics.refused_files.labels(step.refusal.code).inc()
    elif isinstance(step, Answer):
        metrics.predictions.labels(step.classifier.card.name, step.prediction.answer).inc()
    elif isinstance(step, VolumeAnswer):
        metrics.predictions.labels(step.classifier.card.name, step.summary.answer).inc()


def _steps(
    contents: Sequence[bytes], classifier: Classifier, app: App, second: Classifier | None
) -> Iterator[Result | SlicesDone]:
    started = time.perf_counter()
    with app.reading_turns:
        readings = read_files(contents, app.settings.limits)
    for reading in readings:
        source = Source(reading.files, tuple(hashlib.sha256(contents[i]).hexdigest() for i in reading.files))
        try:
            yield from _answer(reading, source, classifier, second, started)
        except ImageError as error:
            yield Refused(source, Refusal.of_image(error))
        started = time.perf_counter()


def results_of(contents: Sequence[bytes], classifier: Classifier, app: App) -> list[Result]:
    """Give the results alone, all at once."""
    return [step for step in classify(contents, classifier, app) if not isinstance(step, SlicesDone)]


def _answer(
    reading: Reading, source: Source, classifier: Classifier, second: Classifier | None, started: float
) -> Iterator[Result | SlicesDone]:
    content = reading.content
    if isinstance(content, ImageError):
        raise content
    if isinstance(content, MriVolume):
        yield from _classify_volume(content, source, classifier, second, started)
        return
    prediction = classifier.predict([content])[0]
    second = _able_to_judge(second, prediction)
    opinion = Opinion(second, second.predict([content])[0]) if second else None
    yield Answer(source, classifier, content, prediction, opinion, time.perf_counter() - started)


def _classify_volume(
    volume: MriVolume, source: Source, classifier: Classifier, second: Classifier | None, started: float
) -> Iterator[Result | SlicesDone]:
    chosen = [int(index) for index in volume.brain_slices()]
    kept: list[Prediction] = []
    for start in range(0, len(chosen), SLICES_PER_PASS):
        indices = chosen[start : start + SLICES_PER_PASS]
        predictions = classifier.predict([volume.image(index) for index in indices])
        yield SlicesDone(volume, tuple(indices), tuple(predictions), start + len(indices), len(chosen))
        # The maps of a long series would fill the memory.
        kept += [replace(prediction, feature_maps=_NO_MAPS) for prediction in predictions]
    summary = summarize(kept, chosen)
    second = _able_to_judge(second, summary)
    opinion = Opinion(second, _second_opinion(volume, chosen, summary, second)) if second else None
    seconds = time.perf_counter() - started
    yield VolumeAnswer(source, classifier, volume, tuple(chosen), tuple(kept), summary, opinion, seconds)


def _able_to_judge(second: Classifier | None, first: Prediction | VolumeSummary) -> Classifier | None:
    """Give the second model unless it would name a class for what the first knows to be no brain MRI."""
    return second if second and (first.is_brain_mri or second.card.gate) else None


def _second_opinion(
    volume: MriVolume, chosen: Sequence[int], summary: VolumeSummary, second: Classifier
) -> VolumeSummary:
    """Ask about the slices alone that the summary rests on: asking about all would double the time."""
    window = [index for index in chosen if summary.first_slice <= index <= summary.last_slice]
    return summarize(second.predict([volume.image(index) for index in window]), window)
