"""Measure whether heat maps point at the lesion, on images with boxes that the network was not trained on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.evidence.explainer import Explainer
from model.network.classifier import Classifier
from training.figures import Figures


@dataclass(frozen=True)
class PointingFigures(Figures):
    """Over correctly classified images: how often the hottest point is in the box, and the share of evidence in it.

    box_share_of_picture: the share expected by chance. The last two are only for several networks of random weights;
    the other figures are then their means.
    """

    n_pictures: int
    hottest_point_in_box: float | None
    evidence_in_box: float | None
    box_share_of_picture: float | None
    n_networks: int | None = None
    highest_hottest_point_in_box: float | None = None


class Pointing:
    """Collects, image by image, where the evidence for the true class is."""

    def __init__(
        self,
        classifier: Classifier,
        labels: NDArray[np.int64],
        boxes: NDArray[np.float32],
        class_names: tuple[str, ...],
    ) -> None:
        """Boxes: float32, (n, 4), top, bottom, left, right as shares of the input's side, NaN for none."""
        self._classifier, self._labels, self._boxes, self._class_names = classifier, labels, boxes, class_names
        self.hits = np.zeros(len(labels), bool)
        self.energies = np.full(len(labels), np.nan, np.float32)

    def look(self, place: int, feature_maps: NDArray[np.float32]) -> None:
        """Measure one image; images without a box are skipped."""
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
        """Return the figures over the correctly classified images, right: bool (n,)."""
        counted = right & ~np.isnan(self.energies)
        if not counted.any():
            return PointingFigures(0, None, None, None)
        boxes = self._boxes[counted]
        area = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
        hits, energies = self.hits[counted], self.energies[counted]
        return PointingFigures(int(counted.sum()), float(hits.mean()), float(energies.mean()), float(area.mean()))
