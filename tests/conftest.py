"""Two tiny but real networks, and the app that serves them."""

import os
from pathlib import Path

# This process runs Keras on OpenVINO, as serving does; tests of training start processes of their own.
os.environ["KERAS_BACKEND"] = "openvino"

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from model.network.classifier import Classifier, load_classifiers
from tests.support.networks import save_tiny_model


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


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
