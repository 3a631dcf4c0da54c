"""The layers after a network's feature maps, and the maps' places in its input."""

from pathlib import Path

import keras
import numpy as np
import pytest

from model.errors import ModelFileError
from model.evidence.heat_maps import evidence_map
from model.network.classifier import load_classifiers
from model.network.features import FeatureGrid, Head


def test_head_read_from_a_network_gives_its_logits(tiny_models: Path) -> None:
    for classifier in load_classifiers(tiny_models).values():
        pixels = np.random.default_rng(1).integers(0, 255, (1, 32, 32, 1), np.uint8)
        outputs = classifier.predict_inputs(pixels)
        maps, probabilities = outputs.feature_maps, outputs.probabilities
        head = classifier.head
        values = maps[0].mean(axis=(0, 1)) if head.averages_places else maps[0].ravel()
        for kernel, bias in zip(head.kernels[:-1], head.biases[:-1], strict=True):
            values = np.maximum(values @ kernel + bias, 0)
        logits = values @ head.kernels[-1] + head.biases[-1]
        np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), probabilities[0], atol=1e-4)


def test_head_behind_a_pooling_that_is_flattened_gives_the_logits_by_its_map() -> None:
    layers = keras.layers
    inputs = keras.Input((4, 6, 3))
    hidden = layers.Dense(5, activation="relu")(layers.Flatten()(layers.MaxPooling2D(name="pool")(inputs)))
    network = keras.Model(inputs, layers.Dense(2, activation="softmax")(hidden))
    maps = np.random.default_rng(2).random((1, 4, 6, 3), np.float32)
    head = Head.of_network(network, "pool")
    # The biases are 0: the map sums to the logit.
    logits = np.array([evidence_map(maps[0], head, i).sum() for i in range(2)])
    probabilities = keras.ops.convert_to_numpy(network(maps))[0]
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), probabilities, atol=1e-5)


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
