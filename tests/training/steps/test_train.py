"""A small, short training run, started as by a user."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.drawn_heads import write_audit
from tests.support.samples import TOP, csv_rows
from tests.support.training import (
    STEP_TIMEOUT_SECONDS,
    arrays_of,
    environment,
    refusal,
    run_step,
    width_of,
    write_picture,
)
from training.data.sources import Sources
from training.fit.request import add_request, request_of
from training.fit.run_folder import RunFolder
from training.steps.train import usable_images

SHARED = TOP.parent / "shared"
QUICK = ("train", "--recipe", "vgg16", "--quick", "--weights", "random")


def test_config_tells_recipe_data_and_machine(run: RunFolder) -> None:
    config = run.read_config()
    assert config.recipe["name"] == "vgg16"
    assert config.data["n_pictures"] == {"no_tumor": 24, "tumor": 24}
    assert len(config.data["fingerprint"]) == 64
    assert config.environment["keras_backend"] == "tensorflow"


def test_history_has_a_row_for_each_epoch(run: RunFolder) -> None:
    assert [row["epoch"] for row in csv_rows(run.history_file)] == ["1", "2"]


def test_curves_are_drawn(run: RunFolder) -> None:
    assert width_of(run.curves_file) > 500


def test_best_network_is_measured_on_all_validation_images(run: RunFolder) -> None:
    assert json.loads(run.validation_file.read_text())["n_pictures"] == run.read_config().data["n_validation"]


def test_weights_on_the_way_are_deleted(run: RunFolder) -> None:
    assert sorted(file.name for file in run.path.iterdir()) == sorted(
        file.name
        for file in (
            run.config_file, run.split_file, run.progress_file, run.history_file, run.network_file, run.curves_file,
            run.validation_file,
        )
    )  # fmt: skip


def test_second_run_into_the_same_folder_is_refused_without_resume(
    run: RunFolder, sources: Sources, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--resume" in refusal(capsys, *QUICK, "--data", *sources.folders, "--out", run.path)


def test_start_that_is_not_there_is_refused(
    drawn_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, *QUICK, "--start-from", tmp_path / "nowhere", "--data", drawn_data, "--out", tmp_path)
    assert "nowhere" in said


@pytest.mark.parametrize("size", ["20", "160px", "4000"])
def test_input_size_that_no_network_has_is_refused(
    size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        refusal(capsys, *QUICK, "--input-size", size, "--data", tmp_path)
    assert f"Expected a side of 96 to 512 pixels. Received '{size}'." in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--resume",)])
def test_network_that_was_not_trained_in_the_folder_is_not_trained_over(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(tmp_path)
    run.network_file.write_bytes(b"what calibrate --model wrote")
    assert "--start-from goes on from it" in refusal(capsys, *QUICK, "--data", tmp_path, "--out", tmp_path, *options)
    assert run.network_file.read_bytes() == b"what calibrate --model wrote"


def test_data_that_are_all_to_stay_unseen_are_refused(
    drawn_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, *QUICK, "--data", drawn_data / "Training", "--exclude-near-duplicates-of",
                   drawn_data / "Training", "--cache", tmp_path / "cache", "--out", tmp_path / "run")  # fmt: skip
    assert "None is left of no_tumor, tumor" in said


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (("--input-size", "96"), "input_size_px 64, and received 96"),
        (("--seed", "3"), "seed 0, and received 3"),
        (("--precision", "mixed_bfloat16"), "precision float32, and received mixed_bfloat16"),
        (("--start-from", "nowhere"), "no --start-from"),
    ],
)
def test_run_is_not_resumed_with_other_options_than_it_began_with(
    options: tuple[str, ...], difference: str, run: RunFolder, sources: Sources, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run.network_file.read_bytes()
    said = refusal(capsys, *QUICK, *options, "--resume", "--data", *sources.folders, "--out", run.path)
    assert f"as it began: {difference}." in said
    assert run.network_file.read_bytes() == before


def test_run_is_not_resumed_with_images_that_were_changed(
    run: RunFolder, drawn_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / drawn_data.name
    shutil.copytree(drawn_data, data)
    shutil.copy(data / "Training" / "no" / "1.png", data / "Training" / "no" / "2.png")
    said = refusal(capsys, *QUICK, "--resume", "--data", data, "--cache", tmp_path / "cache", "--out", run.path)
    assert f"Expected the images that {run.path} began with." in said


def test_weights_that_are_not_there_are_refused(drawn_data: Path, tmp_path: Path) -> None:
    step = run_step(*QUICK[:-1], tmp_path / "nowhere.weights.h5", "--data", drawn_data, "--out", tmp_path / "run",
                    "--cache", tmp_path / "cache")  # fmt: skip
    assert step.returncode == 2
    assert "--weights" in step.stderr
    assert "Traceback" not in step.stderr


def test_network_whose_weights_are_bound_to_its_size_starts_no_run_of_another_size(
    run: RunFolder, sources: Sources, tmp_path: Path
) -> None:
    step = run_step(*QUICK, "--input-size", 96, "--start-from", run.path, "--data", *sources.folders,
                    "--out", tmp_path / "run", "--cache", sources.cache)  # fmt: skip
    assert step.returncode == 2
    assert "--input-size" in step.stderr
    assert "Traceback" not in step.stderr


@pytest.mark.slow
def test_larger_input_starts_from_a_network_of_a_smaller_one(drawn_data: Path, tmp_path: Path) -> None:
    train = ("train", "--recipe", "xception", "--task", "tumor_presence", "--quick", "--epochs", "1", "--weights",
             "random", "--data", drawn_data, "--cache", tmp_path / "cache")  # fmt: skip
    for size, start in ((96, ()), (128, ("--start-from", tmp_path / "96"))):
        step = run_step(*train, "--input-size", size, *start, "--out", tmp_path / str(size))
        assert step.returncode == 0, step.stderr
        assert RunFolder(tmp_path / str(size)).read_config().recipe["input_size_px"] == size
    step = run_step("evaluate", "--model", tmp_path / "128", "--data", drawn_data, "--out", tmp_path / "evaluation")
    assert step.returncode == 0, step.stderr


@pytest.mark.slow
def test_run_that_starts_from_another_keeps_its_split_and_leaves_out_what_is_to_stay_unseen(
    run: RunFolder, drawn_data: Path, tmp_path: Path
) -> None:
    unseen = tmp_path / "unseen" / "yes"
    unseen.mkdir(parents=True)
    shutil.copy(drawn_data / "Training" / "yes" / "0.png", unseen)
    pair = (unseen / "0.png", drawn_data / "Training" / "no" / "5.png")
    audit = write_audit(tmp_path / "audit", [drawn_data, tmp_path], pair)
    step = run_step(*QUICK, "--data", drawn_data, "--start-from", run.path,
                    "--exclude-near-duplicates-of", tmp_path / "unseen", "--audit", audit,
                    "--out", tmp_path / "run", "--cache", tmp_path / "cache")  # fmt: skip
    assert step.returncode == 0, step.stderr
    before, after = run.read_split().rows, RunFolder(tmp_path / "run").read_split().rows
    gone = {name for name in before if name not in after}
    assert {name[-9:] for name in gone} == {"yes/0.png", "/no/5.png"}
    n_known = sum(not before[name].validation for name in gone)
    assert (f"{run.path.name} was trained on {n_known} of these" in step.stdout) == (n_known > 0)
    assert all(before[name] == row for name, row in after.items())


@pytest.mark.slow
def test_killed_run_resumes_where_it_was_and_loses_one_epoch_at_most(drawn_data: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    arguments = ["train", "--recipe", "xception", "--task", "tumor_presence", "--quick", "--weights", "random",
                 "--data", str(drawn_data), "--out", str(run.path), "--cache", str(tmp_path / "cache")]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *arguments],
        cwd=TOP, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    finished = 0
    deadline = time.monotonic() + STEP_TIMEOUT_SECONDS
    while finished < 1 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
        if run.progress_file.exists():
            finished = json.loads(run.progress_file.read_text())["finished_epochs"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = json.loads(run.progress_file.read_text())
    assert not before["is_done"]

    step = run_step(*arguments, "--resume")
    assert step.returncode == 0, step.stderr
    after = json.loads(run.progress_file.read_text())
    assert after["is_done"]
    assert not any("optimizer" in name for name in arrays_of(run.network_file))
    assert after["history"][: len(before["history"])] == before["history"]
    assert [row["epoch"] for row in after["history"]] == [1, 2]


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "data" / "sartaj").is_dir(), reason="the data set is not at ../shared/data")
@pytest.mark.parametrize("recipe", ["vgg16", "xception"])
def test_quick_profile_trains_on_the_real_data_in_under_five_minutes(recipe: str, tmp_path: Path) -> None:
    """STEP_TIMEOUT_SECONDS limits every step to five minutes."""
    run = RunFolder(tmp_path / "run")
    step = run_step("train", "--recipe", recipe, "--quick", "--data", SHARED / "data" / "sartaj", "--out", run.path,
                    "--weights", SHARED / "weights" / f"{recipe}_imagenet_notop.weights.h5",
                    "--cache", tmp_path / "cache")  # fmt: skip
    assert step.returncode == 0, step.stderr
    # Even short training on few images beats chance.
    n_classes = len(run.read_config().data["n_pictures"])
    assert json.loads(run.validation_file.read_text())["accuracy"] > 1 / n_classes
    step = run_step("publish", "--run", run.path, "--to", tmp_path / "weights")
    assert step.returncode == 0, step.stderr


@pytest.mark.skipif(not (SHARED / "data" / "br35h").is_dir(), reason="the collection is not on this machine")
def test_head_ct_of_a_collection_is_not_trained_on(tmp_path: Path) -> None:
    (tmp_path / "no_tumor").mkdir()
    # A CT and an MR image.
    for name in ("3854.jpg", "3930.jpg"):
        shutil.copy(SHARED / "data" / "br35h" / "no_tumor" / name, tmp_path / "no_tumor")
    write_picture(tmp_path / "tumor" / "1.png")
    parser = argparse.ArgumentParser()
    add_request(parser)
    options = parser.parse_args(["--recipe", "vgg16", "--data", str(tmp_path), "--cache", str(tmp_path / "cache")])
    usable, problems = usable_images(request_of(options, "run"))
    assert [p.path.name for p in usable.pictures] == ["3930.jpg", "1.png"]
    assert problems == ["Head CTs left out, since they are not MRI: 1."]
