"""Show where in an image a classifier found its evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.answers.prediction import Prediction
from model.evidence.drawing import in_steps, layer_webp, overlay_jpeg, shrink
from model.evidence.heat_maps import evidence_map, log_odds_weights, weighted_map
from model.network.classifier import Classifier
from model.preprocessing import HeadBox, part_with_head, place_in_picture
from model.reading.contents import MriImage

# Heat maps are drawn to be looked at: more pixels would only cost time and bandwidth.
DISPLAY_SIDE_PX = 768
# All classes but this one together.
TUMOR, NO_TUMOR = "tumor", "no_tumor"
# Evidence, in log-odds as if every place spoke like this one, that gets the strongest colour. Over four test images and
# two volumes, xception 2.1.0's strongest places had 5 to 12 in slices without a tumor, 18 to 50 in those of tumors.
FULL_COLOUR = 30.0
# Evidence below this share of the strongest colour cannot be told from none by eye.
LEAST_VISIBLE = 0.05
# Evidence has ten places or fewer along a side: six pixels or more per place show all of it once enlarged.
_EVIDENCE_SIDE_PX = 64


@dataclass(frozen=True)
class Explainer:
    """Draws the evidence behind the predictions of one classifier."""

    classifier: Classifier

    def evidence(
        self, feature_maps: NDArray[np.float32], class_name: str, side_px: int | None = None
    ) -> NDArray[np.float32]:
        """Return the evidence for a class where it lies in the network's input: float32, (side_px, side_px), any unit.

        feature_maps: of one image, float32, shape (rows, columns, channels). Without a side, the input's is taken.
        """
        class_index = self.classifier.card.class_names.index(class_name)
        return self.classifier.grid.spread(evidence_map(feature_maps, self.classifier.head, class_index), side_px)

    def layers(
        self, image: MriImage, prediction: Prediction, names: Sequence[str], max_side_px: int
    ) -> list[tuple[bytes, bool]]:
        """Draw the evidence for each of some answers as a see-through WebP to lay over the image, stretched to it.

        names: classes, or TUMOR for all classes but "no tumor" together. One scale for all images, see FULL_COLOUR.
        The second value of each pair says whether anything of the layer can be seen.
        """
        new = _bounded(image.pixels.shape, max_side_px)
        box = prediction.box.in_resized((image.pixels.shape[0], image.pixels.shape[1]), new)
        return [self._layer(self._for_answer(prediction, name), box, new, name == NO_TUMOR) for name in names]

    def _layer(
        self, evidence: NDArray[np.float32], box: HeadBox, shape: tuple[int, int], is_blue: bool
    ) -> tuple[bytes, bool]:
        is_seen = float(part_with_head(evidence, box).max()) > LEAST_VISIBLE * FULL_COLOUR
        return layer_webp(place_in_picture(in_steps(evidence, FULL_COLOUR), box, shape), is_blue), is_seen

    def _for_answer(self, prediction: Prediction, name: str) -> NDArray[np.float32]:
        """Return what each place adds to the log-odds of an answer, times the number of places: float32, (side, side).

        That is what the log-odds would be if every place spoke for it like this one; networks with more places, of
        which each counts less, can be held against the same scale.
        """
        names = np.array(prediction.class_names)
        are_meant = names != NO_TUMOR if name == TUMOR else names == name
        maps = prediction.feature_maps
        evidence = weighted_map(maps, self.classifier.head, log_odds_weights(prediction.probabilities, are_meant))
        return self.classifier.grid.spread(evidence * np.float32(evidence.size), _EVIDENCE_SIDE_PX)

    def heatmap_jpeg(self, image: MriImage, prediction: Prediction, class_name: str | None = None) -> bytes:
        """Draw where the evidence for a class (the predicted one by default) lies, over the image, as JPEG.

        Images with a side above DISPLAY_SIDE_PX are shrunk to it.
        """
        shown = shrink(image.pixels, DISPLAY_SIDE_PX)
        evidence = self._drawn(prediction, class_name or prediction.predicted_class)
        old, new = (image.pixels.shape[0], image.pixels.shape[1]), (shown.shape[0], shown.shape[1])
        box = prediction.box.in_resized(old, new)
        strength = in_steps(evidence, float(part_with_head(evidence, box).max()))
        return overlay_jpeg(shown, place_in_picture(strength, box, new))

    def _drawn(self, prediction: Prediction, class_name: str) -> NDArray[np.float32]:
        return self.evidence(prediction.feature_maps, class_name, _EVIDENCE_SIDE_PX)


def _bounded(shape: tuple[int, ...], max_side_px: int) -> tuple[int, int]:
    factor = min(1.0, max_side_px / max(shape))
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))
