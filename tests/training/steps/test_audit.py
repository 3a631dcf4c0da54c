"""The audit, as a user runs it, on drawn images with known copies."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.samples import SAMPLES, TOP
from tests.support.training import done, run_step, write
from training.data.sources import Sources
from training.steps.audit import audit


def test_audit_finds_copies_conflicts_and_broken_files(collections: Path) -> None:
    out = collections / "audit"
    done("audit", "--data", collections / "first", collections / "second", "--out", out,
         "--cache", collections / "cache")  # fmt: skip
    figures = json.loads((out / "audit.json").read_text())
    assert figures["n_pictures"] == 14
    assert figures["across_splits"] == {
        "first/training in second/unsplit": 2, "second/unsplit in first/training": 2,
    }  # fmt: skip
    assert len(figures["label_conflicts"]) == 1
    assert "copy.png" in figures["label_conflicts"][0]
    assert len(figures["problems"]) == 1
    assert "broken.png" in figures["problems"][0]
    pairs = list(csv.DictReader((out / "pairs.csv").read_text().splitlines()))
    assert {Path(pair["second"]).name for pair in pairs} == {"mirrored.jpg", "copy.png"}
    groups = {row["name"]: row["group"] for row in csv.DictReader((out / "groups.csv").read_text().splitlines())}
    assert groups["first/Training/no_tumor/0.png"] == groups["second/no_tumor/mirrored.jpg"]
    assert len(set(groups.values())) == 12


@pytest.mark.slow
def test_audit_also_looks_by_the_features_of_a_published_network(collections: Path) -> None:
    samples, out = SAMPLES, collections / "audit"
    slices = {"glioma": 1, "meningioma": 2, "pituitary": 3}
    for name in slices:
        folder = collections / "slices" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.jpg").write_bytes((samples / f"{name}.jpg").read_bytes())
    with Image.open(samples / "glioma.jpg") as opened:
        write(collections / "again" / "glioma" / "copy.jpg", opened.convert("L"), quality=60)
    table = collections / "boxes.csv"
    table.write_text(
        "path,figshare_class,figshare_slice,x_center,y_center,width,height\n"
        + "".join(f"slices/{name}/{name}.jpg,{name},{number},0.5,0.5,0.1,0.1\n" for name, number in slices.items())
    )
    step = run_step("audit", "--data", collections / "slices", collections / "again", "--boxes", table,
                    "--model", TOP / "model" / "weights" / "xception.json", "--out", out,
                    "--cache", collections / "cache", KERAS_BACKEND="openvino")  # fmt: skip
    assert step.returncode == 0, step.stderr
    found = json.loads((out / "audit.json").read_text())["by_network"]
    assert found["n_pairs_of_different_classes"] == 3
    assert found["threshold"] < 0.99
    # The re-encoded image, which thumbnails find too.
    assert (found["pairs"], found["missed_by_thumbnails"]) == (1, 0)
    assert found["recall"]["jpeg_quality_35"] == 1


def test_folders_of_two_classes_are_audited_too(tmp_path: Path) -> None:
    for i, name in enumerate(("yes", "no")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for j in range(3):
            picture = np.random.default_rng(10 * i + j).integers(0, 255, (12, 12), np.uint8)
            Image.fromarray(picture).resize((96, 96)).save(tmp_path / "data" / name / f"{j}.png")
    figures = audit(Sources((tmp_path / "data",)), None, tmp_path / "out", "tumor_presence")
    assert figures.by_folder == {"data/unsplit/no_tumor": 3, "data/unsplit/tumor": 3}
