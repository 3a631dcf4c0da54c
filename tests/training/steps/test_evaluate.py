"""A network is measured on labelled images."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.samples import csv_rows
from tests.support.training import refusal, width_of
from training.data.sources import Sources
from training.fit.run_folder import RunFolder
from training.steps.evaluate import evaluate


@pytest.fixture(scope="module")
def metrics(evaluation: Path) -> dict[str, Any]:
    return json.loads((evaluation / "metrics.json").read_text())


def test_testing_folder_alone_is_scored(metrics: dict[str, Any]) -> None:
    assert metrics["all"]["n_pictures"] == 13


def test_images_of_the_training_data_are_found_by_thumbnail_and_by_the_audit(evaluation: Path) -> None:
    in_training = {row["name"]: row["in_training"] for row in csv_rows(evaluation / "predictions.csv")}
    assert [in_training[name] for name in in_training if name.endswith(("yes/copy.png", "no/0.png"))] == ["1", "1"]


def test_images_of_the_training_data_are_measured_apart(metrics: dict[str, Any]) -> None:
    assert metrics["also_in_training"]["n_pictures"] >= 2
    assert metrics["also_in_training"]["n_pictures"] + metrics["not_in_training"]["n_pictures"] == 13


def test_table_of_predictions_agrees_with_the_figures(evaluation: Path, metrics: dict[str, Any]) -> None:
    rows = csv_rows(evaluation / "predictions.csv")
    assert sum(row["true_class"] == row["predicted_class"] for row in rows) == metrics["all"]["n_correct"]


@pytest.mark.parametrize("name", ["confusion_matrix", "roc", "mistakes"])
def test_plot_is_drawn(name: str, evaluation: Path) -> None:
    assert width_of(evaluation / f"{name}.png") > 100


def test_log_gets_one_row(evaluation: Path) -> None:
    assert (evaluation / "scorings.md").read_text().count("a test") == 1


def test_images_beside_a_testing_folder_are_not_scored(
    run: RunFolder, drawn_data: Path, metrics: dict[str, Any], tmp_path: Path
) -> None:
    beside = tmp_path / "beside" / "yes"
    beside.mkdir(parents=True)
    shutil.copy(drawn_data / "Training" / "yes" / "1.png", beside)
    again = evaluate(run.path, Sources((drawn_data, beside.parent)), Sources(()), tmp_path / "again")
    assert again.all.n_pictures == metrics["all"]["n_pictures"]
    assert again.data.fingerprint == metrics["data"]["fingerprint"]


def test_folder_of_which_nothing_can_be_read_is_refused(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken" / "yes"
    broken.mkdir(parents=True)
    (broken / "1.png").write_text("not an image")
    assert "None of 1 files" in refusal(capsys, "evaluate", "--model", run.path, "--data", broken.parent)
