"""A recipe is trained several times, each time without some groups."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.card import CLASS_NAMES
from tests.support.samples import csv_rows
from tests.support.training import refusal, run_step
from training.errors import DataError
from training.fit.run_folder import RunFolder
from training.studies.cross_validate import by_collection_left_out, measure

FOLDS = ("fold-1", "fold-2")


def test_collection_that_is_left_out_takes_its_groups_along() -> None:
    labels = np.tile(np.repeat([0, 1], 60), 3)
    collections = np.repeat(["a", "b", "c"], 120)
    groups = np.arange(360)
    # A copy of an image of `a` in `b`, and one of `b` in `c`.
    groups[130], groups[300] = groups[5], groups[200]
    folds = dict(by_collection_left_out(labels, groups, collections))
    assert list(folds) == ["without-a", "without-b", "without-c"]
    assert set(folds["without-a"].training) == set(range(120, 360)) - {130}
    assert set(folds["without-b"].training) == (set(range(120)) | set(range(240, 360))) - {5, 300}
    assert all(set(fold.validation) == set(np.flatnonzero(collections == name[-1])) for name, fold in folds.items())


def test_collection_without_which_a_class_is_gone_is_not_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.repeat([0, 1, 0], 60)
    collections = np.repeat(["a", "a", "b"], 60)
    folds = by_collection_left_out(labels, np.arange(180), collections)
    assert [name for name, _ in folds] == ["without-b"]
    assert "a is not left out" in capsys.readouterr().out
    with pytest.raises(DataError, match="--data"):
        by_collection_left_out(labels[:120], np.arange(120), collections[:120])


def test_collection_of_tumors_alone_is_also_asked_for_the_kind_alone() -> None:
    probabilities = np.array(
        [[0.4, 0.1, 0.5, 0.0], [0.1, 0.3, 0.6, 0.0], [0.1, 0.2, 0.1, 0.6], [0, 0, 1, 0]], np.float32
    )
    labels, collections = np.array([0, 0, 3, 2]), np.array(["series", "series", "series", "healthy"])
    figures = measure(labels, probabilities, collections, np.arange(4), CLASS_NAMES["tumor_type"]).by_collection
    assert set(figures) == {"series", "series, kind of tumor alone", "healthy"}
    assert figures["series"].n_correct == 1
    assert figures["series, kind of tumor alone"].n_correct == 2
    assert set(figures["series, kind of tumor alone"].per_class) == {"glioma", "meningioma", "pituitary"}


@pytest.fixture(scope="module")
def arguments(drawn_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return ["study", "cross-validate", "--recipe", "xception", "--task", "tumor_presence", "--quick", "--folds", "2",
            "--epochs", "1", "--weights", "random", "--data", drawn_data,
            "--cache", tmp_path_factory.mktemp("cache")]  # fmt: skip


@pytest.fixture(scope="module")
def folds(arguments: list[Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-validation of two folds of one epoch; the second fold was a call of its own."""
    out = tmp_path_factory.mktemp("folds")
    for only in (["--only", "fold-2"], []):
        step = run_step(*arguments, *only, "--out", out)
        assert step.returncode == 0, step.stderr
        if only:
            shutil.copy(out / "predictions.csv", out / "of_one_fold.csv")
    return out


@pytest.fixture(scope="module")
def further(arguments: list[Any], folds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another cross-validation, starting from those networks."""
    out = tmp_path_factory.mktemp("further")
    step = run_step(*arguments, "--start-from", folds, "--out", out)
    assert step.returncode == 0, step.stderr
    return out


@pytest.mark.slow
def test_every_image_is_scored_once(folds: Path) -> None:
    rows = csv_rows(folds / "predictions.csv")
    assert len({row["name"] for row in rows}) == len(rows) == 48
    assert json.loads((folds / "metrics.json").read_text())["all"]["n_pictures"] == 48


@pytest.mark.slow
def test_fold_that_is_a_call_of_its_own_is_scored_alone(folds: Path) -> None:
    alone = csv_rows(folds / "of_one_fold.csv")
    held_out = RunFolder(folds / "fold-2").read_split().names(validation=True)
    assert {row["name"] for row in alone} == set(held_out)
    assert all(row in csv_rows(folds / "predictions.csv") for row in alone)


@pytest.mark.slow
def test_figures_tell_what_was_trained(folds: Path) -> None:
    training = json.loads((folds / "metrics.json").read_text())["training"]
    assert training == {"left_out": "groups", "n_networks": 2, "epochs": 1}


@pytest.mark.slow
def test_folds_hold_out_different_images(folds: Path) -> None:
    one, other = (set(RunFolder(folds / name).read_split().names(validation=True)) for name in FOLDS)
    assert not one & other


@pytest.mark.slow
def test_call_that_is_repeated_trains_nothing_again(arguments: list[Any], folds: Path) -> None:
    before = csv_rows(folds / "predictions.csv")
    step = run_step(*arguments, "--out", folds)
    assert step.returncode == 0, step.stderr
    assert "Epoch" not in step.stdout
    assert csv_rows(folds / "predictions.csv") == before


@pytest.mark.slow
@pytest.mark.parametrize("change", [("--seed", "1"), ("--folds", "3"), ("--epochs", "2")])
def test_folds_of_another_call_are_not_taken(
    change: tuple[str, str], arguments: list[Any], folds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "another --out" in refusal(capsys, *arguments, *change, "--out", folds)


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDS)
def test_fold_starts_from_the_network_of_the_same_fold(name: str, folds: Path, further: Path) -> None:
    earlier, later = RunFolder(folds / name), RunFolder(further / name)
    assert later.read_split().rows == earlier.read_split().rows
    assert later.read_config().start["sha256"] == earlier.sha256()


@pytest.mark.slow
def test_epochs_of_earlier_networks_are_counted(further: Path) -> None:
    assert json.loads((further / "metrics.json").read_text())["training"]["epochs"] == 2


@pytest.mark.slow
def test_start_that_was_trained_on_what_is_held_out_is_refused(
    arguments: list[Any], folds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, *arguments, "--start-from", folds, "--seed", "1", "--out", tmp_path / "leaking")
    assert "hold out the same images" in said
    assert not (tmp_path / "leaking" / "metrics.json").exists()


def test_fold_that_does_not_exist_is_refused(
    arguments: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "fold-1, fold-2" in refusal(capsys, *arguments, "--only", "fold-3", "--out", tmp_path)


def test_one_fold_is_refused(arguments: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "two folds or more" in refusal(capsys, *arguments, "--folds", "1", "--out", tmp_path)
