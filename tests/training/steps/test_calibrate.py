"""Decision and gate are chosen on a run's validation images, and measured."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.drawn_heads import draw_data
from tests.support.training import refusal, run_step, width_of, write
from training.data.sources import Sources
from training.fit.run_folder import RunFolder


@pytest.fixture(scope="module")
def trust(calibrated: RunFolder) -> dict[str, Any]:
    return json.loads(calibrated.trust_file.read_text())


def test_kinds_that_chose_the_bound_are_apart_from_those_that_test_it(trust: dict[str, Any]) -> None:
    assert trust["gate"]["kinds"]["noise"]["chose_the_bound"]
    assert not trust["gate"]["kinds"]["charts"]["chose_the_bound"]
    assert trust["gate"]["n_of_test_kinds"] == 3


def test_all_that_the_run_knows_is_counted_on_either_side(trust: dict[str, Any]) -> None:
    assert [of["n_pictures"] for of in trust["sources"].values()] == [{"no_tumor": 24, "tumor": 24}]


def test_stability_is_measured_under_four_changes(trust: dict[str, Any]) -> None:
    assert set(trust["stability"]) == {"mirrored", "cropped_by_5_percent", "jpeg_quality_60", "shifted_by_1_px"}


def test_gate_is_measured_on_every_validation_image(trust: dict[str, Any]) -> None:
    assert trust["gate"]["n_brain_mri"] == trust["validation"]["n_pictures"] > 1


def test_tumors_are_found_at_points_that_other_groups_chose(trust: dict[str, Any]) -> None:
    assert trust["tumor_found"]["by_other_groups"]


def test_reliability_is_drawn(calibrated: RunFolder) -> None:
    assert width_of(calibrated.reliability_file) > 300


def test_images_of_another_run_are_refused_and_what_was_chosen_before_stays(
    run: RunFolder, outsiders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copy.path)
    kept = (copy.decision_file, copy.gate_file, copy.trust_file)
    for file in kept:
        file.write_text("{}")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    write(tmp_path / "other" / "yes" / "1.png", noise)
    said = refusal(
        capsys, "calibrate", "--run", copy.path, "--data", tmp_path / "other", "--outsiders", outsiders,
    )  # fmt: skip
    assert "--data" in said
    assert [file.read_text() for file in kept] == ["{}"] * 3


def test_folder_without_the_kinds_that_choose_the_bound_is_refused(
    run: RunFolder, sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--data", *sources.folders, "--outsiders", tmp_path)
    assert "kinds that choose the threshold" in refusal(capsys, "calibrate", "--run", run.path, *arguments)


def test_run_that_is_not_there_is_refused(
    sources: Sources, outsiders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--data", *sources.folders, "--outsiders", outsiders)
    assert "nowhere" in refusal(capsys, "calibrate", "--run", tmp_path / "nowhere", *arguments)


@pytest.mark.slow
def test_bounds_are_chosen_on_sources_that_the_run_never_saw(
    run: RunFolder, sources: Sources, outsiders: Path, tmp_path: Path
) -> None:
    copy = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copy.path)
    elsewhere = draw_data(tmp_path / "elsewhere")
    step = run_step("calibrate", "--run", copy.path, "--data", *sources.folders, "--outsiders", outsiders,
                    "--cache", sources.cache, "--strangers", elsewhere)  # fmt: skip
    assert step.returncode == 0, step.stderr
    decision = json.loads(copy.decision_file.read_text())["decision"]
    assert decision["healthy_below"] <= decision["tumor_from"] <= decision["certain_tumor_from"]
    assert list(json.loads(copy.trust_file.read_text())["strangers"]["n_pictures"]) == ["elsewhere"]


def test_sources_that_the_run_was_trained_on_are_no_strangers(
    run: RunFolder, sources: Sources, outsiders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, "calibrate", "--run", run.path, "--data", *sources.folders, "--outsiders", outsiders,
                   "--cache", sources.cache, "--strangers", *sources.folders)  # fmt: skip
    assert f"trained on {sources.folders[0].name}" in said
