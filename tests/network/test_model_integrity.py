"""Altered, exchanged or hostile model files are refused before they classify anything."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from model.__main__ import main
from model.card import read_card
from model.errors import ModelFileError
from model.network.classifier import load_classifier
from model.network.self_test import FOLDER, PICTURES, TOLERANCE
from model.reading.raster import read_picture
from tests.support.networks import SIZE_PX, save_tiny_model
from training.steps.publish import write_known_answers

SAMPLE = Path(__file__).parents[2] / "static" / "samples" / "glioma.jpg"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model whose card has its answers to the known images."""
    folder = tmp_path_factory.mktemp("published")
    save_tiny_model(folder, "xception", "tumor_type", "feature_pool")
    write_known_answers(folder / "xception.json")
    return folder


@pytest.fixture
def card_path(published: Path, tmp_path: Path) -> Path:
    """The card of a copy of that model."""
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    return tmp_path / "xception.json"


def edit(card_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    fields = json.loads(card_path.read_text())
    change(fields)
    card_path.write_text(json.dumps(fields))


def replace_weights(card_path: Path, content: bytes, with_its_hash: bool) -> Path:
    """Replace the weights by other bytes, and if wanted write their SHA-256 into the card."""
    weights = card_path.with_suffix(".keras")
    weights.write_bytes(content)
    if with_its_hash:
        edit(card_path, lambda card: card.update(sha256=hashlib.sha256(content).hexdigest()))
    return weights


# D1: the weights are not those of the card


def another_model(folder: Path) -> bytes:
    other = folder / "other"
    other.mkdir()
    save_tiny_model(other, "xception", "tumor_type", "feature_pool", seed=8)
    return (other / "xception.keras").read_bytes()


DAMAGES: dict[str, Callable[[bytes, Path], bytes]] = {
    "bit flipped": lambda content, _: content[:500] + bytes([content[500] ^ 1]) + content[501:],
    "cut off": lambda content, _: content[: len(content) // 2],
    "empty": lambda _, __: b"",
    "another model": lambda _, folder: another_model(folder),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_weights_that_are_not_those_of_the_card_are_refused(card_path: Path, tmp_path: Path, damage: str) -> None:
    content = card_path.with_suffix(".keras").read_bytes()
    replace_weights(card_path, DAMAGES[damage](content, tmp_path), with_its_hash=False)
    with pytest.raises(ModelFileError, match="SHA-256"):
        load_classifier(card_path)


@pytest.mark.parametrize("damage", ["cut off", "empty"])
def test_broken_weights_whose_hash_is_in_the_card_are_refused_by_the_loader(
    card_path: Path, tmp_path: Path, damage: str
) -> None:
    content = card_path.with_suffix(".keras").read_bytes()
    replace_weights(card_path, DAMAGES[damage](content, tmp_path), with_its_hash=True)
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        load_classifier(card_path)


def test_command_ends_with_2_and_without_a_row_when_the_weights_are_altered(
    card_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_weights(card_path, b"?", with_its_hash=False)
    assert main([str(SAMPLE), "--models", str(card_path.parent)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "SHA-256" in captured.err


# D2: the card is not that of the weights


def test_model_that_answers_the_known_pictures_as_its_card_says_is_loaded(card_path: Path) -> None:
    card = load_classifier(card_path).card
    assert [known.picture for known in card.known_answers] == list(PICTURES)


def test_another_model_of_the_same_shape_with_its_hash_in_the_card_is_refused(card_path: Path, tmp_path: Path) -> None:
    replace_weights(card_path, another_model(tmp_path), with_its_hash=True)
    with pytest.raises(ModelFileError, match="known image"):
        load_classifier(card_path)


def swap_two_classes(card: dict[str, Any]) -> None:
    names = card["class_names"]
    names[0], names[1] = names[1], names[0]


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "class order": swap_two_classes,
    "preprocessing": lambda card: card.update(preprocessing_version=card["preprocessing_version"] + 1),
    "input size": lambda card: card.update(input_size_px=SIZE_PX * 2),
    "temperature": lambda card: card["decision"].update(temperature=1.5),
    "bound of certainty": lambda card: card["decision"].update(uncertain_below=0.999),
    "a known probability": lambda card: card["known_answers"][0]["probabilities"].update(
        glioma=card["known_answers"][0]["probabilities"]["glioma"] + 2 * TOLERANCE
    ),
    "a known distance": lambda card: card["known_answers"][0].update(distance=0.5),
    "a known picture": lambda card: card["known_answers"][0].update(picture="other.png"),
}


@pytest.mark.parametrize("name", EDITS)
def test_edited_card_is_refused(card_path: Path, name: str) -> None:
    edit(card_path, EDITS[name])
    with pytest.raises(ModelFileError):
        load_classifier(card_path)


def test_model_that_is_not_there_is_refused_with_the_names_of_those_that_are(card_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"Models in that folder: xception\."):
        read_card(card_path.with_name("another.json"))


def test_card_without_known_answers_is_not_held_to_them(card_path: Path) -> None:
    edit(card_path, lambda card: card.pop("known_answers"))
    assert load_classifier(card_path).card.known_answers == ()


def test_missing_known_picture_is_named(card_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.network.self_test.FOLDER", Path(shutil.copytree(FOLDER, tmp_path / "pictures")))
    (tmp_path / "pictures" / PICTURES[1]).unlink()
    with pytest.raises(ModelFileError, match=PICTURES[1]):
        load_classifier(card_path)


# D3: hostile files


def with_a_lambda(folder: Path) -> bytes:
    """Return a network that would write a file when it is loaded or run."""
    marker = str(folder / "harm")
    grey = keras.Input((SIZE_PX, SIZE_PX, 1))
    harmful = keras.layers.Lambda(lambda x, path=marker: [open(path, "w").close(), x][1])(grey)  # noqa: PTH123
    pooled = keras.layers.GlobalAveragePooling2D(name="feature_pool")(harmful)
    keras.Model(grey, keras.layers.Dense(4, activation="softmax")(pooled)).save(folder / "lambda.keras")
    (folder / "harm").unlink(missing_ok=True)
    return (folder / "lambda.keras").read_bytes()


def rewritten(content: bytes, folder: Path, name: str, entry: bytes) -> bytes:
    """Return a .keras file with one entry exchanged."""
    (folder / "old.zip").write_bytes(content)
    with (
        zipfile.ZipFile(folder / "old.zip") as old,
        zipfile.ZipFile(folder / "new.zip", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for existing in old.namelist():
            new.writestr(existing, entry if existing == name else old.read(existing))
    return (folder / "new.zip").read_bytes()


def zip_bomb(content: bytes, folder: Path) -> bytes:
    return rewritten(content, folder, "config.json", bytes(60_000_000))


def shape_bomb(content: bytes, folder: Path) -> bytes:
    """Return a network whose last layer claims a million million weights."""
    with zipfile.ZipFile(folder / "xception.keras") as archive:
        config = json.loads(archive.read("config.json"))
    next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense")["config"]["units"] = 10**12
    return rewritten(content, folder, "config.json", json.dumps(config).encode())


def lookup_of_a_path(content: bytes, folder: Path) -> bytes:
    """Return a network with a layer that reads a file of this machine as its vocabulary."""
    with zipfile.ZipFile(folder / "xception.keras") as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][1].update(class_name="StringLookup", module="keras.layers")
    config["config"]["layers"][1]["config"] = {"name": "lookup", "vocabulary": "/etc/passwd"}
    return rewritten(content, folder, "config.json", json.dumps(config).encode())


HOSTILE: dict[str, Callable[[bytes, Path], bytes]] = {
    "lambda": lambda _, folder: with_a_lambda(folder),
    "zip bomb": zip_bomb,
    "shape bomb": shape_bomb,
    "lookup of a path": lookup_of_a_path,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_file_is_refused_by_its_hash_before_it_is_parsed(
    card_path: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = HOSTILE[kind](card_path.with_suffix(".keras").read_bytes(), tmp_path)
    replace_weights(card_path, content, with_its_hash=False)

    def parse(*_: object, **__: object) -> None:
        raise AssertionError("the file was parsed")

    monkeypatch.setattr(keras.saving, "load_model", parse)
    monkeypatch.setattr(zipfile.ZipFile, "__init__", parse)
    with pytest.raises(ModelFileError, match="SHA-256"):
        load_classifier(card_path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("kind", ["lambda", "zip bomb", "lookup of a path"])
def test_hostile_file_whose_hash_is_in_the_card_is_refused_by_the_loader_and_left_untouched(
    card_path: Path, tmp_path: Path, kind: str
) -> None:
    content = HOSTILE[kind](card_path.with_suffix(".keras").read_bytes(), tmp_path)
    weights = replace_weights(card_path, content, with_its_hash=True)
    with pytest.raises(ModelFileError):
        load_classifier(card_path)
    assert not (tmp_path / "harm").exists()
    assert weights.read_bytes() == content


def test_known_answers_are_what_the_model_says(card_path: Path) -> None:
    classifier = load_classifier(card_path)
    known = read_card(card_path).known_answers[0]
    image = read_picture((FOLDER / known.picture).read_bytes(), 10**6)
    np.testing.assert_allclose(
        list(known.probabilities.values()), classifier.predict([image])[0].probabilities, atol=1e-5
    )
