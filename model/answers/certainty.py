"""Whether an answer is certain: class probabilities against thresholds, for images and volumes."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from model.card import Decision
from model.sentences import NO_SENTENCE, Sentence

# Answers besides the classes.
UNCERTAIN, NOT_BRAIN_MRI = "uncertain", "not_a_brain_mri"
_NEUTRAL = Decision()
_NOT_SURE = Sentence("The network is not sure enough to name a class. A specialist must look.")
_NO_KIND = Sentence("The network is sure of a tumor, but not sure enough to name its kind. A specialist must look.")
_CONTRADICTORY = Sentence(
    "The most probable class and the probability of any tumor contradict each other, so no class is named. "
    "A specialist must look."
)
_NO_SLICE_OF_A_HEAD = Sentence(
    "This image is unlike the brain MRI that the network was trained on, so no class is named. Send one upright slice "
    "of a head, without anything around it."
)


class Tumor(Enum):
    """The answer about a tumor: yes, no, or neither between the two thresholds."""

    YES, NO, UNCLEAR = "yes", "no", "unclear"


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """What one network says.

    probabilities: float, shape (n_classes,), in the order of class_names, calibrated by the card, sum 1. They mean
    nothing for what is not a brain MRI.
    distance: how far this is from every training image, as a share of the largest distance that the gate lets through;
    0 where the model has no gate.
    """

    class_names: tuple[str, ...]
    probabilities: NDArray[np.floating]
    decision: Decision = _NEUTRAL
    distance: float = 0.0
    _is_volume: ClassVar[bool] = False

    @property
    def is_brain_mri(self) -> bool:
        """Whether this is similar enough to the training images to be answered."""
        return self.distance <= 1

    @property
    def predicted_class(self) -> str:
        """The class with the highest probability; on a tie, the first."""
        return self.class_names[int(self.probabilities.argmax())]

    @property
    def tumor_probability(self) -> float:
        """The probability of any tumor: all classes but "no tumor" together."""
        return 1 - self.by_class()["no_tumor"]

    @property
    def shows_tumor(self) -> bool:
        """Whether the probability of any tumor reaches the model's operating point."""
        return self.tumor_probability >= self.decision.tumor_from

    @property
    def tumor(self) -> Tumor:
        """The answer about a tumor of any kind."""
        if self._says_tumor:
            return Tumor.YES
        return Tumor.NO if self._says_healthy else Tumor.UNCLEAR

    @property
    def kind(self) -> str:
        """The tumor class that may be named, or None."""
        return self.most_probable_kind if self.tumor is Tumor.YES and self._names_kind else ""

    @property
    def has_kinds(self) -> bool:
        """Whether the network tells kinds of tumor apart."""
        return "tumor" not in self.class_names

    @property
    def most_probable_kind(self) -> str:
        """The tumor class with the highest probability; on a tie, the first."""
        return max((name for name in self.class_names if name != "no_tumor"), key=self.by_class().__getitem__)

    @property
    def is_certain(self) -> bool:
        """Whether the class may be given: no tumor, or a tumor whose kind may be named."""
        return self.tumor is Tumor.NO or bool(self.kind)

    @property
    def is_given(self) -> bool:
        """Whether the answer is a class."""
        return self.is_brain_mri and self.is_certain

    @property
    def answer(self) -> str:
        """The predicted class, UNCERTAIN, or NOT_BRAIN_MRI."""
        if not self.is_brain_mri:
            return NOT_BRAIN_MRI
        return self.kind or ("no_tumor" if self.tumor is Tumor.NO else UNCERTAIN)

    @property
    def reason(self) -> Sentence:
        """Why the answer is not a class; empty if it is one."""
        if not self.is_brain_mri:
            return self._refusal
        if self.is_certain:
            return NO_SENTENCE
        if self._is_contradictory:
            return _CONTRADICTORY
        return _NO_KIND if self.tumor is Tumor.YES else _NOT_SURE

    @property
    def _is_contradictory(self) -> bool:
        return self._is_probable and self.shows_tumor != (self.predicted_class != "no_tumor")

    # Cards of earlier versions lack some thresholds: for each there is one that they have.

    @property
    def _says_tumor(self) -> bool:
        return self.tumor_probability >= self.decision.tumor_bounds(self._is_volume)[0]

    @property
    def _says_healthy(self) -> bool:
        bound = self.decision.healthy_below
        if bound is None:
            return self.predicted_class == "no_tumor" and self._is_probable and not self.shows_tumor
        return self.tumor_probability < bound

    @property
    def _names_kind(self) -> bool:
        kind, bound = self.most_probable_kind, self.decision.kind_from
        if bound is None:
            return self.predicted_class == kind and self._is_probable
        return not self.has_kinds or self.by_class()[kind] >= bound * self.tumor_probability

    @property
    def _is_probable(self) -> bool:
        return float(self.probabilities.max()) >= self.decision.uncertain_below

    @property
    def _refusal(self) -> Sentence:
        return _NO_SLICE_OF_A_HEAD

    def by_class(self) -> dict[str, float]:
        """Return the probability of each class, by its name."""
        return {name: float(p) for name, p in zip(self.class_names, self.probabilities, strict=True)}

    def ranked(self) -> list[tuple[str, float]]:
        """Return each class with its probability, the most probable first."""
        return sorted(self.by_class().items(), key=lambda item: -item[1])
