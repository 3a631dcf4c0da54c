"""A head that decides at each place: its answers, evidence, saved form and training."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from model.card import CLASS_NAMES, TUMOR_PRESENCE, TUMOR_TYPE
from model.evidence.heat_maps import evidence_map
from model.network.features import explained_by
from training.fit.networks import take_over
from training.fit.places import (
    PLACES_LAYER,
    PlacesCrossentropy,
    PointingLoss,
    SetCrossentropy,
    place_head,
    with_places,
)

NAMES = CLASS_NAMES[TUMOR_TYPE]
GLIOMA, _, NO_TUMOR, _ = range(4)


def small_network(side: int = 16) -> keras.Model:
    keras.utils.set_random_seed(1)
    grey = keras.Input((side, side, 1))
    features = keras.layers.Conv2D(8, 3, 2, padding="same", activation="relu")(grey)
    return keras.Model(grey, place_head(features, NAMES, 0.2, "feature_pool"))


def test_one_place_decides_the_image() -> None:
    network = small_network()
    layer = network.get_layer(PLACES_LAYER)
    layer.set_weights([np.zeros(w.shape) for w in layer.weights])
    places = keras.Input((8, 8, 3))
    # The layers after the places, applied to given places.
    x = places
    for name in ("sharpened", "flat_places", "flat_shares", "shares"):
        x = network.get_layer(name)(x)
    x = network.get_layer("weighed_places")([places, x])
    for name in ("evidence_of_places", "feature_pool", "logits", "probabilities"):
        x = network.get_layer(name)(x)
    answer = keras.Model(places, x)
    quiet = np.full((1, 8, 8, 3), -6.0, np.float32)
    suspicious = quiet.copy()
    suspicious[0, 2, 3, GLIOMA] = 6.0
    assert answer.predict(quiet, verbose=0)[0].argmax() == NO_TUMOR
    found = answer.predict(suspicious, verbose=0)[0]
    assert found.argmax() == GLIOMA
    assert found[GLIOMA] > 0.95


def test_map_of_evidence_sums_to_the_logit() -> None:
    network = small_network()
    head, maps = explained_by(network, "feature_pool")
    logits = network.get_layer("logits")
    both = keras.Model(network.input, [maps, logits.output])
    image = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 1)).astype(np.float32)
    feature_maps, values = both.predict(image, verbose=0)
    for c in range(4):
        evidence = evidence_map(feature_maps[0], head, c)
        assert evidence.shape == (8, 8)
        bias = float(keras.ops.convert_to_numpy(logits.bias)[c])
        assert evidence.sum() + bias == pytest.approx(values[0, c], rel=1e-4, abs=1e-4)


def test_saved_network_loads_on_openvino_in_safe_mode_and_answers_the_same(tmp_path: Path) -> None:
    network = small_network()
    image = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 1)).astype(np.float32)
    network.save(tmp_path / "network.keras")
    np.save(tmp_path / "image.npy", image)
    code = (
        "import keras, numpy as np\n"
        "network = keras.saving.load_model('network.keras', compile=False, safe_mode=True)\n"
        "np.save('answer.npy', network.predict(np.load('image.npy'), verbose=0))\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "openvino"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), network.predict(image, verbose=0), atol=1e-5)


def test_unknown_kind_costs_nothing_once_any_tumor_is_certain() -> None:
    loss = SetCrossentropy()
    some_tumor = np.array([[1, 1, 0, 1]], np.float32)
    certain = np.array([[0.2, 0.3, 0.0, 0.5]], np.float32)
    missed = np.array([[0.0, 0.1, 0.9, 0.0]], np.float32)
    assert float(loss(some_tumor, certain)) == pytest.approx(0, abs=1e-5)
    assert float(loss(some_tumor, missed)) == pytest.approx(-np.log(0.1), rel=1e-4)


def test_known_kind_costs_as_crossentropy() -> None:
    target, p = np.array([[1, 0, 0, 0]], np.float32), np.array([[0.25, 0.25, 0.4, 0.1]], np.float32)
    assert float(SetCrossentropy()(target, p)) == pytest.approx(-np.log(0.25), rel=1e-4)


def test_places_that_nothing_is_known_of_cost_nothing() -> None:
    target = np.zeros((1, 2, 2, 4), np.float32)
    target[0, 0, 0, GLIOMA] = 1
    right, wrong_elsewhere = np.full((1, 2, 2, 3), -8.0, np.float32), np.full((1, 2, 2, 3), 8.0, np.float32)
    right[0, 0, 0, GLIOMA] = wrong_elsewhere[0, 0, 0, GLIOMA] = 20
    loss = PlacesCrossentropy(NO_TUMOR)
    assert float(loss(target, right)) == pytest.approx(0, abs=1e-3)
    assert float(loss(target, wrong_elsewhere)) == pytest.approx(0, abs=1e-3)


def test_places_are_a_second_output_of_the_trained_network() -> None:
    outputs = with_places(small_network(), "feature_pool").predict(np.zeros((1, 16, 16, 1)), verbose=0)
    assert outputs["probabilities"].shape == (1, 4)
    assert outputs[PLACES_LAYER].shape == (1, 8, 8, 3)


def test_second_output_of_a_flattened_head_is_the_map_that_is_served() -> None:
    keras.utils.set_random_seed(3)
    # 7 x 7 places: the last row and column fill no window.
    grey, layers = keras.Input((14, 14, 1)), keras.layers
    features = layers.Conv2D(6, 3, 2, padding="same", activation="relu", name="features")(grey)
    x = layers.Flatten()(layers.MaxPooling2D(name="pool")(features))
    x = layers.Dense(5, activation="relu", name="dense")(x)
    network = keras.Model(grey, layers.Dense(2, activation="softmax", name="probabilities")(x))
    image = np.random.default_rng(0).uniform(0, 255, (2, 14, 14, 1)).astype(np.float32)
    head, maps = explained_by(network, "pool")
    served = keras.Model(grey, maps).predict(image, verbose=0)
    trained = with_places(network, "pool").predict(image, verbose=0)[PLACES_LAYER]
    tumor, no_tumor = (CLASS_NAMES[TUMOR_PRESENCE].index(name) for name in ("tumor", "no_tumor"))
    for i in range(2):
        expected = evidence_map(served[i], head, tumor) - evidence_map(served[i], head, no_tumor)
        np.testing.assert_allclose(trained[i, :, :, 0], expected, rtol=1e-3, atol=1e-2 * np.abs(expected).max())


def test_pointing_costs_little_only_with_the_evidence_in_the_lesion() -> None:
    target, evidence = np.zeros((1, 4, 4, 4), np.float32), np.zeros((1, 4, 4, 3), np.float32)
    target[0, 1, 1, GLIOMA] = target[0, 1, 2, GLIOMA] = 0.25
    loss = PointingLoss(NO_TUMOR)
    # Even evidence: two of sixteen places.
    assert float(loss(target, evidence)) == pytest.approx(np.log(8), rel=1e-4)
    evidence[0, 1, 2, GLIOMA] = 3
    assert float(loss(target, evidence)) < 0.01
    evidence[0, 3, 3, GLIOMA] = 6
    assert float(loss(target, evidence)) > 5
    # Nothing is known of where the lesion is.
    assert float(loss(np.zeros((1, 4, 4, 4), np.float32), evidence)) == 0


def test_place_head_takes_over_what_a_pooled_head_had_learned() -> None:
    keras.utils.set_random_seed(2)
    grey = keras.Input((16, 16, 1))
    features = keras.layers.Conv2D(8, 3, 2, padding="same", activation="relu")(grey)
    pooled = keras.layers.GlobalAveragePooling2D(name="feature_pool")(features)
    logits = keras.layers.Dense(4, name="logits")(pooled)
    earlier = keras.Model(grey, keras.layers.Activation("softmax")(logits))
    network = small_network()
    take_over(network, earlier)
    # If all places are the same, the soft maximum equals each of them, except at the image's margin.
    flat = np.full((1, 16, 16, 1), 40, np.float32)
    places = keras.Model(network.input, network.get_layer(PLACES_LAYER).output).predict(flat, verbose=0)[0, 3, 3]
    at_place = keras.Model(grey, features).predict(flat, verbose=0)[0, 3, 3]
    kernel, bias = (keras.ops.convert_to_numpy(v) for v in earlier.get_layer("logits").weights)
    expected = at_place @ kernel + bias
    # OpenVINO uses bfloat16 if the processor supports it: two digits.
    np.testing.assert_allclose(places, (expected - expected[NO_TUMOR])[[0, 1, 3]], rtol=0.02, atol=0.01)
