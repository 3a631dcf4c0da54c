"""Tiny but real networks with their cards; some always answer "uncertain", or "not a brain MRI"."""

import dataclasses
import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN
from model.answers.gate import Gate
from model.card import CLASS_NAMES, Decision, GateCard, ModelCard, read_card
from model.network.keras_import import import_keras
from model.preprocessing import PREPROCESSING_VERSION

SIZE_PX = 32


def save_tiny_model(folder: Path, name: str, task: str, feature_layer: str, seed: int = 7, says: str = "") -> None:
    """Save a network of a few hundred weights with its card; `feature_pool` averages places, `flatten` does not, and
    `largest_of_four` flattens the largest of four.

    says: the class that it answers with, whatever it is shown; without one, this depends on what it is shown.
    """
    keras = import_keras()
    layers = keras.layers
    # Seeded one by one: keras.utils.set_random_seed would import TensorFlow where it is installed.
    seeded = {"kernel_initializer": keras.initializers.GlorotUniform(seed=seed)}
    grey = keras.Input((SIZE_PX, SIZE_PX, 1))
    maps = layers.Conv2D(6, 5, strides=4, activation="relu", **seeded)(layers.Rescaling(1 / 255)(grey))
    if feature_layer == "largest_of_four":
        pooled = layers.MaxPooling2D(2, name=feature_layer)(maps)
        features = layers.Dense(8, activation="relu", **seeded)(layers.Flatten()(pooled))
    elif feature_layer == "flatten":
        features = layers.Dense(8, activation="relu", **seeded)(layers.Flatten(name=feature_layer)(maps))
    else:
        features = layers.GlobalAveragePooling2D(name=feature_layer)(maps)
    bias = keras.initializers.Constant([20.0 * (class_name == says) for class_name in CLASS_NAMES[task]])
    last = layers.Dense(len(CLASS_NAMES[task]), activation="softmax", bias_initializer=bias, **seeded)
    network = keras.Model(grey, last(features))
    save_with_card(network, folder, name, task, feature_layer)


def save_with_card(network: Any, folder: Path, name: str, task: str, feature_layer: str) -> None:
    """Save a network of one square grey input, and the card that describes it."""
    file = folder / f"{name}.keras"
    network.save(file)
    card = ModelCard(
        name=name, version="0.1", title=f"A tiny {task} network", task=task, class_names=CLASS_NAMES[task],
        input_size_px=network.input_shape[1], preprocessing_version=PREPROCESSING_VERSION, feature_layer=feature_layer,
        weights_file=file.name, sha256=hashlib.sha256(file.read_bytes()).hexdigest(), created="2026-01-01",
        intended_use="Tests.", limits=("Knows nothing.",), licence="MIT",
        base_weights={"title": "none", "licence": "-"}, training_data=(), recipe={},
    )  # fmt: skip
    (folder / f"{name}.json").write_text(card.to_json())


def change_card(folder: Path, name: str = "xception", **changes: object) -> ModelCard:
    """Rewrite a model's card without its answers to the known images, which no longer hold."""
    file = folder / f"{name}.json"
    card = dataclasses.replace(read_card(file), **{"known_answers": (), **changes})  # type: ignore[arg-type]
    file.write_text(card.to_json())
    return card


def models_that_answer(answer: str, tiny_models: Path, folder: Path) -> Path:
    """Copy the tiny models and make the first always give this answer; other answers change nothing."""
    shutil.copytree(tiny_models, folder)
    if answer == UNCERTAIN:
        change_card(folder, decision=Decision(temperature=1.5, uncertain_below=0.9999))
    if answer == NOT_BRAIN_MRI:
        add_gate(folder, "xception", 1e6, 1.0)
    return folder


def add_gate(folder: Path, name: str, mean: float, largest_distance: float) -> None:
    """Add a gate around features of this mean to a model."""
    network = import_keras().saving.load_model(folder / f"{name}.keras", compile=False)
    layer = next(layer for layer in network.layers[::-1] if len(layer.input.shape) == 4)
    n = layer.input.shape[-1]
    gate = Gate(np.full(n, mean, np.float32), np.ones(n, np.float32), np.zeros((1, n), np.float32), largest_distance)
    (folder / f"{name}.gate.npz").write_bytes(gate.to_bytes())
    sha256 = hashlib.sha256(gate.to_bytes()).hexdigest()
    change_card(folder, name, gate=GateCard(layer.name, f"{name}.gate.npz", sha256, largest_distance))
