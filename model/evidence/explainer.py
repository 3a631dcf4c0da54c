"""Show where in an image a classifier found its evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.answers.prediction import Prediction
from model.evidence.drawing import in_steps, layer_webp, overlay_jpeg, shrink
from model.evidence.heat_maps import evidence_map
from model.network.classifier import Classifier
from model.preprocessing import part_with_head, place_in_picture
from model.reading.contents import MriImage

# Heat maps are drawn to be looked at: more pixels would only cost time and bandwidth.
DISPLAY_SIDE_PX = 768
# Evidence below this share of the strongest cannot be told from none by eye.
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
        self, image: MriImage, prediction: Prediction, class_names: Sequence[str], max_side_px: int
    ) -> list[tuple[bytes, bool]]:
        """Draw the evidence for each of some classes as a see-through WebP to lay over the image, stretched to it.

        The second value of each pair says whether anything of the layer can be seen. All are drawn on one scale, that
        of the strongest evidence among all classes, so that they can be compared.
        """
        new = _bounded(image.pixels.shape, max_side_px)
        box = prediction.box.in_resized((image.pixels.shape[0], image.pixels.shape[1]), new)
        maps = {name: self._drawn(prediction, name) for name in prediction.class_names}
        peaks = {name: float(part_with_head(drawn, box).max()) for name, drawn in maps.items()}
        strongest = max(peaks.values())
        visible = LEAST_VISIBLE * max(strongest, 1e-12)
        return [
            (layer_webp(place_in_picture(in_steps(maps[name], strongest), box, new)), peaks[name] > visible)
            for name in class_names
        ]

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
