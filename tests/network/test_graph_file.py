"""The graph that publishing makes of a network answers as the network, and is never one of other weights."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER, GraphCard, read_card
from model.errors import ModelFileError
from model.network.classifier import Classifier
from model.network.graph_file import write_graph
from tests.support.networks import SIZE_PX, add_gate, change_card, save_tiny_model
from tests.support.samples import SAMPLES, TOP


@pytest.fixture(scope="module")
def graphs(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny models with their graphs; the first has a gate."""
    folder = tmp_path_factory.mktemp("graphs") / "models"
    shutil.copytree(tiny_models, folder)
    add_gate(folder, "xception", 0.0, 1e6)
    save_tiny_model(folder, "vgg16", "tumor_presence", "largest_of_four")
    for name in DEFAULT_MODELS:
        write_graph(folder / f"{name}.json")
    return folder


@pytest.fixture
def folder(graphs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(graphs, tmp_path / "models"))


@pytest.mark.parametrize("name", DEFAULT_MODELS)
def test_graph_answers_and_explains_as_the_network_of_which_it_was_made(folder: Path, name: str) -> None:
    served = Classifier.load(folder / f"{name}.json")
    change_card(folder, name, graph=None)
    network = Classifier.load(folder / f"{name}.json")
    inputs = np.random.default_rng(0).integers(0, 256, (3, SIZE_PX, SIZE_PX, 1)).astype(np.uint8)
    given, expected = served.predict_inputs(inputs), network.predict_inputs(inputs)
    np.testing.assert_allclose(given.probabilities, expected.probabilities, atol=1e-6)
    np.testing.assert_allclose(given.feature_maps, expected.feature_maps, atol=1e-4)
    np.testing.assert_allclose(served.distances(given), network.distances(expected), rtol=1e-4)
    assert served.grid == network.grid
    ours, theirs = served.head, network.head
    assert (ours.averages_places, ours.takes_largest) == (theirs.averages_places, theirs.takes_largest)
    assert ours.window == theirs.window
    for one, other in zip(ours.kernels + ours.biases, theirs.kernels + theirs.biases, strict=True):
        np.testing.assert_array_equal(one, other)


def test_model_with_a_graph_answers_without_keras(graphs: Path) -> None:
    code = (
        "import sys; from model.__main__ import main; "
        "code = main(sys.argv[1:]); sys.exit(code or 10 * ('keras' in sys.modules))"
    )
    command = [sys.executable, "-c", code, str(SAMPLES / "glioma.jpg"), "--models", str(graphs)]
    assert subprocess.run(command, cwd=TOP, check=False).returncode == 0


@pytest.mark.parametrize("name", DEFAULT_MODELS)
def test_shipped_model_has_a_graph(name: str) -> None:
    assert read_card(WEIGHTS_FOLDER / f"{name}.json").graph


def test_graph_of_other_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    save_tiny_model(tmp_path / "other", "xception", "tumor_type", "feature_pool", seed=8)
    content = (tmp_path / "other" / "xception.keras").read_bytes()
    (folder / "xception.keras").write_bytes(content)
    change_card(folder, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelFileError, match="publish --answers-of"):
        Classifier.load(folder / "xception.json")


def test_altered_graph_is_refused(folder: Path) -> None:
    with (folder / "xception.graph.npz").open("ab") as file:
        file.write(b"?")
    with pytest.raises(ModelFileError, match="SHA-256"):
        Classifier.load(folder / "xception.json")


@pytest.mark.parametrize("content", [b"", b"PK", "half"])
def test_broken_graph_whose_hash_is_in_the_card_is_refused(folder: Path, content: bytes | str) -> None:
    file = folder / "xception.graph.npz"
    broken = content if isinstance(content, bytes) else file.read_bytes()[: file.stat().st_size // 2]
    file.write_bytes(broken)
    change_card(folder, graph=GraphCard(file.name, hashlib.sha256(broken).hexdigest()))
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        Classifier.load(folder / "xception.json")


def test_making_a_graph_leaves_the_rest_of_the_card_as_it_was(folder: Path) -> None:
    file = folder / "xception.json"
    before = json.loads(file.read_text())
    write_graph(file)
    assert {**json.loads(file.read_text()), "graph": None} == {**before, "graph": None}
