"""Heat maps of real predictions."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.evidence.explainer import Explainer
from model.network.classifier import Classifier
from model.reading.contents import MriImage


@pytest.mark.parametrize("shape", [(103, 1999), (1999, 103), (1001, 3000), (769, 768), (2000, 1999), (20, 20)])
def test_heatmap_of_any_shape_is_drawn_and_at_most_768_px_wide_and_high(
    tiny_models: Path, shape: tuple[int, int]
) -> None:
    classifier = Classifier.load(tiny_models / "xception.json")
    image = MriImage(np.random.default_rng(0).integers(0, 255, shape, np.uint8), "PNG")
    with Image.open(io.BytesIO(Explainer(classifier).heatmap_jpeg(image, classifier.predict([image])[0]))) as drawn:
        assert max(drawn.size) == min(768, max(shape))


def test_heatmap_has_the_size_of_the_picture(tiny_models: Path) -> None:
    classifier = Classifier.load(tiny_models / "vgg16.json")
    image = MriImage(np.random.default_rng(3).integers(0, 255, (60, 50), np.uint8), "PNG")
    jpeg = Explainer(classifier).heatmap_jpeg(image, classifier.predict([image])[0])
    assert Image.open(io.BytesIO(jpeg)).size == (50, 60)
