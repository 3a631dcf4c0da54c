"""What one network says of one image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.answers.answer import (
    NOT_BRAIN_MRI,
    REASONS,
    UNCERTAIN,
    answer_of,
    is_certain,
    shows_tumor,
    tumor_probability,
    why_uncertain,
)
from model.card import Decision
from model.preprocessing import HeadBox
from model.sentences import NO_SENTENCE, Sentence

_NEUTRAL = Decision()


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one network says of one picture.

    probabilities: float32, shape (n_classes,), in the order of class_names, calibrated by the card, sum 1.
    feature_maps: float32, shape (rows, columns, channels); box: the part of the picture they cover.
    distance: how far the picture is from every training picture, as a share of the largest distance let through; 0
    where the model has no gate.
    """

    model_name: str
    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    feature_maps: NDArray[np.float32]
    box: HeadBox
    decision: Decision = _NEUTRAL
    distance: float = 0.0

    @property
    def is_brain_mri(self) -> bool:
        """Whether the picture is enough like those that the network was trained on to be answered at all."""
        return self.distance <= 1

    @property
    def tumor_probability(self) -> float:
        """The probability of any tumor: all classes but "no tumor" together."""
        return tumor_probability(self.by_class())

    @property
    def shows_tumor(self) -> bool:
        """Whether the probability of any tumor reaches the model's operating point."""
        return shows_tumor(self.by_class(), self.decision)

    @property
    def is_certain(self) -> bool:
        """Whether the answer may be given as one: probable enough, and class and operating point agree on a tumor."""
        return is_certain(self.by_class(), self.decision)

    @property
    def answer(self) -> str:
        """The predicted class, UNCERTAIN, or NOT_BRAIN_MRI."""
        return answer_of(self.by_class(), self.decision) if self.is_brain_mri else NOT_BRAIN_MRI

    @property
    def reason(self) -> Sentence:
        """Why no class is given as the answer; empty where one is."""
        if self.answer == UNCERTAIN:
            return why_uncertain(self.by_class(), self.decision)
        return REASONS.get(self.answer, NO_SENTENCE)

    @property
    def predicted_class(self) -> str:
        """The class with the highest probability."""
        return self.class_names[int(self.probabilities.argmax())]

    def by_class(self) -> dict[str, float]:
        """The probability of each class, by its name."""
        return {name: float(p) for name, p in zip(self.class_names, self.probabilities, strict=True)}
