"""A run becomes a served model."""

import dataclasses
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from app import create_app
from model.card import Decision, ModelCard, read_card
from model.network.classifier import Classifier
from model.network.self_test import PICTURES
from model.reading.one_file import read_image
from model.safe_files import sha256_of
from tests.support.samples import TOP
from tests.support.training import arrays_of, environment
from training.command_line import main
from training.fit.run_folder import RunFolder
from training.steps.card_of_run import load
from training.steps.publish import PublishError, publish


@pytest.fixture(scope="module")
def card(weights: Path) -> ModelCard:
    return read_card(weights / "vgg16.json")


def test_files_are_called_after_the_model(weights: Path) -> None:
    assert sorted(p.name for p in weights.iterdir()) == [
        "vgg16.gate.npz", "vgg16.graph.npz", "vgg16.json", "vgg16.keras", "vgg16.split.csv",
    ]  # fmt: skip


def test_card_has_what_calibrate_chose(card: ModelCard, calibrated: RunFolder) -> None:
    chosen = json.loads(calibrated.trust_file.read_text())["decision"]
    assert dataclasses.asdict(card.decision) == chosen
    assert card.gate is not None


def test_card_says_what_the_network_answers_to_the_known_pictures(card: ModelCard) -> None:
    assert {known.picture for known in card.known_answers} == set(PICTURES)


def test_what_was_measured_is_what_is_served(weights: Path, calibrated: RunFolder, drawn_data: Path) -> None:
    client = create_app({"MODELS_DIR": weights, "MODEL_NAMES": ("vgg16",)}).test_client()
    picture = (drawn_data / "Training" / "yes" / "0.png").read_bytes()
    served = client.post("/api/v1/predictions", data={"files": (io.BytesIO(picture), "0.png")})
    # With its temperature, its bounds and its gate.
    expected = load(calibrated.path).predict([read_image(picture)])[0]
    (result,) = served.json["results"]
    assert (result["model_version"], result["answer"]) == ("1.0.0", expected.answer)
    assert result["probabilities"]["tumor"] == pytest.approx(expected.by_class()["tumor"], abs=1e-4)


def test_figures_of_an_evaluation_go_into_the_card(run: RunFolder, evaluation: Path, tmp_path: Path) -> None:
    card = publish(run, [evaluation], tmp_path, None, "1.0.0")
    assert any(figures.get("all", {}).get("n_pictures") == 13 for figures in card.metrics.values())
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "vgg16.graph.npz", "vgg16.json", "vgg16.keras", "vgg16.split.csv",
    ]  # fmt: skip


def test_model_that_is_there_is_not_replaced_by_the_same_version(run: RunFolder, weights: Path) -> None:
    with pytest.raises(PublishError, match=r"above 1\.0\.0.*--name"):
        publish(run, [], weights, None, "1.0.0")


DECISION = dataclasses.asdict(Decision())


@pytest.mark.parametrize(
    "model",
    [
        {"sha256": "0" * 64},
        # The right network, before its temperature was chosen.
        {"decision": {"temperature": 3.0}},
        # The right network with the right thresholds, but with another gate.
        {"decision": DECISION, "gate": {"sha256": "0" * 64, "largest_distance": 2.0}},
    ],
    ids=["another network", "another temperature", "another gate"],
)
def test_figures_that_are_not_of_this_network_are_refused(
    model: dict[str, Any], run: RunFolder, tmp_path: Path
) -> None:
    metrics = {"model": {"sha256": run.sha256(), **model}, "data": {"folders": ["x"]}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(PublishError, match="evaluate it again"):
        publish(run, [tmp_path], tmp_path / "weights", None, "1.0.0")
    assert not (tmp_path / "weights").exists()


def test_backends_that_disagree_are_refused_and_what_was_there_stays(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {"vgg16.json": "the old card", "vgg16.keras": "the old weights"}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    # No difference is small enough.
    monkeypatch.setattr("training.steps.publish.LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(PublishError, match="They differ by"):
        publish(run, [], tmp_path, None, "1.0.0")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == before


def test_published_network_is_packed_again_with_the_same_weights(weights: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(weights, tmp_path / "weights"))
    file, card_file = folder / "vgg16.keras", folder / "vgg16.json"
    before, weights_before, size = read_card(card_file), arrays_of(file), file.stat().st_size
    keras.saving.load_model(file, compile=False).save(file)
    card_file.write_text(card_file.read_text().replace(before.sha256, sha256_of(file)))
    main(["publish", "--answers-of", str(card_file)])
    assert Classifier.load(card_file).card.known_answers == before.known_answers
    assert file.stat().st_size == pytest.approx(size, rel=0.01)
    assert all(np.array_equal(weights_before[name], array) for name, array in arrays_of(file).items())


@pytest.mark.slow
def test_publishing_a_shipped_model_writes_every_document_that_speaks_of_it(
    calibrated: RunFolder, tmp_path: Path
) -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, check=True, capture_output=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (TOP / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(TOP / name, tmp_path / name)
    here = {"cwd": tmp_path, "env": environment(), "check": True}

    publishing = ("publish", "--run", calibrated.path, "--version", "9.0.0")
    subprocess.run([sys.executable, "-m", "training", *map(str, publishing)], **here)

    changed = {name for name in files.split("\0") if name and _differs(TOP / name, tmp_path / name)}
    documents = {
        "MODEL_CARD.md",
        "README.md",
        "docs/fr/MODEL_CARD.md",
        "docs/fr/README.md",
        "docs/trust-vgg16.png",
        "training/results/served.json",
    }
    model = {f"model/weights/vgg16{suffix}" for suffix in (".keras", ".json", ".gate.npz", ".graph.npz", ".split.csv")}
    assert changed == model | documents
    assert "vgg16 9.0.0" in (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    # Nothing else may be written: neither the documents nor the translators' catalogue.
    after = {name: (tmp_path / name).read_bytes() for name in documents}
    subprocess.run([sys.executable, "-m", "training", "study", "report"], **here)
    assert {name: (tmp_path / name).read_bytes() for name in documents} == after
    subprocess.run([sys.executable, "-m", "web.catalogue"], **here)


def _differs(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() != other.read_bytes()
