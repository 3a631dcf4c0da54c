"""Keras files from elsewhere become networks of this project with the same answers, and none runs code."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from model.network.keras_import import import_keras
from training.fit.foreign import ForeignError, adapted

keras = import_keras()
layers = keras.layers
GREY = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 1)).astype(np.float32)


def backbone() -> object:
    given = keras.Input((32, 32, 3))
    x = layers.Conv2D(6, 5, strides=4, activation="relu")(given)
    return keras.Model(given, layers.add([layers.SeparableConv2D(6, 3, padding="same")(x), x]), name="base")


def notebook_network(pooling: object, n_outputs: int = 4, activation: str = "softmax") -> object:
    """Build a typical notebook model: a network in a sequence, followed by pooling and dense layers."""
    return keras.Sequential(
        [keras.Input((32, 32, 3)), layers.RandomFlip(), backbone(), pooling, layers.Dropout(0.3),
         layers.Dense(8, activation="relu"), layers.Dropout(0.2), layers.Dense(n_outputs, activation=activation)]
    )  # fmt: skip


def said(network: object, scaled: np.ndarray) -> np.ndarray:
    return np.asarray(network.predict(np.repeat(scaled, 3, axis=3), verbose=0))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("pooling", "layer"),
    [
        (layers.GlobalAveragePooling2D, "global_average"),
        (layers.Flatten, "flatten"),
        (layers.GlobalMaxPooling2D, "global_max"),
    ],
)
def test_network_of_a_notebook_says_the_same_in_the_order_of_the_classes(
    suffix: str, pooling: type, layer: str, tmp_path: Path
) -> None:
    network = notebook_network(pooling())
    network.save(tmp_path / f"theirs{suffix}")
    mine, feature_layer = adapted(tmp_path / f"theirs{suffix}", [2, 0, 1, 3], "0..1")
    assert mine.input_shape == (None, 32, 32, 1)
    np.testing.assert_allclose(mine.predict(GREY, verbose=0), said(network, GREY / 255)[:, [2, 0, 1, 3]], atol=1e-5)
    assert feature_layer.startswith(layer) if layer else feature_layer == ""


def test_network_whose_last_layers_tell_no_places_has_no_layer_for_a_heat_map(tmp_path: Path) -> None:
    network = keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Conv2D(6, 5, strides=4), layers.GlobalAveragePooling2D(),
         layers.BatchNormalization(), layers.Dense(4, activation="softmax")]
    )  # fmt: skip
    network.save(tmp_path / "theirs.keras")
    assert adapted(tmp_path / "theirs.keras", [0, 1, 2, 3], "0..1")[1] == ""


def test_single_sigmoid_becomes_two_classes(tmp_path: Path) -> None:
    network = notebook_network(layers.GlobalAveragePooling2D(), 1, "sigmoid")
    network.save(tmp_path / "theirs.keras")
    mine, _ = adapted(tmp_path / "theirs.keras", [1, 0], "tf")
    second = said(network, GREY / 127.5 - 1)
    # OpenVINO uses bfloat16 if the processor supports it: three digits.
    np.testing.assert_allclose(mine.predict(GREY, verbose=0), np.hstack([second, 1 - second]), atol=1e-3)


def as_keras_2_writes(file: Path) -> None:
    """Write a network's description like Keras 2: one output as a list of one, and removed options."""
    with h5py.File(file, "r+") as stored:
        config = json.loads(stored.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "Functional":
                for ends in ("input_layers", "output_layers"):
                    layer["config"][ends] = [layer["config"][ends]]
                for inner in layer["config"]["layers"]:
                    if inner["class_name"] == "SeparableConv2D":
                        inner["config"] |= {"groups": 1, "kernel_initializer": None}
        stored.attrs["model_config"] = json.dumps(config)


def test_file_of_keras_2_is_read(tmp_path: Path) -> None:
    network = notebook_network(layers.Flatten())
    network.save(tmp_path / "theirs.h5")
    as_keras_2_writes(tmp_path / "theirs.h5")
    mine, _ = adapted(tmp_path / "theirs.h5", [0, 1, 2, 3], "0..1")
    np.testing.assert_allclose(mine.predict(GREY, verbose=0), said(network, GREY / 255), atol=1e-5)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layer_that_holds_code_is_refused_before_it_is_loaded(suffix: str, tmp_path: Path) -> None:
    network = keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Lambda(lambda x: x), layers.Flatten(), layers.Dense(4, activation="softmax")]
    )
    network.save(tmp_path / f"theirs{suffix}")
    with pytest.raises(ForeignError, match=r"holds .*Lambda.*, which can run any code and is never loaded"):
        adapted(tmp_path / f"theirs{suffix}", [0, 1, 2, 3], "0..1")


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"weights"])
def test_file_that_is_no_keras_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "theirs.h5").write_bytes(content)
    with pytest.raises(ForeignError, match="Expected a Keras model"):
        adapted(tmp_path / "theirs.h5", [0, 1, 2, 3], "0..1")


def test_file_of_weights_alone_and_folder_are_named_with_what_to_do(tmp_path: Path) -> None:
    notebook_network(layers.Flatten()).save_weights(tmp_path / "theirs.weights.h5")
    with pytest.raises(ForeignError, match=r"weights alone.*model\.save"):
        adapted(tmp_path / "theirs.weights.h5", [0, 1, 2, 3], "0..1")
    with pytest.raises(ForeignError, match="SavedModel"):
        adapted(tmp_path, [0, 1, 2, 3], "0..1")


def test_other_number_of_outputs_is_refused(tmp_path: Path) -> None:
    notebook_network(layers.Flatten(), 3).save(tmp_path / "theirs.keras")
    with pytest.raises(ForeignError, match="Received 4"):
        adapted(tmp_path / "theirs.keras", [0, 1, 2, 3], "0..1")
