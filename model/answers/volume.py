"""A volume as parallel slices, which of them to classify, and what a network says of all of them together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.answers.answer import (
    NOT_BRAIN_MRI,
    UNCERTAIN,
    answer_of,
    most_probable,
    shows_tumor,
    tumor_probability,
    why_uncertain,
)
from model.answers.prediction import Prediction
from model.card import Decision
from model.errors import UnsuitableImage
from model.sentences import NO_SENTENCE, Sentence

# Neighbouring slices that are judged together.
WINDOW = 3
# From the first to the last of them it is at most this many slices: one that the gate refuses may lie between two.
_REACH = 2 * (WINDOW - 1)
_NO_SLICE_OF_A_HEAD = Sentence(
    "Expected MR slices of a head. Received a volume without a slice like the brain MRI that the network was trained "
    "on, so that it names no class. Send a series of the head."
)


@dataclass(frozen=True, eq=False)
class VolumeSummary:
    """What one network says of a volume.

    answer: a class name, UNCERTAIN or NOT_BRAIN_MRI; reason: why no class is given, empty where one is.
    probabilities: by class, means over the window, sum 1; tumor_probability: of any tumor, 0..1; shows_tumor: whether
    that reaches the operating point. Like predicted_class they mean nothing where the answer is NOT_BRAIN_MRI.
    window: indices into the volume's slices of those that the summary rests on, ascending; lies_apart: whether they are
    no neighbours, because the gate refused those between; key_slice: the one of them to look at.
    n_classified: slices that were classified; n_brain_mri: those of them that passed the gate.
    """

    answer: str
    reason: Sentence
    predicted_class: str
    probabilities: dict[str, float]
    tumor_probability: float
    shows_tumor: bool
    key_slice: int
    window: tuple[int, ...]
    lies_apart: bool
    n_classified: int
    n_brain_mri: int

    @property
    def first_slice(self) -> int:
        """The first slice of the window."""
        return self.window[0]

    @property
    def last_slice(self) -> int:
        """The last slice of the window."""
        return self.window[-1]

    @property
    def is_brain_mri(self) -> bool:
        """Whether any slice is enough like the training pictures to be answered."""
        return self.answer != NOT_BRAIN_MRI

    def by_class(self) -> dict[str, float]:
        """The mean probability of each class over the window, by its name."""
        return self.probabilities


def summarize(predictions: Sequence[Prediction], slice_indices: Sequence[int] | NDArray[np.int64]) -> VolumeSummary:
    """Judge a volume by the WINDOW neighbouring slices with the highest mean tumor probability.

    A tumor spans several neighbouring slices, a lone false alarm does not: a maximum over single slices would take
    every false alarm for a tumor. A mean over the whole head would drown a small tumor, which shows in a few slices.
    Slices that the gate refuses are left out first; where it refuses all, so does the summary. Where it leaves no
    neighbours, slices that lie apart are judged together.

    slice_indices: where each prediction's slice is in the volume, ascending; every second one will do.

    Raises:
        UnsuitableImage: there are no predictions, because no slice has contrast.
    """
    if len(predictions) == 0:
        raise UnsuitableImage(
            Sentence(
                "Expected MR slices. Received a volume of almost one flat grey. Send a series that shows the brain."
            )
        )
    passed = [i for i, prediction in enumerate(predictions) if prediction.is_brain_mri]
    chosen = _most_suspicious(predictions, passed or range(len(predictions)))
    means = _mean_probabilities([predictions[i] for i in chosen])
    answer = answer_of(means, predictions[0].decision) if passed else NOT_BRAIN_MRI
    return VolumeSummary(
        answer=answer,
        reason=_reason(answer, means, predictions[0].decision),
        predicted_class=most_probable(means),
        probabilities=means,
        tumor_probability=tumor_probability(means),
        shows_tumor=shows_tumor(means, predictions[0].decision),
        key_slice=int(slice_indices[max(chosen, key=lambda i: predictions[i].tumor_probability)]),
        window=tuple(int(slice_indices[i]) for i in chosen),
        lies_apart=_lies_apart(chosen),
        n_classified=len(predictions),
        n_brain_mri=len(passed),
    )


def _reason(answer: str, means: dict[str, float], decision: Decision) -> Sentence:
    if answer == NOT_BRAIN_MRI:
        return _NO_SLICE_OF_A_HEAD
    return why_uncertain(means, decision) if answer == UNCERTAIN else NO_SENTENCE


def _most_suspicious(predictions: Sequence[Prediction], places: Sequence[int]) -> Sequence[int]:
    """Give, of these places, the window of the highest mean, the first of equal ones; all where they are fewer."""
    length = min(WINDOW, len(places))
    windows = [places[first : first + length] for first in range(len(places) - length + 1)]
    near = [window for window in windows if not _lies_apart(window)]
    return max(near or windows, key=lambda window: sum(predictions[i].tumor_probability for i in window))


def _lies_apart(window: Sequence[int]) -> bool:
    return window[-1] - window[0] > _REACH


def _mean_probabilities(predictions: Sequence[Prediction]) -> dict[str, float]:
    means = np.array([prediction.probabilities for prediction in predictions], np.float64).mean(axis=0)
    return {name: float(mean) for name, mean in zip(predictions[0].class_names, means, strict=True)}
