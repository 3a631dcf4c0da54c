"""The run of a published model is rebuilt."""

import json
import shutil
from pathlib import Path

import pytest

from training.data.sources import Sources
from training.errors import DataError
from training.fit.run_folder import RunFolder
from training.steps.publish import publish
from training.steps.run_of_card import run_of_card


@pytest.fixture(scope="module")
def card(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    publish(run, [], folder, None, "1.0.0")
    return folder / "vgg16.json"


@pytest.fixture(scope="module")
def again(card: Path, sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    again = RunFolder(tmp_path_factory.mktemp("again") / "run")
    run_of_card(card, sources, again)
    return again


def test_run_is_the_one_that_was_published(again: RunFolder, run: RunFolder) -> None:
    assert again.split_file.read_text() == run.split_file.read_text()
    assert again.network_file.read_bytes() == run.network_file.read_bytes()
    assert again.read_config() == run.read_config()


def test_folder_that_holds_a_run_is_refused_and_stays(again: RunFolder, card: Path, sources: Sources) -> None:
    with pytest.raises(DataError, match="--out"):
        run_of_card(card, sources, again)
    assert again.network_file.exists()


def test_card_without_its_table_of_images_is_refused(card: Path, sources: Sources, tmp_path: Path) -> None:
    shutil.copy(card, tmp_path)
    with pytest.raises(DataError, match=r"vgg16\.split\.csv"):
        run_of_card(tmp_path / card.name, sources, RunFolder(tmp_path / "run"))


def test_network_that_does_otherwise_than_its_card_says_is_refused(
    card: Path, sources: Sources, tmp_path: Path
) -> None:
    shutil.copytree(card.parent, tmp_path, dirs_exist_ok=True)
    fields = json.loads(card.read_text())
    fields["metrics"]["validation"]["confusion_matrix"] = [[0, 0], [0, 0]]
    (tmp_path / card.name).write_text(json.dumps(fields))
    run = RunFolder(tmp_path / "run")
    with pytest.raises(DataError, match="and --boxes"):
        run_of_card(tmp_path / card.name, sources, run)
    assert not run.path.exists()


def test_images_that_are_missing_are_asked_for(card: Path, drawn_data: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn_data, tmp_path / drawn_data.name)
    next((tmp_path / drawn_data.name / "Training" / "yes").iterdir()).unlink()
    run = RunFolder(tmp_path / "run")
    with pytest.raises(DataError, match="--data"):
        run_of_card(card, Sources((tmp_path / drawn_data.name,)), run)
    assert not run.path.exists()
