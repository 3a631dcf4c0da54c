"""One network's answer for a volume, from its answers for the slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from model.answers.certainty import Answer, Tumor
from model.answers.prediction import Prediction
from model.errors import UnsuitableImage
from model.sentences import Sentence

# A model that calls more healthy volumes a tumor, or of which this is not known, says neither yes nor no of a volume.
LARGEST_FALSE_ALARMS = 0.10
# Neighbouring slices that are judged together.
WINDOW = 3
# From the first to the last of them it is at most this many slices: one that the gate refuses may lie between two.
_REACH = 2 * (WINDOW - 1)
_NO_SLICE_OF_A_HEAD = Sentence(
    "No slice of this volume is like the brain MRI that the network was trained on, so no class is named. Send a "
    "series of the head."
)
_NOT_JUDGED = Sentence(
    "It was not shown that this model calls fewer than one in ten healthy volumes a tumor, so it gives no answer on "
    "volumes. Look at the slices with the highest probability. A specialist must look."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class VolumeSummary(Answer):
    """What one network says of a volume: the means over a window of its slices.

    distance: that of the slice most like the training images.
    slice_indices: which of the volume's slices were classified, ascending; slices: what was said of each of them.
    window: the indices of those that the summary rests on, ascending; lies_apart: whether they are no neighbours,
    because the gate refused those between. key_slice: the index of the one to look at.
    """

    slice_indices: tuple[int, ...]
    slices: tuple[Prediction, ...]
    window: tuple[int, ...]
    lies_apart: bool
    key_slice: int
    _is_volume: ClassVar[bool] = True

    @property
    def is_judged(self) -> bool:
        """Whether the model was measured on healthy volumes, and calls few enough of them a tumor."""
        rate = self.decision.volume_false_alarms
        return rate is not None and rate < LARGEST_FALSE_ALARMS

    @property
    def tumor(self) -> Tumor:
        """What may be said of a tumor: nothing where volumes are not judged."""
        return super().tumor if self.is_judged else Tumor.UNCLEAR

    @property
    def reason(self) -> Sentence:
        """Why the answer is not a class; empty if it is one."""
        return super().reason if self.is_judged or not self.is_brain_mri else _NOT_JUDGED

    @property
    def first_slice(self) -> int:
        """The first slice of the window."""
        return self.window[0]

    @property
    def last_slice(self) -> int:
        """The last slice of the window."""
        return self.window[-1]

    @property
    def n_classified(self) -> int:
        """How many slices were classified."""
        return len(self.slices)

    @property
    def n_brain_mri(self) -> int:
        """How many of them passed the gate."""
        return sum(prediction.is_brain_mri for prediction in self.slices)

    @property
    def _refusal(self) -> Sentence:
        return _NO_SLICE_OF_A_HEAD


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
        raise UnsuitableImage(Sentence("This volume is almost one flat grey. Send a series that shows the brain."))
    passed = [i for i, prediction in enumerate(predictions) if prediction.is_brain_mri]
    chosen = _most_suspicious(predictions, passed or range(len(predictions)))
    first = predictions[0]
    return VolumeSummary(
        class_names=first.class_names,
        probabilities=np.array([predictions[i].probabilities for i in chosen], np.float64).mean(axis=0),
        decision=first.decision,
        distance=min(predictions[i].distance for i in passed or range(len(predictions))),
        slice_indices=tuple(int(index) for index in slice_indices),
        slices=tuple(predictions),
        window=tuple(int(slice_indices[i]) for i in chosen),
        lies_apart=_lies_apart(chosen),
        key_slice=int(slice_indices[max(chosen, key=lambda i: predictions[i].tumor_probability)]),
    )


def _most_suspicious(predictions: Sequence[Prediction], places: Sequence[int]) -> Sequence[int]:
    """Return, of these places, the window of the highest mean, the first of equal ones; all where they are fewer."""
    length = min(WINDOW, len(places))
    windows = [places[first : first + length] for first in range(len(places) - length + 1)]
    near = [window for window in windows if not _lies_apart(window)]
    return max(near or windows, key=lambda window: sum(predictions[i].tumor_probability for i in window))


def _lies_apart(window: Sequence[int]) -> bool:
    return window[-1] - window[0] > _REACH
