"""The steps of `python -m training`, run as a user runs them, on small drawn heads and on TensorFlow."""

import csv
import dataclasses
import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from app import create_app
from model.card import Decision, read_card
from model.errors import ModelFileError
from model.reading.one_file import read_image
from model.safe_files import sha256_of
from tests.support.samples import TOP, csv_rows
from tests.support.training import STEP_TIMEOUT_SECONDS, environment, run_step
from training.__main__ import main
from training.data.folders import DataError
from training.fit.packing import compact
from training.measure.known_picture import known_pictures
from training.measure.metrics import interval_by_groups
from training.steps.calibrate import read_split
from training.steps.card_of_run import card_of_run
from training.steps.evaluate import load
from training.steps.publish import PublishError, publish
from training.studies.compare import compare

SHARED = TOP.parent / "shared"
# Every step starts TensorFlow anew; on two busy cores that alone takes up to twenty seconds.


def width_of(picture: Path) -> int:
    with Image.open(picture) as opened:
        return opened.width


def texture_of(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw a texture, strong enough that no two heads that have one count as copies of each other."""
    blobs = random.integers(0, 200, (9, 9), np.uint8)
    return np.asarray(Image.fromarray(blobs).resize(picture.shape, Image.Resampling.BICUBIC))


def textured(picture: np.ndarray, texture: np.ndarray) -> Image.Image:
    """Put a texture into a drawn head; its tumor becomes white."""
    return Image.fromarray(np.where(picture >= 230, 255, np.where(picture > 0, texture, 0)).astype(np.uint8))


@pytest.fixture(scope="module")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training/ and Testing/ with drawn heads, the tumor a bright disc; one picture stands in both."""
    top = tmp_path_factory.mktemp("drawn")
    random = np.random.default_rng(0)
    plain, with_lesion, _ = known_pictures()
    for split, n in (("Training", 24), ("Testing", 6)):
        for name, picture in (("no", plain), ("yes", with_lesion)):
            for i in range(n):
                folder = top / split / name
                folder.mkdir(parents=True, exist_ok=True)
                textured(picture, texture_of(picture, random)).save(folder / f"{i}.png")
    copy = (top / "Training" / "yes" / "0.png").read_bytes()
    (top / "Testing" / "yes" / "copy.png").write_bytes(copy)
    return top


def write_audit(out: Path, folders: list[Path], pair: tuple[Path, Path]) -> Path:
    """Write the tables of an audit of all pictures, in which the network's features found one pair."""
    out.mkdir()
    files = [file for folder in folders for file in folder.rglob("*.png")]
    lines = [f"{file},{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]
    (out / "groups.csv").write_text("\n".join(["name,sha256", *lines]))
    (out / "pairs.csv").write_text(f"first,second,found_by\n{pair[0]},{pair[1]},network\n")
    return out


@pytest.fixture(scope="module")
def finished_run(drawn_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "vgg16"
    step = run_step("train", "--recipe", "vgg16", "--quick", "--weights", "random", "--data", drawn_data,
                    "--out", run, "--cache", run.parent / "cache")  # fmt: skip
    assert step.returncode == 0, step.stderr
    return run


def test_explore_counts_what_is_there_and_finds_identical_files(drawn_data: Path, tmp_path: Path) -> None:
    (drawn_data / "Training" / "yes" / "broken.png").write_bytes(b"broken")
    try:
        step = run_step("explore", "--data", drawn_data, "--task", "tumor_presence", "--out", tmp_path / "explore")
    finally:
        (drawn_data / "Training" / "yes" / "broken.png").unlink()
    assert step.returncode == 0, step.stderr
    summary = json.loads((tmp_path / "explore" / "summary.json").read_text())
    assert summary["counts"] == {"testing": {"no_tumor": 6, "tumor": 7}, "training": {"no_tumor": 24, "tumor": 24}}
    assert len(summary["identical_files"]) == 1
    assert len(summary["problems"]) == 1
    page = (tmp_path / "explore" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "http" not in page


def test_run_folder_holds_config_history_curves_and_validation(finished_run: Path) -> None:
    config = json.loads((finished_run / "config.json").read_text())
    assert config["recipe"]["name"] == "vgg16"
    assert config["data"]["n_pictures"] == {"no_tumor": 24, "tumor": 24}
    assert len(config["data"]["fingerprint"]) == 64
    assert config["environment"]["keras_backend"] == "tensorflow"
    history = csv_rows(finished_run / "history.csv")
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert width_of(finished_run / "curves.png") > 500
    assert json.loads((finished_run / "validation.json").read_text())["n_pictures"] == config["data"]["n_validation"]


def test_second_run_into_the_same_folder_is_refused_without_resume(finished_run: Path, drawn_data: Path) -> None:
    step = run_step("train", "--recipe", "vgg16", "--quick", "--weights", "random", "--data", drawn_data,
                    "--out", finished_run)  # fmt: skip
    assert step.returncode == 2
    assert "--resume" in step.stderr


def test_weights_that_are_not_there_give_one_clear_line(drawn_data: Path, tmp_path: Path) -> None:
    step = run_step("train", "--recipe", "vgg16", "--quick", "--weights", tmp_path / "nowhere.weights.h5",
                    "--data", drawn_data, "--out", tmp_path / "run", "--cache", tmp_path / "cache")  # fmt: skip
    assert step.returncode == 2
    assert "--weights" in step.stderr
    assert "Traceback" not in step.stderr


def test_run_that_is_not_there_cannot_be_gone_on_with(drawn_data: Path, tmp_path: Path) -> None:
    step = run_step("train", "--recipe", "xception", "--task", "tumor_presence", "--quick", "--start-from",
                    tmp_path / "nowhere", "--data", drawn_data, "--out", tmp_path / "run")  # fmt: skip
    assert step.returncode == 2
    assert "nowhere" in step.stderr
    assert "Traceback" not in step.stderr


@pytest.mark.parametrize("size", ["20", "160px", "4000"])
def test_input_size_that_no_network_has_is_refused(size: str, tmp_path: Path) -> None:
    step = run_step("train", "--recipe", "xception", "--input-size", size, "--data", tmp_path)
    assert step.returncode == 2
    assert f"Expected a side of 96 to 512 pixels. Received '{size}'." in step.stderr


def test_network_whose_weights_are_bound_to_its_size_is_not_gone_on_with_at_another(
    finished_run: Path, drawn_data: Path, tmp_path: Path
) -> None:
    step = run_step("train", "--recipe", "vgg16", "--quick", "--input-size", 96, "--start-from", finished_run,
                    "--data", drawn_data, "--out", tmp_path / "run", "--cache", tmp_path / "cache")  # fmt: skip
    assert step.returncode == 2
    assert "--input-size" in step.stderr
    assert "Traceback" not in step.stderr


def test_run_is_not_resumed_with_other_options_than_it_began_with(finished_run: Path, drawn_data: Path) -> None:
    before = (finished_run / "best.keras").read_bytes()
    step = run_step("train", "--recipe", "vgg16", "--quick", "--input-size", 96, "--seed", 3, "--start-from",
                    finished_run, "--resume", "--data", drawn_data, "--out", finished_run,
                    "--cache", finished_run.parent / "cache")  # fmt: skip
    assert step.returncode == 2
    assert "as it began: input_size_px 64, and received 96; seed 0, and received 3; no --start-from." in step.stderr
    assert (finished_run / "best.keras").read_bytes() == before
    step = run_step("train", "--recipe", "vgg16", "--quick", "--start-from", finished_run / "nowhere", "--resume",
                    "--data", drawn_data, "--out", finished_run, "--cache", finished_run.parent / "cache")  # fmt: skip
    assert step.returncode == 2
    assert "as it began: no --start-from." in step.stderr


def test_network_that_was_not_trained_in_the_folder_is_not_trained_over(tmp_path: Path) -> None:
    (tmp_path / "best.keras").write_bytes(b"what blend or reopen wrote")
    for options in ((), ("--resume",)):
        step = run_step("train", "--recipe", "vgg16", "--data", tmp_path, "--out", tmp_path, *options)
        assert step.returncode == 2
        assert "--start-from goes on from it" in step.stderr
    assert (tmp_path / "best.keras").read_bytes() == b"what blend or reopen wrote"


@pytest.mark.slow
def test_larger_input_goes_on_from_a_network_of_a_smaller_one(drawn_data: Path, tmp_path: Path) -> None:
    train = ("train", "--recipe", "xception", "--task", "tumor_presence", "--quick", "--epochs", "1", "--weights",
             "random", "--data", drawn_data, "--cache", tmp_path / "cache")  # fmt: skip
    for size, start in ((96, ()), (128, ("--start-from", tmp_path / "96"))):
        step = run_step(*train, "--input-size", size, *start, "--out", tmp_path / str(size))
        assert step.returncode == 0, step.stderr
        assert json.loads((tmp_path / str(size) / "config.json").read_text())["recipe"]["input_size_px"] == size
    step = run_step("evaluate", "--model", tmp_path / "128", "--data", drawn_data, "--out", tmp_path / "evaluation")
    assert step.returncode == 0, step.stderr


@pytest.mark.slow
def test_going_on_keeps_the_split_and_leaves_out_what_is_to_stay_unseen(
    finished_run: Path, drawn_data: Path, tmp_path: Path
) -> None:
    unseen = tmp_path / "unseen" / "yes"
    unseen.mkdir(parents=True)
    (unseen / "0.png").write_bytes((drawn_data / "Training" / "yes" / "0.png").read_bytes())
    audit = write_audit(
        tmp_path / "audit", [drawn_data, tmp_path], (unseen / "0.png", drawn_data / "Training" / "no" / "5.png")
    )
    step = run_step("train", "--recipe", "vgg16", "--quick", "--weights", "random", "--data", drawn_data,
                    "--start-from", finished_run, "--exclude-near-duplicates-of", tmp_path / "unseen",
                    "--audit", audit, "--out", tmp_path / "run", "--cache", tmp_path / "cache")  # fmt: skip
    assert step.returncode == 0, step.stderr
    before, after = (
        {row["name"]: row for row in csv_rows(run / "split.csv")} for run in (finished_run, tmp_path / "run")
    )
    gone = {name for name in before if name not in after}
    assert {name[-9:] for name in gone} == {"yes/0.png", "/no/5.png"}
    n_known = sum(before[name]["validation"] == "0" for name in gone)
    said = f"{finished_run.name} was trained on {n_known} of these"
    assert (said in step.stdout) == (n_known > 0)
    assert all(before[name] == row for name, row in after.items())


def weights_of(run: Path) -> dict[str, np.ndarray]:
    """Give all arrays of a run's network by their names in its file."""
    found = {}
    with zipfile.ZipFile(run / "best.keras") as archive, h5py.File(archive.open("model.weights.h5")) as file:
        file.visititems(lambda name, item: found.update({name: item[...]}) if isinstance(item, h5py.Dataset) else None)
    return found


def draw_heads_with_and_without_tumor(top: Path, n: int) -> Path:
    """Draw heads without a tumor and with one; write the tumors' boxes beside, as slices of one series."""
    plain, with_tumor, _ = known_pictures()
    random = np.random.default_rng(1)
    height, width = plain.shape
    places = np.argwhere(with_tumor != plain)
    (top_row, left), (bottom, right) = places.min(axis=0), places.max(axis=0) + 1
    center = f"{(left + right) / 2 / width},{(top_row + bottom) / 2 / height}"
    lines = ["path,figshare_class,figshare_slice,x_center,y_center,width,height"]
    common = texture_of(plain, random)
    for i in range(n):
        for name, picture in (("no", plain), ("yes", with_tumor)):
            (top / "heads" / name).mkdir(parents=True, exist_ok=True)
            # So much alike that one may cover another's tumor, but no copies: validation keeps one of those.
            texture = (common * 0.5 + texture_of(plain, random) * 0.5).astype(np.uint8)
            textured(picture, texture).save(top / "heads" / name / f"{i}.png")
        lines.append(f"yes/{i}.png,glioma,{i},{center},{(right - left) / width},{(bottom - top_row) / height}")
    (top / "boxes.csv").write_text("\n".join(lines) + "\n")
    return top / "heads"


@pytest.mark.slow
def test_blend_gives_a_network_between_a_run_and_the_one_before_it(tmp_path: Path) -> None:
    earlier, later, blended, boxes = (tmp_path / name for name in ("earlier", "later", "blended", "boxes.csv"))
    data = ("--data", draw_heads_with_and_without_tumor(tmp_path, 40), "--cache", tmp_path / "cache")
    train = ("train", "--recipe", "vgg16", "--quick", "--weights", "random", *data, "--boxes", boxes)
    for step in (run_step(*train, "--out", earlier), run_step(*train, "--start-from", earlier, "--out", later)):
        assert step.returncode == 0, step.stderr
    step = run_step("blend", "--run", later, "--earlier", earlier, *data, "--boxes", boxes, "--out", blended)
    assert step.returncode == 0, step.stderr
    chosen = json.loads((blended / "blend.json").read_text())
    assert [row["share"] for row in chosen["table"]] == [0, 0.5, 0.7, 0.8, 0.9, 1]
    assert all(row["n_covered"] > 0 and "tumor" in row["covered_called_healthy"] for row in chosen["table"])
    before, after, between = (weights_of(run) for run in (earlier, later, blended))
    assert any(not np.array_equal(before[name], after[name]) for name in before)
    assert set(between) == set(before) == set(after)
    for name, mixed in between.items():
        # Weights are rounded so that the file packs well.
        expected = (1 - chosen["share"]) * before[name] + chosen["share"] * after[name]
        np.testing.assert_allclose(mixed, expected, rtol=0.01, atol=1e-4)
    step = run_step("calibrate", "--run", blended, *data, "--boxes", boxes)
    assert step.returncode == 0, step.stderr
    trust = json.loads((blended / "trust.json").read_text())
    assert trust["heatmaps_of_random_weights"]["n_pictures"] >= trust["heatmaps"]["n_pictures"]
    step = run_step("evaluate", "--model", blended, *data[:2], "--out", tmp_path / "evaluation")
    assert step.returncode == 0, step.stderr

    # A second call must not put another network beside what was chosen for the first.
    step = run_step("blend", "--run", later, "--earlier", earlier, *data, "--boxes", boxes, "--out", blended)
    assert step.returncode == 2
    assert "--out" in step.stderr
    step = run_step("blend", "--run", earlier, "--earlier", later, *data, "--boxes", boxes, "--out", tmp_path / "wrong")
    assert step.returncode == 2
    assert "went on from" in step.stderr
    other = tmp_path / "other.csv"
    other.write_text(boxes.read_text().replace("yes/", "elsewhere/"))
    step = run_step("blend", "--run", later, "--earlier", earlier, *data, "--boxes", other, "--out", tmp_path / "wrong")
    assert step.returncode == 2
    assert "other.csv" in step.stderr


def test_evaluate_then_publish_gives_a_model_that_is_served(
    finished_run: Path, drawn_data: Path, tmp_path: Path
) -> None:
    evaluation, log, weights = tmp_path / "evaluation", tmp_path / "scorings.md", tmp_path / "weights"
    pair = (drawn_data / "Testing" / "no" / "0.png", drawn_data / "Training" / "no" / "0.png")
    audit = write_audit(tmp_path / "audit", [drawn_data], pair)
    step = run_step("evaluate", "--model", finished_run, "--data", drawn_data, "--training-data", drawn_data,
                    "--audit", audit, "--out", evaluation, "--log", log, "--reason", "a test")  # fmt: skip
    assert step.returncode == 0, step.stderr
    metrics = json.loads((evaluation / "metrics.json").read_text())
    assert metrics["all"]["n_pictures"] == 13
    assert metrics["also_in_training"]["n_pictures"] >= 2
    rows = csv_rows(evaluation / "predictions.csv")
    in_training = {row["name"]: row["in_training"] for row in rows}
    assert [in_training[name] for name in in_training if name.endswith(("yes/copy.png", "no/0.png"))] == ["1", "1"]
    assert sum(row["true_class"] == row["predicted_class"] for row in rows) == metrics["all"]["n_correct"]
    for name in ("confusion_matrix.png", "roc.png", "mistakes.png"):
        assert width_of(evaluation / name) > 100
    assert log.read_text().count("a test") == 1

    step = run_step("publish", "--run", finished_run, "--evaluation", evaluation, "--to", weights)
    assert step.returncode == 0, step.stderr
    card = read_card(weights / "vgg16.json")
    assert card.task == "tumor_presence"
    assert any(figures.get("all", {}).get("n_pictures") == 13 for figures in card.metrics.values())
    assert sorted(p.name for p in weights.iterdir()) == ["vgg16.json", "vgg16.keras", "vgg16.split.csv"]

    client = create_app({"MODELS_DIR": weights, "MODEL_NAMES": ("vgg16",)}).test_client()
    picture = drawn_data / "Testing" / "yes" / "0.png"
    served = client.post("/api/v1/predictions", data={"files": (io.BytesIO(picture.read_bytes()), "0.png")})
    row = next(row for row in rows if row["name"].endswith("Testing/yes/0.png"))
    assert served.json["results"][0]["model_version"] == "1.0.0"
    assert served.json["results"][0]["predicted_class"] == row["predicted_class"]
    assert served.json["results"][0]["probabilities"]["tumor"] == pytest.approx(float(row["p_tumor"]), abs=1e-4)

    # A second publishing under its name does not replace it unasked.
    with pytest.raises(PublishError, match=r"above 1\.0\.0.*--name"):
        publish(finished_run, [], weights, None, "1.0.0")

    # What lies beside the Testing folder was trained on.
    again, beside = tmp_path / "again", tmp_path / "beside" / "yes"
    beside.mkdir(parents=True)
    shutil.copy(drawn_data / "Training" / "yes" / "1.png", beside)
    step = run_step("evaluate", "--model", weights / "vgg16.json", "--data", drawn_data, beside.parent, "--out", again)
    assert step.returncode == 0, step.stderr
    assert json.loads((again / "metrics.json").read_text())["all"] == metrics["all"]


def test_calibrated_run_is_published_with_its_gate_and_answers_are_told(
    finished_run: Path, drawn_data: Path, tmp_path: Path
) -> None:
    run, outsiders, weights = tmp_path / "run", tmp_path / "outsiders", tmp_path / "weights"
    shutil.copytree(finished_run, run)
    random = np.random.default_rng(0)
    for kind in ("noise", "shapes", "charts"):
        (outsiders / kind).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(random.integers(0, 255, (64, 64), np.uint8)).save(outsiders / kind / f"{i}.png")
    step = run_step("calibrate", "--run", run, "--data", drawn_data, "--outsiders", outsiders,
                    "--cache", tmp_path / "cache")  # fmt: skip
    assert step.returncode == 0, step.stderr
    trust = json.loads((run / "trust.json").read_text())
    assert trust["gate"]["n_of_test_kinds"] == 3
    # All that the run knows, on either side.
    assert [of["n_pictures"] for of in trust["sources"].values()] == [{"no_tumor": 24, "tumor": 24}]
    assert trust["gate"]["kinds"]["noise"]["chose_the_bound"]
    assert set(trust["stability"]) == {"mirrored", "cropped_by_5_percent", "jpeg_quality_60", "shifted_by_1_px"}
    assert trust["mean_with_mirrored"]["n_correct_straight"] == trust["validation"]["n_correct"]
    assert trust["gate"]["n_brain_mri"] == trust["validation"]["n_pictures"] > 1
    assert trust["tumor_found"]["by_other_groups"]
    assert width_of(run / "reliability.png") > 300
    step = run_step("publish", "--run", run, "--to", weights)
    assert step.returncode == 0, step.stderr
    card = read_card(weights / "vgg16.json")
    assert card.decision.temperature == trust["decision"]["temperature"]
    assert card.gate is not None
    assert sorted(p.name for p in weights.iterdir()) == [
        "vgg16.gate.npz", "vgg16.json", "vgg16.keras", "vgg16.split.csv",
    ]  # fmt: skip
    client = create_app({"MODELS_DIR": weights, "MODEL_NAMES": ("vgg16",)}).test_client()
    picture = (drawn_data / "Training" / "yes" / "0.png").read_bytes()
    served = client.post("/api/v1/predictions", data={"files": (io.BytesIO(picture), "0.png")})
    # What was measured is what is served: with its temperature, its bounds and its gate.
    expected = load(run).predict([read_image(picture)])[0]
    assert served.json["results"][0]["answer"] == expected.answer
    assert served.json["results"][0]["probabilities"]["tumor"] == pytest.approx(expected.by_class()["tumor"], abs=1e-4)


def test_reopened_model_is_the_run_that_was_published(finished_run: Path, drawn_data: Path, tmp_path: Path) -> None:
    publish(finished_run, [], tmp_path / "weights", None, "1.0.0")
    arguments = ["reopen", "--model", tmp_path / "weights" / "vgg16.json", "--cache", tmp_path / "cache"]
    reopened = tmp_path / "reopened"
    step = run_step(*arguments, "--data", drawn_data, "--out", reopened)
    assert step.returncode == 0, step.stderr
    assert (reopened / "split.csv").read_text() == (finished_run / "split.csv").read_text()
    assert (reopened / "best.keras").read_bytes() == (finished_run / "best.keras").read_bytes()
    one, other = (json.loads((run / "config.json").read_text()) for run in (reopened, finished_run))
    assert one == {**other, "blended": None}

    step = run_step(*arguments, "--data", drawn_data, "--out", reopened)
    assert step.returncode == 2
    assert "--out" in step.stderr
    assert (reopened / "best.keras").exists()
    # The network does otherwise on the pictures that were drawn now than on those that the card was written with.
    card = tmp_path / "weights" / "vgg16.json"
    fields = json.loads(card.read_text())
    fields["metrics"]["validation"]["confusion_matrix"] = [[0, 0], [0, 0]]
    other = tmp_path / "other.json"
    other.write_text(json.dumps(fields))
    shutil.copy(card.with_suffix(".keras"), tmp_path)
    step = run_step("reopen", "--model", other, *arguments[3:], "--data", drawn_data, "--out", tmp_path / "other")
    assert step.returncode == 2
    assert "vgg16.split.csv" in step.stderr
    shutil.copy(card.with_suffix(".split.csv"), tmp_path)
    step = run_step("reopen", "--model", other, *arguments[3:], "--data", drawn_data, "--out", tmp_path / "other")
    assert step.returncode == 2
    assert "and --boxes" in step.stderr
    assert not (tmp_path / "other").exists()
    shutil.copytree(drawn_data, tmp_path / "fewer")
    next((tmp_path / "fewer" / "Training" / "yes").iterdir()).unlink()
    step = run_step(*arguments, "--data", tmp_path / "fewer", "--out", tmp_path / "other")
    assert step.returncode == 2
    assert "--data" in step.stderr
    assert not (tmp_path / "other").exists()


def test_calibrate_wants_the_pictures_of_the_run_and_keeps_what_was_chosen_before(
    finished_run: Path, tmp_path: Path
) -> None:
    run, kept = tmp_path / "run", ("decision.json", "gate.npz", "trust.json")
    shutil.copytree(finished_run, run)
    for name in kept:
        (run / name).write_text("{}")
    picture = tmp_path / "other" / "yes" / "1.png"
    picture.parent.mkdir(parents=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(picture)
    step = run_step("calibrate", "--run", run, "--data", tmp_path / "other")
    assert step.returncode == 2
    assert "--data" in step.stderr
    assert [(run / name).read_text() for name in kept] == ["{}"] * 3


def test_what_was_chosen_for_another_network_is_not_taken(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "run")
    chosen = {"decision": {"temperature": 2.0}, "network_sha256": "0" * 64}
    (tmp_path / "run" / "decision.json").write_text(json.dumps(chosen))
    with pytest.raises(ModelFileError, match="training calibrate"):
        card_of_run(tmp_path / "run")


def test_publish_refuses_figures_of_another_network(finished_run: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "metrics.json").write_text(json.dumps({"model": {"sha256": "0" * 64}, "data": {"folders": ["x"]}}))
    step = run_step("publish", "--run", finished_run, "--evaluation", foreign, "--to", tmp_path / "weights")
    assert step.returncode == 2
    assert "another" in step.stderr
    # The right network, before its temperature was chosen.
    model = {"sha256": sha256_of(finished_run / "best.keras"), "decision": {"temperature": 3.0}}
    (foreign / "metrics.json").write_text(json.dumps({"model": model, "data": {"folders": ["x"]}}))
    with pytest.raises(PublishError, match="evaluate it again"):
        publish(finished_run, [foreign], tmp_path / "weights", None, "1.0.0")
    # The right network with the right bounds, before it had no gate.
    gate = {"sha256": "0" * 64, "largest_distance": 2.0}
    model = {"sha256": model["sha256"], "decision": dataclasses.asdict(Decision()), "gate": gate}
    (foreign / "metrics.json").write_text(json.dumps({"model": model, "data": {"folders": ["x"]}}))
    with pytest.raises(PublishError, match="evaluate it again"):
        publish(finished_run, [foreign], tmp_path / "weights", None, "1.0.0")
    assert not (tmp_path / "weights").exists() or not list((tmp_path / "weights").iterdir())


def test_publish_refuses_backends_that_disagree_and_leaves_what_was_there(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {"vgg16.json": "the old card", "vgg16.keras": "the old weights"}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    # No difference is small enough.
    monkeypatch.setattr("training.steps.publish.LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(PublishError, match="They differ by"):
        publish(finished_run, [], tmp_path, None, "1.0.0")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == before


def test_what_cannot_be_done_is_said_in_one_line(
    finished_run: Path, drawn_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, few = tmp_path / "broken" / "yes", tmp_path / "few"
    broken.mkdir(parents=True)
    (broken / "1.png").write_text("no picture")
    (few / "noise").mkdir(parents=True)
    train = ["--recipe", "vgg16", "--quick", "--weights", "random", "--data", drawn_data / "Training",
             "--cache", tmp_path / "cache", "--out", tmp_path / "out"]  # fmt: skip
    for arguments, reason in (
        (["evaluate", "--model", finished_run, "--data", broken.parent], "None of 1 files"),
        (["cross-validate", *train, "--folds", "1"], "two folds or more"),
        (["train", *train, "--exclude-near-duplicates-of", drawn_data / "Training"], "None is left of no_tumor, tumor"),
        (["blend", "--run", tmp_path / "nowhere", "--earlier", finished_run, "--data", drawn_data, "--boxes", "x.csv",
          "--out", tmp_path / "out"], "nowhere"),
        (["calibrate", "--run", finished_run, "--data", drawn_data, "--outsiders", few], "kinds that choose the bound"),
    ):  # fmt: skip
        assert main([str(argument) for argument in arguments]) == 2, arguments
        message = capsys.readouterr().err
        assert reason in message
        assert "Traceback" not in message


def test_finished_network_is_packed_and_packing_changes_no_weight(finished_run: Path, tmp_path: Path) -> None:
    weights = arrays_of(finished_run / "best.keras")
    assert (finished_run / "best.keras").stat().st_size < 0.65 * sum(w.nbytes for w in weights.values())
    # Keras's own form of the file, made by unpacking it.
    with zipfile.ZipFile(finished_run / "best.keras") as archive, zipfile.ZipFile(tmp_path / "a.keras", "w") as plain:
        for name in archive.namelist():
            plain.writestr(name, unpacked(archive.read(name)) if name.endswith(".h5") else archive.read(name))
    size = (tmp_path / "a.keras").stat().st_size
    compact(tmp_path / "a.keras")
    assert (tmp_path / "a.keras").stat().st_size < 0.65 * size
    again = arrays_of(tmp_path / "a.keras")
    assert again.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(again[name], array)


def arrays_of(network: Path) -> dict[str, np.ndarray]:
    """Give all weights of a Keras file by their place in it."""
    found = {}
    with zipfile.ZipFile(network) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def unpacked(weights: bytes) -> bytes:
    """Give an HDF5 file with the same arrays and attributes, none of them packed."""
    plain = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as old, h5py.File(plain, "w") as new:
        new.attrs.update(old.attrs)

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            is_array = isinstance(item, h5py.Dataset)
            (new.create_dataset(name, data=item[()]) if is_array else new.create_group(name)).attrs.update(item.attrs)

        old.visititems(copy)
    return plain.getvalue()


@pytest.mark.slow
def test_outsiders_of_many_kinds_are_gathered_from_packages(tmp_path: Path) -> None:
    step = run_step("outsiders", "--out", tmp_path)
    assert step.returncode == 0, step.stderr
    counts = {folder.name: len(list(folder.iterdir())) for folder in tmp_path.iterdir()}
    assert sum(counts.values()) >= 500
    assert sum(n > 0 for n in counts.values()) >= 10


def test_validation_pictures_of_which_training_holds_a_copy_are_left_away(
    finished_run: Path, drawn_data: Path, tmp_path: Path
) -> None:
    shutil.copytree(drawn_data, tmp_path / drawn_data.name)
    shutil.copytree(finished_run, tmp_path / "run")
    rows = csv_rows(finished_run / "split.csv")
    trained = next(row for row in rows if row["validation"] == "0" and row["class_name"] == "tumor")
    copy = Path(trained["name"]).with_name("brighter.png")
    with Image.open(tmp_path / trained["name"]) as opened:
        opened.point(lambda level: int(255 * (level / 255) ** 0.6)).save(tmp_path / copy)
    with (tmp_path / "run" / "split.csv").open("a") as table:
        table.write(f"{copy},tumor,9999,1\n")
    read = read_split(tmp_path / "run", [tmp_path / drawn_data.name], None, card_of_run(tmp_path / "run"), None)
    assert read.n_in_training == 1
    assert sorted(p.name for p in read.validation.pictures) == sorted(r["name"] for r in rows if r["validation"] == "1")


def test_runs_are_compared_on_what_both_held_out(finished_run: Path, drawn_data: Path, tmp_path: Path) -> None:
    """The other run is a copy that held out other pictures too, and whose answers are known and right."""
    other = tmp_path / "other"
    shutil.copytree(finished_run, other)
    rows = csv_rows(finished_run / "split.csv")
    held_out = [i for i, row in enumerate(rows) if row["validation"] == "1"]
    added = next(i for i, row in enumerate(rows) if row["validation"] == "0")
    sides = {held_out[0]: "0", added: "1"}
    changed = [row | {"validation": sides.get(i, row["validation"])} for i, row in enumerate(rows)]
    with (other / "split.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(changed)
    answers = [[row["class_name"] == name for name in ("no_tumor", "tumor")]
               for row in changed if row["validation"] == "1"]  # fmt: skip
    np.save(other / "probabilities.npy", np.array(answers, np.float32))
    step = run_step("compare", "--one", finished_run, "--other", other, "--data", drawn_data, "--out", tmp_path / "out",
                    "--cache", tmp_path / "cache", KERAS_BACKEND="openvino")  # fmt: skip
    assert step.returncode == 0, step.stderr
    figures = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert figures["n_pictures"] == len(held_out) - 1
    assert figures["other"]["accuracy"] == 1
    wrong = figures["n_pictures"] - figures["one"]["n_correct"]
    assert (figures["only_one_right"], figures["only_other_right"]) == (0, wrong)
    assert figures["gain"] == pytest.approx(wrong / figures["n_pictures"])
    assert f"{figures['n_pictures']} slices" in step.stdout

    # Groups of either side count, whichever comes first; of one group no interval is known.
    one_group = tmp_path / "one_group"
    shutil.copytree(other, one_group)
    table = [",".join([*line.split(",")[:2], "0", line.split(",")[3]])
             for line in (other / "split.csv").read_text().splitlines()[1:]]  # fmt: skip
    (one_group / "split.csv").write_text("\n".join([",".join(rows[0]), *table]))
    for one, two in ((other, one_group), (one_group, other)):
        figures = compare(one, two, [drawn_data], None, tmp_path / "out", tmp_path / "cache")
        assert (figures["n_groups"], figures["gain_interval"]) == (1, None)
    # A folder that is missing could hold copies.
    fewer = tmp_path / drawn_data.name
    shutil.copytree(drawn_data, fewer)
    (tmp_path / rows[added]["name"]).unlink()
    with pytest.raises(DataError, match="--data"):
        compare(other, one_group, [fewer], None, tmp_path / "out", tmp_path / "cache")


def test_runs_that_held_out_no_picture_together_are_not_compared(finished_run: Path, drawn_data: Path) -> None:
    other = finished_run.parent / "apart"
    shutil.copytree(finished_run, other)
    table = (finished_run / "split.csv").read_text().splitlines()
    sides = [f"{line[:-1]}{1 - int(line[-1])}" for line in table[1:]]
    (other / "split.csv").write_text("\n".join([table[0], *sides]))
    step = run_step("compare", "--one", finished_run, "--other", other, "--data", drawn_data,
                    "--out", finished_run.parent / "out", "--cache", finished_run.parent / "cache",
                    KERAS_BACKEND="openvino")  # fmt: skip
    assert step.returncode == 2
    assert "both held out" in step.stderr
    assert "Traceback" not in step.stderr


def test_interval_of_a_gain_counts_groups_and_not_slices() -> None:
    gains = (np.arange(60) % 4 == 0).astype(float)
    alone = interval_by_groups(gains, np.arange(60))
    # The same share of gains, in whole groups of ten.
    together = interval_by_groups((np.arange(60) < 15).astype(float), np.arange(60) // 10)
    assert alone[0] < 0.25 < alone[1]
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])
    assert interval_by_groups(np.zeros(60), np.arange(60)) == [0, 0]


@pytest.mark.slow
def test_cross_validation_scores_every_picture_once_and_goes_on_when_repeated(drawn_data: Path, tmp_path: Path) -> None:
    arguments = ["cross-validate", "--recipe", "xception", "--task", "tumor_presence", "--quick", "--folds", "2",
                 "--epochs", "1", "--weights", "random", "--data", drawn_data, "--out", tmp_path / "folds",
                 "--cache", tmp_path / "cache"]  # fmt: skip
    step = run_step(*arguments)
    assert step.returncode == 0, step.stderr
    rows = csv_rows(tmp_path / "folds" / "predictions.csv")
    assert len({row["name"] for row in rows}) == len(rows) == 48
    metrics = json.loads((tmp_path / "folds" / "metrics.json").read_text())
    assert metrics["all"]["n_pictures"] == 48
    assert metrics["training"] == {"left_out": "groups", "n_networks": 2, "epochs": 1}
    sides = [{r["name"] for r in csv_rows(tmp_path / "folds" / f"fold-{i}" / "split.csv") if r["validation"] == "1"}
             for i in (1, 2)]  # fmt: skip
    assert not sides[0] & sides[1]
    step = run_step(*arguments)
    assert step.returncode == 0, step.stderr
    assert "Epoch" not in step.stdout
    assert csv_rows(tmp_path / "folds" / "predictions.csv") == rows

    # Folds that another call drew are not taken for its own.
    for change in (["--seed", "1"], ["--folds", "3"], ["--epochs", "2"]):
        step = run_step(*arguments, *change)
        assert step.returncode == 2
        assert "another --out" in step.stderr

    further = [*arguments, "--start-from", tmp_path / "folds", "--out", tmp_path / "further"]
    step = run_step(*further)
    assert step.returncode == 0, step.stderr
    assert {row["name"] for row in csv_rows(tmp_path / "further" / "predictions.csv")} == {row["name"] for row in rows}
    assert json.loads((tmp_path / "further" / "metrics.json").read_text())["training"]["epochs"] == 2
    for i in (1, 2):
        earlier, later = tmp_path / "folds" / f"fold-{i}", tmp_path / "further" / f"fold-{i}"
        assert csv_rows(later / "split.csv") == csv_rows(earlier / "split.csv")
        start = json.loads((later / "config.json").read_text())["start"]
        assert start["sha256"] == sha256_of(earlier / "best.keras")

    # Pictures that an earlier network was trained on would be counted as unseen.
    step = run_step(*further, "--seed", "1", "--out", tmp_path / "leaking")
    assert step.returncode == 2
    assert "to hold out the same pictures" in step.stderr
    assert not (tmp_path / "leaking" / "metrics.json").exists()


@pytest.mark.slow
def test_killed_run_goes_on_where_it_was_and_loses_one_epoch_at_most(drawn_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["train", "--recipe", "xception", "--task", "tumor_presence", "--quick", "--weights", "random",
                 "--data", str(drawn_data), "--out", str(run), "--cache", str(tmp_path / "cache")]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *arguments],
        cwd=TOP, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    finished = 0
    deadline = time.monotonic() + STEP_TIMEOUT_SECONDS
    while finished < 1 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
        if (run / "progress.json").exists():
            finished = json.loads((run / "progress.json").read_text())["finished_epochs"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = json.loads((run / "progress.json").read_text())
    assert before["phase"] != "done"

    step = run_step(*arguments, "--resume")
    assert step.returncode == 0, step.stderr
    after = json.loads((run / "progress.json").read_text())
    assert after["phase"] == "done"
    with zipfile.ZipFile(run / "best.keras") as archive, h5py.File(archive.open("model.weights.h5")) as weights:
        assert "optimizer" not in weights
    assert after["history"][: len(before["history"])] == before["history"]
    assert [(row["phase"], row["epoch"]) for row in after["history"]] == [
        ("fine_tune", 1), ("fine_tune", 2),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["vgg16", "xception"])
def test_devices_that_share_batches_train_as_one_device_does(recipe: str, drawn_data: Path, tmp_path: Path) -> None:
    histories = {}
    for n_devices, options in ((1, []), (2, ["--distribute"])):
        step = run_step(
            "train", "--recipe", recipe, "--task", "tumor_presence", "--quick", "--weights", "random",
            "--data", drawn_data, "--out", tmp_path / str(n_devices), "--cache", tmp_path / "cache", *options,
            KERAS_BACKEND="jax", XLA_FLAGS=f"--xla_force_host_platform_device_count={n_devices}",
        )  # fmt: skip
        assert step.returncode == 0, step.stderr
        histories[n_devices] = csv_rows(tmp_path / str(n_devices) / "history.csv")
    for alone, shared in zip(histories[1], histories[2], strict=True):
        assert float(shared["loss"]) == pytest.approx(float(alone["loss"]), rel=0.01)
    metrics = json.loads((tmp_path / "2" / "validation.json").read_text())
    assert metrics["n_pictures"] == json.loads((tmp_path / "1" / "validation.json").read_text())["n_pictures"]


@pytest.mark.slow
def test_what_is_built_to_be_shared_lies_on_every_device_and_batches_have_equal_shares() -> None:
    code = """
import keras, numpy as np
from training.feed.devices import equal_shares, shared_by_devices
with shared_by_devices(True, 24):
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    print(len(layer.kernel.value.sharding.device_set), equal_shares(np.arange(7)).tolist())
print(equal_shares(np.arange(7)).tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, timeout=STEP_TIMEOUT_SECONDS, check=True,
        env=environment() | {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["2 [0, 1, 2, 3, 4, 5, 6, 0]", "[0, 1, 2, 3, 4, 5, 6]"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "n_devices", "expected"),
    [("tensorflow", 2, "KERAS_BACKEND=jax"), ("jax", 1, "several devices"), ("jax", 7, "equally")],
)
def test_devices_that_cannot_share_are_refused_with_what_to_do(
    backend: str, n_devices: int, expected: str, drawn_data: Path, tmp_path: Path
) -> None:
    step = run_step(
        "train", "--recipe", "vgg16", "--quick", "--weights", "random", "--data", drawn_data, "--distribute",
        "--out", tmp_path / "run", "--cache", tmp_path / "cache",
        KERAS_BACKEND=backend, XLA_FLAGS=f"--xla_force_host_platform_device_count={n_devices}",
    )  # fmt: skip
    assert step.returncode == 2
    assert expected in step.stderr


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "data" / "sartaj").is_dir(), reason="the data set is not at ../shared/data")
@pytest.mark.parametrize("recipe", ["vgg16", "xception"])
def test_quick_profile_trains_on_the_real_data_in_under_five_minutes(recipe: str, tmp_path: Path) -> None:
    """The five minutes are the bound that STEP_TIMEOUT_SECONDS puts on every step."""
    run = tmp_path / "run"
    step = run_step("train", "--recipe", recipe, "--quick", "--data", SHARED / "data" / "sartaj", "--out", run,
                    "--weights", SHARED / "weights" / f"{recipe}_imagenet_notop.weights.h5",
                    "--cache", tmp_path / "cache")  # fmt: skip
    assert step.returncode == 0, step.stderr
    config = json.loads((run / "config.json").read_text())
    n_classes = len(config["data"]["n_pictures"])
    # Even a short training on few pictures sees more than chance.
    assert json.loads((run / "validation.json").read_text())["accuracy"] > 1 / n_classes
    step = run_step("publish", "--run", run, "--to", tmp_path / "weights")
    assert step.returncode == 0, step.stderr
