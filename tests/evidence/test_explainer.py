"""Heat maps of real predictions."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.evidence.explainer import TUMOR, Explainer
from model.evidence.heat_maps import log_odds_weights
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


@pytest.mark.parametrize(
    ("log_odds", "opacity", "is_seen"),
    [(0.0, 0.0, False), (1.2, 0.04, False), (1.8, 0.06, True), (15.0, 0.5, True), (30.0, 1.0, True), (60.0, 1.0, True)],
)
def test_evidence_has_full_colour_from_log_odds_of_30_and_is_seen_from_a_twentieth_of_that(
    tiny_models: Path, log_odds: float, opacity: float, is_seen: bool
) -> None:
    classifier = Classifier.load(tiny_models / "xception.json")
    image = MriImage(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8), "PNG")
    prediction = classifier.predict([image])[0]
    # What a place adds to the log-odds is its features times this; every place gets the same.
    weights = log_odds_weights(prediction.probabilities, np.array(prediction.class_names) != "no_tumor")
    direction = classifier.head.kernels[-1] @ weights
    maps = np.broadcast_to(direction * log_odds / (direction @ direction), prediction.feature_maps.shape)
    even = dataclasses.replace(prediction, feature_maps=maps.astype(np.float32))
    ((webp, seen),) = Explainer(classifier).layers(image, even, [TUMOR], 64)
    with Image.open(io.BytesIO(webp)) as layer:
        alpha = np.asarray(layer.convert("RGBA"))[..., 3]
    assert alpha.max() / 255 == pytest.approx(opacity, abs=0.01)
    assert seen == is_seen
