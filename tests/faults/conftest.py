"""Fixtures of the fault tests: models to serve, images to send, and the notes that become docs/reliability.md."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model.network.keras_import import import_keras
from tests.faults.clients import Record
from tests.faults.rows import NOTES
from tests.support.images import encoded
from tests.support.networks import save_tiny_model, save_with_card
from tests.support.server import Server, gunicorn

# Of the network that takes long: some 60 ms an image on one core, as the shipped ones.
_SIDE_PX = 224
_N_LAYERS = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="durations and counts of the fault table, not the short ones")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.fault)


@pytest.fixture(scope="session")
def is_full(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--full", default=False))


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Iterator[Record]:
    """Record what was done and seen for rows of the fault table; if the test fails later, its rows say so."""
    notes: list[dict[str, str]] = []

    def take(row: str, done: str, seen: str) -> None:
        notes.append({"row": row, "done": done, "seen": seen, "test": request.node.name})

    yield take
    outcome = getattr(request.node, "outcome_of_call", "failed")
    known = json.loads(NOTES.read_text()) if NOTES.exists() else []
    kept = [note for note in known if note["test"] != request.node.name]
    NOTES.parent.mkdir(exist_ok=True)
    NOTES.write_text(json.dumps(kept + [note | {"outcome": outcome} for note in notes], indent=1))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = (yield).get_result()
    if report.when == "call":
        item.outcome_of_call = report.outcome  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def slow_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a network of about half the shipped xception's operations, and a tiny one."""
    folder = tmp_path_factory.mktemp("slow")
    keras = import_keras()
    layers = keras.layers
    seeded = {"kernel_initializer": keras.initializers.GlorotUniform(seed=7), "activation": "relu"}
    grey = keras.Input((_SIDE_PX, _SIDE_PX, 1))
    maps = layers.Conv2D(128, 4, strides=4, **seeded)(layers.Rescaling(1 / 255)(grey))
    for _ in range(_N_LAYERS):
        maps = layers.Conv2D(128, 3, padding="same", **seeded)(maps)
    probabilities = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D(name="feature_pool")(maps))
    save_with_card(keras.Model(grey, probabilities), folder, "xception", "tumor_type", "feature_pool")
    save_tiny_model(folder, "vgg16", "tumor_presence", "flatten")
    return folder


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """Return eight images with different answers."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[:128, :128] / 128 - 0.5
    found = []
    for i in range(8):
        head = np.where(x**2 + y**2 < 0.16, 60 + 20 * i * (x + 0.5) + random.integers(0, 40, x.shape), 0)
        head[(x - 0.3 + i / 14) ** 2 + (y - 0.2 + i / 20) ** 2 < 0.01] = 255
        found.append(encoded(np.clip(head, 0, 255).astype(np.uint8)))
    return found


@pytest.fixture
def server(tiny_models: Path) -> Iterator[Server]:
    with gunicorn(tiny_models, MAX_UPLOAD_MB="60") as running:
        yield running
