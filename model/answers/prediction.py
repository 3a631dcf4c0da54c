"""What one network says of one image."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.answers.certainty import Answer
from model.preprocessing import HeadBox

_NO_MAPS = np.zeros((0, 0, 0), np.float32)


@dataclass(frozen=True, eq=False, kw_only=True)
class Prediction(Answer):
    """What one network says of one image.

    feature_maps: float32, shape (rows, columns, channels); box: the part of the image that they cover.
    """

    box: HeadBox
    feature_maps: NDArray[np.float32]

    def without_maps(self) -> "Prediction":
        """Return the answer without feature maps: those of a long series would fill the memory."""
        return replace(self, feature_maps=_NO_MAPS)
