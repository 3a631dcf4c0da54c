"""Two tiny but real networks, the app that serves them, and which tests share a process."""

import os
from pathlib import Path

# This process runs Keras on OpenVINO, as serving does; tests of training start processes of their own.
os.environ["KERAS_BACKEND"] = "openvino"

import pytest
from flask import Flask
from flask.testing import FlaskClient
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from app import create_app
from model.network.classifier import Classifier, load_classifiers
from tests.support.networks import save_tiny_model


class ByFile(LoadFileScheduling):
    """A file's tests run in one process, and all of training's, which share one trained network."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/training" if nodeid.startswith("tests/training/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile | None:
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


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
