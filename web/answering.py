"""From uploaded bytes to results, in the order given: the one path behind the page and the API."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.answers.prediction import Prediction
from model.answers.volume import VolumeSummary, summarize
from model.errors import Busy, ImageError
from model.network.classifier import Classifier
from model.reading.contents import MriImage, MriVolume, Reading
from model.reading.sizes import coarse_note
from model.sentences import Sentence
from web.guards.overload import overloaded
from web.observing.metrics import Metrics
from web.refusals import Refusal
from web.service import Service

# Slices per pass of the network: enough to fill two cores, few enough to show progress and to stop when nobody waits.
SLICES_PER_PASS = 24


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

    summary: it holds what was said of each slice, without feature maps.
    """

    source: Source
    classifier: Classifier
    volume: MriVolume
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
    contents: Sequence[bytes], classifier: Classifier, service: Service, second: Classifier | None = None
) -> Iterator[Result | SlicesDone]:
    """Read and classify files, each result as soon as it is there; what cannot be read is refused in its place.

    second: another model to ask as well. Files of one series make one volume; of a volume come its slices first.
    """
    for step in _steps(contents, classifier, service, second):
        _count(step, service.metrics)
        yield step


def _count(step: Result | SlicesDone, metrics: Metrics) -> None:
    if isinstance(step, Refused):
        metrics.refused_files.labels(step.refusal.code).inc()
    elif isinstance(step, Answer):
        metrics.predictions.labels(step.classifier.card.name, step.prediction.answer).inc()
    elif isinstance(step, VolumeAnswer):
        metrics.predictions.labels(step.classifier.card.name, step.summary.answer).inc()


def _steps(
    contents: Sequence[bytes], classifier: Classifier, service: Service, second: Classifier | None
) -> Iterator[Result | SlicesDone]:
    started, asked = time.perf_counter(), _Asked(classifier, second, service.wait_seconds)
    try:
        readings = service.readers.read(contents, service.settings.limits)
    except Busy as error:
        raise overloaded() from error
    for reading in readings:
        source = Source(reading.files, tuple(hashlib.sha256(contents[i]).hexdigest() for i in reading.files))
        try:
            yield from _answer(reading, source, asked, started)
        except ImageError as error:
            yield Refused(source, Refusal.of_image(error))
        except Busy:
            yield Refused(source, overloaded())
        started = time.perf_counter()


def results_of(contents: Sequence[bytes], classifier: Classifier, service: Service) -> Iterator[Result]:
    """Give the results alone."""
    return (step for step in classify(contents, classifier, service) if not isinstance(step, SlicesDone))


@dataclass(frozen=True)
class _Asked:
    """The model that is asked, another one to ask as well, and how long a picture may wait for its turn."""

    first: Classifier
    second: Classifier | None
    wait_seconds: float

    def classify(self, images: Sequence[MriImage]) -> list[Prediction]:
        return self.first.predict(images, self.wait_seconds)

    def beside(self, first: Prediction | VolumeSummary) -> Classifier | None:
        """Give the second model, but for what the first takes for no brain MRI: its own gate may be a worse one."""
        return self.second if first.is_brain_mri else None


def _answer(reading: Reading, source: Source, asked: _Asked, started: float) -> Iterator[Result | SlicesDone]:
    content = reading.content
    if isinstance(content, ImageError):
        raise content
    if isinstance(content, MriVolume):
        yield from _classify_volume(content, source, asked, started)
        return
    prediction = asked.classify([content])[0]
    second = asked.beside(prediction)
    opinion = Opinion(second, second.predict([content], asked.wait_seconds)[0]) if second else None
    yield Answer(source, asked.first, content, prediction, opinion, time.perf_counter() - started)


def _classify_volume(volume: MriVolume, source: Source, asked: _Asked, started: float) -> Iterator[Result | SlicesDone]:
    chosen = [int(index) for index in volume.brain_slices()]
    kept: list[Prediction] = []
    batches = [chosen[start : start + SLICES_PER_PASS] for start in range(0, len(chosen), SLICES_PER_PASS)]
    images = ([volume.image(index) for index in indices] for indices in batches)
    for indices, predictions in zip(batches, asked.first.predict_ahead(images, asked.wait_seconds), strict=True):
        yield SlicesDone(volume, tuple(indices), tuple(predictions), len(kept) + len(indices), len(chosen))
        kept += [prediction.without_maps() for prediction in predictions]
    summary = summarize(kept, chosen)
    second = asked.beside(summary)
    opinion = Opinion(second, _second_opinion(volume, summary, second, asked.wait_seconds)) if second else None
    seconds = time.perf_counter() - started
    yield VolumeAnswer(source, asked.first, volume, summary, opinion, seconds)


def _second_opinion(
    volume: MriVolume, summary: VolumeSummary, second: Classifier, wait_seconds: float
) -> VolumeSummary:
    """Ask about the slices alone that the summary rests on: asking about all would double the time."""
    return summarize(second.predict([volume.image(index) for index in summary.window], wait_seconds), summary.window)
