"""From readings to answers, step by step: shared by the page, the API and `python -m model`."""

import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

from model.answers.prediction import Prediction
from model.answers.volume import VolumeSummary, summarize
from model.card import ModelCard
from model.errors import Busy, ImageError
from model.network.classifier import Classifier
from model.reading.contents import Member, MriImage, MriVolume, Reading

# Slices per pass of the network: enough to fill two cores, few enough to show progress and to stop when nobody waits.
SLICES_PER_PASS = 24


@dataclass(frozen=True, eq=False)
class Opinion:
    """What a second model says about the same image, or about the slices behind a volume's summary."""

    card: ModelCard
    answer: Prediction | VolumeSummary


@dataclass(frozen=True, eq=False)
class _Answered:
    """files, members: as of the reading; card: of the model; seconds: from bytes to probabilities."""

    files: tuple[int, ...]
    members: tuple[Member, ...]
    card: ModelCard
    second: Opinion | None
    seconds: float


@dataclass(frozen=True, eq=False)
class AnsweredImage(_Answered):
    """An image and the network's answer."""

    content: MriImage
    answer: Prediction


@dataclass(frozen=True, eq=False)
class AnsweredVolume(_Answered):
    """A volume and the network's answers for its slices that show brain, without feature maps."""

    content: MriVolume
    answer: VolumeSummary


@dataclass(frozen=True, eq=False)
class Refused:
    """Files that got no answer, and why."""

    files: tuple[int, ...]
    error: ImageError | Busy
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, eq=False)
class SlicesDone:
    """Progress within a volume: slices that were just classified, feature maps included."""

    volume: MriVolume
    slice_indices: tuple[int, ...]
    predictions: tuple[Prediction, ...]
    n_done: int
    n_slices: int


Result = AnsweredImage | AnsweredVolume | Refused
Step = Result | SlicesDone


def answers(
    readings: Iterable[Reading],
    classifier: Classifier,
    second: Classifier | None = None,
    slices_per_pass: int = SLICES_PER_PASS,
    wait_seconds: float | None = None,
) -> Iterator[Step]:
    """Answer readings in order, each as soon as it is ready; files without an answer become refusals.

    second: another model to run as well. The slices of a volume come before its summary, in batches.
    wait_seconds: how long an image, or a volume's first slices, may wait for the network.
    """
    started, asked = time.perf_counter(), _Asked(classifier, second, slices_per_pass, wait_seconds)
    for reading in readings:
        try:
            yield from asked.about(reading, started)
        except (ImageError, Busy) as error:
            yield Refused(reading.files, error, reading.members)
        started = time.perf_counter()


@dataclass(frozen=True)
class _Asked:
    """The model to use, a second one if wanted, and the steps."""

    first: Classifier
    second: Classifier | None
    slices_per_pass: int
    wait_seconds: float | None

    def about(self, reading: Reading, started: float) -> Iterator[Step]:
        content, card, of = reading.content, self.first.card, (reading.files, reading.members)
        if isinstance(content, ImageError):
            raise content
        if isinstance(content, MriImage):
            (prediction,) = self.first.predict([content], self.wait_seconds)
            second = self._second_of_image(content, prediction)
            yield AnsweredImage(*of, card, second, time.perf_counter() - started, content, prediction)
            return
        summary = yield from self._slices(content)
        second = self._second_of_volume(content, summary)
        yield AnsweredVolume(*of, card, second, time.perf_counter() - started, content, summary)

    def _slices(self, volume: MriVolume) -> Generator[Step, None, VolumeSummary]:
        chosen = [int(index) for index in volume.brain_slices()]
        batches = [chosen[i : i + self.slices_per_pass] for i in range(0, len(chosen), self.slices_per_pass)]
        images = ([volume.image(index) for index in batch] for batch in batches)
        kept: list[Prediction] = []
        for batch, predictions in zip(batches, self.first.predict_ahead(images, self.wait_seconds), strict=True):
            kept += [prediction.without_maps() for prediction in predictions]
            yield SlicesDone(volume, tuple(batch), tuple(predictions), len(kept), len(chosen))
        return summarize(kept, chosen)

    # Images that the first model refuses as not brain MRI skip the second, whose gate may be worse.

    def _second_of_image(self, image: MriImage, first: Prediction) -> Opinion | None:
        if self.second is None or not first.is_brain_mri:
            return None
        return Opinion(self.second.card, self.second.predict([image], self.wait_seconds)[0])

    def _second_of_volume(self, volume: MriVolume, first: VolumeSummary) -> Opinion | None:
        """Classify only the slices behind the summary: classifying all would double the time."""
        if self.second is None or not first.is_brain_mri:
            return None
        images = [volume.image(index) for index in first.window]
        return Opinion(self.second.card, summarize(self.second.predict(images, self.wait_seconds), first.window))
