"""Two tiny but real networks, and the app that serves them."""

import hashlib
import os
from pathlib import Path
from typing import Any

# This process runs Keras on OpenVINO, as serving does; tests of training start processes of their own.
os.environ["KERAS_BACKEND"] = "openvino"

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from model.card import CLASS_NAMES, ModelCard
from model.network.classifier import Classifier, load_classifiers
from model.network.keras_import import import_keras
from model.preprocessing import PREPROCESSING_VERSION

SIZE_PX = 32


def save_tiny_model(folder: Path, name: str, task: str, feature_layer: str, seed: int = 7) -> None:
    """Save a network of a few hundred weights with its card; `feature_pool` averages places, `flatten` does not."""
    keras = import_keras()
    layers = keras.layers
    # Seeded one by one: keras.utils.set_random_seed would import TensorFlow where it is installed.
    seeded = {"kernel_initializer": keras.initializers.GlorotUniform(seed=seed)}
    grey = keras.Input((SIZE_PX, SIZE_PX, 1))
    maps = layers.Conv2D(6, 5, strides=4, activation="relu", **seeded)(layers.Rescaling(1 / 255)(grey))
    if feature_layer == "flatten":
        features = layers.Dense(8, activation="relu", **seeded)(layers.Flatten(name=feature_layer)(maps))
    else:
        features = layers.GlobalAveragePooling2D(name=feature_layer)(maps)
    network = keras.Model(grey, layers.Dense(len(CLASS_NAMES[task]), activation="softmax", **seeded)(features))
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


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_tiny_model(folder, "xception", "tumor_type", "feature_pool")
    save_tiny_model(folder, "vgg16", "tumor_presence", "flatten")
    return folder


@pytest.fixture(scope="session")
def classifiers(tiny_models: Path) -> dict[str, Classifier]:
    return load_classifiers(tiny_models)


@pytest.fixture
def app(classifiers: dict[str, Classifier]) -> Flask:
    return create_app({"MAX_UPLOAD_MB": 2, "MAX_FILES": 3}, dict(classifiers))


def multipart(fields: dict[str, object]) -> dict[str, object]:
    """Encode a form in memory; the test client would put a large one into a temporary file and leave it open.

    A value is a text, (BytesIO, file name), or a list of these.
    """
    parts = []
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            content, file_name = (value, None) if isinstance(value, str) else (value[0].getvalue(), value[1])
            label = f'; filename="{file_name}"' if file_name is not None else ""
            head = f'--boundary\r\nContent-Disposition: form-data; name="{name}"{label}\r\n\r\n'
            parts.append(head.encode() + (content.encode() if isinstance(content, str) else content) + b"\r\n")
    return {"data": b"".join(parts) + b"--boundary--\r\n", "content_type": "multipart/form-data; boundary=boundary"}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
