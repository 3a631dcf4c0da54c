"""Whether heat maps point at the lesion: compared with the boxes of images that the network did not learn from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.evidence.explainer import Explainer
from model.network.classifier import Classifier
from training.figures import Figures


@dataclass(frozen=True)
class PointingFigures(Figures):
    """Of images that are read right: how many have their hottest point in the box, and what share of the evidence.

    box_share_of_picture: what chance would give. The last two only of several networks of random weights, whose means
    the others are.
    """

    n_pictures: int
    hottest_point_in_box: float | None
    evidence_in_box: float | None
    box_share_of_picture: float | None
    n_networks: int | None = None
    highest_hottest_point_in_box: float | None = None


class Pointing:
    """Gathers, image by image, where the evidence for the true class lies."""

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
        """Measure one image; one without a box is passed over."""
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

    def figures(self, right: NDArray[np.bool_]) -> PointingFigures:
        """Return the figures of the images that count, bool (n,): those that were classified correctly."""
        counted = right & ~np.isnan(self.energies)
        if not counted.any():
            return PointingFigures(0, None, None, None)
        boxes = self._boxes[counted]
        area = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
        hits, energies = self.hits[counted], self.energies[counted]
        return PointingFigures(int(counted.sum()), float(hits.mean()), float(energies.mean()), float(area.mean()))
