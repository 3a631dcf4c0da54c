"""Whether heat maps point at the lesion: compared with the boxes of pictures that the network did not learn from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.evidence.explainer import Explainer
from model.network.classifier import Classifier


class Pointing:
    """Gathers, picture by picture, where the evidence for the true class lies."""

    def __init__(
        self,
        classifier: Classifier,
        labels: NDArray[np.int64],
        boxes: NDArray[np.float32],
        class_names: tuple[str, ...],
    ) -> None:
        """boxes: float32, (n, 4), top, bottom, left, right as shares of the input's side, NaN for none."""
        self._classifier, self._labels, self._boxes, self._class_names = classifier, labels, boxes, class_names
        self.hits = np.zeros(len(labels), bool)
        self.energies = np.full(len(labels), np.nan, np.float32)

    def look(self, place: int, feature_maps: NDArray[np.float32]) -> None:
        """Measure one picture; one without a box is passed over."""
        if np.isnan(self._boxes[place, 0]):
            return
        evidence = Explainer(self._classifier).evidence(feature_maps, self._class_names[self._labels[place]])
        size = len(evidence)
        top, bottom, left, right = self._boxes[place] * size
        row, column = np.unravel_index(evidence.argmax(), evidence.shape)
        self.hits[place] = top <= row + 0.5 <= bottom and left <= column + 0.5 <= right
        positive = np.maximum(evidence, 0)
        inside = positive[
            round(top) : max(round(bottom), round(top) + 1), round(left) : max(round(right), round(left) + 1)
        ]
        self.energies[place] = inside.sum() / max(float(positive.sum()), 1e-12)

    def figures(self, right: NDArray[np.bool_]) -> dict[str, Any]:
        """Give the share of pictures whose hottest point lies in the box, and the share of positive evidence in it.

        right: bool (n,), whether the picture was classified correctly: only such ones count. The boxes' mean share of
        the picture is what chance would give.
        """
        counted = right & ~np.isnan(self.energies)
        boxes = self._boxes[counted]
        return {
            "n_pictures": int(counted.sum()),
            "hottest_point_in_box": float(self.hits[counted].mean()) if counted.any() else None,
            "evidence_in_box": float(self.energies[counted].mean()) if counted.any() else None,
            "box_share_of_picture": float(((boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])).mean())
            if counted.any()
            else None,
        }
