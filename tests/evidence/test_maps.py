"""The evidence map agrees with the network that it explains."""

from pathlib import Path

import keras
import numpy as np
import pytest

from model.errors import ModelFileError
from model.evidence.maps import FeatureGrid, Head, evidence_map, in_steps
from model.evidence.maps import overlay as draw_overlay
from model.network.classifier import load_classifiers


def test_map_of_an_averaging_head_sums_to_the_logit_without_bias() -> None:
    maps = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    kernel = np.array([[1, 0], [0, 2], [-1, 0]], np.float32)
    head = Head(True, (kernel,), (np.array([5, 5], np.float32),))
    evidence = evidence_map(maps, head, 1)
    # By hand: the mean over places of channel 1 is 5.5, times 2.
    assert np.isclose(evidence.sum(), 11)
    np.testing.assert_allclose(evidence, maps[..., 1] * 2 / 4)


def test_map_of_a_dense_head_is_gradient_times_features() -> None:
    random = np.random.default_rng(0)
    maps = random.random((2, 2, 3), np.float32)
    kernels = (random.standard_normal((12, 5)).astype(np.float32), random.standard_normal((5, 2)).astype(np.float32))
    biases = (np.full(5, 0.1, np.float32), np.zeros(2, np.float32))

    def logit(values: np.ndarray) -> float:
        return float((np.maximum(values.ravel() @ kernels[0] + biases[0], 0) @ kernels[1])[1])

    evidence = evidence_map(maps, Head(False, kernels, biases), 1)
    step = 1e-3
    for row, column in np.ndindex(2, 2):
        nudged = maps.astype(np.float64)
        nudged[row, column] *= 1 + step
        assert np.isclose((logit(nudged) - logit(maps)) / step, evidence[row, column], atol=0.01)


def test_head_read_from_a_network_gives_its_logits(tiny_models: Path) -> None:
    for classifier in load_classifiers(tiny_models).values():
        pixels = np.random.default_rng(1).integers(0, 255, (1, 32, 32, 1), np.uint8)
        outputs = classifier.predict_inputs(pixels)
        maps, probabilities = outputs.feature_maps, outputs.probabilities
        head = classifier._head
        values = maps[0].mean(axis=(0, 1)) if head.averages_places else maps[0].ravel()
        for kernel, bias in zip(head.kernels[:-1], head.biases[:-1], strict=True):
            values = np.maximum(values @ kernel + bias, 0)
        logits = values @ head.kernels[-1] + head.biases[-1]
        np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), probabilities[0], atol=1e-4)


def test_network_with_an_unknown_layer_behind_the_features_is_refused() -> None:
    inputs = keras.Input((4, 4, 2))
    pooled = keras.layers.GlobalMaxPooling2D(name="feature_pool")(inputs)
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.LayerNormalization()(pooled))
    with pytest.raises(ModelFileError, match="LayerNormalization"):
        Head.of_network(keras.Model(inputs, outputs), "feature_pool")


def test_grid_follows_windows_strides_and_padding_counted_by_hand() -> None:
    layers = keras.layers
    inputs = keras.Input((16, 16, 1))
    # 3 wide, step 2, no padding: centres at 1, 3, 5, ...; 7 places.
    x = layers.Conv2D(1, 3, strides=2)(inputs)
    # "same" over 7 places pads one before: the first window is centred on place 0; 4 places at 1, 5, 9, 13.
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    # "same" over 4 places pads none before: the first window is centred on place 1; 2 places at 5, 13.
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    network = keras.Model(inputs, layers.GlobalAveragePooling2D(name="feature_pool")(x))
    assert FeatureGrid.of_network(network, "feature_pool") == FeatureGrid(5.0, 8, 16, 2)


def test_spread_map_is_highest_where_the_grid_puts_the_place() -> None:
    evidence = np.zeros((2, 2), np.float32)
    evidence[0, 1] = 1
    drawn = FeatureGrid(5.0, 8, 16, 2).spread(evidence)
    assert drawn.shape == (16, 16)
    assert np.unravel_index(drawn[:13, :14].argmax(), (13, 14))[1] == 13
    assert drawn[5, 13] == pytest.approx(1, abs=1e-5)
    assert drawn[13, 5] == pytest.approx(0, abs=1e-5)


def test_overlay_colours_only_where_evidence_is_positive() -> None:
    placed = np.zeros((20, 30), np.float32)
    placed[5, 5], placed[15, 25] = 2.0, -3.0
    overlay = np.asarray(draw_overlay(np.full((20, 30), 50, np.uint8), in_steps(placed, 2.0)).convert("RGB"))
    assert overlay.shape == (20, 30, 3)
    assert overlay[5, 5, 0] > 150
    np.testing.assert_array_equal(overlay[15, 25], [50, 50, 50])


def test_overlay_without_any_evidence_is_the_grey_picture() -> None:
    strength = in_steps(np.full((8, 8), -1, np.float32), -1.0)
    overlay = draw_overlay(np.full((8, 8), 90, np.uint8), strength).convert("RGB")
    assert np.unique(np.asarray(overlay)).tolist() == [90]
