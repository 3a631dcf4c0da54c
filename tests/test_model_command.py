"""`python -m model` on files and folders."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.__main__ import main
from tests.support.heads import dicom, nifti, series
from tests.support.samples import csv_rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "pictures"
    (top / "deeper").mkdir(parents=True)
    for i, name in enumerate(["a.png", "deeper/b.jpg"]):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (60, 50), np.uint8)).save(top / name)
    (top / ".DS_Store").write_bytes(b"not an image")
    return top


def test_folder_of_good_pictures_gives_a_row_each_and_exit_code_0(folder: Path, tiny_models: Path) -> None:
    table = folder.parent / "out.csv"
    assert main([str(folder), "--csv", str(table), "--models", str(tiny_models)]) == 0
    rows = csv_rows(table)
    assert [Path(row["path"]).name for row in rows] == ["a.png", "b.jpg"]
    assert list(rows[0]) == [
        "path", "member", "sha256", "kind", "format", "n_files", "n_slices", "slice", "first_slice", "last_slice",
        "answer", "headline", "predicted_class", "p_glioma", "p_meningioma", "p_no_tumor", "p_pituitary",
        "tumor_probability", "reason", "notes", "error_code", "error", "model", "model_version", "model_sha256",
    ]  # fmt: skip
    assert sum(float(rows[0][f"p_{c}"]) for c in ("glioma", "meningioma", "no_tumor", "pituitary")) == pytest.approx(
        1, abs=1e-3
    )


def test_bad_picture_becomes_a_row_with_its_reason_and_exit_code_1(folder: Path, tiny_models: Path) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    table = folder.parent / "out.csv"
    assert main([str(folder), "--csv", str(table), "--model", "vgg16", "--models", str(tiny_models)]) == 1
    rows = {Path(row["path"]).name: row for row in csv_rows(table)}
    assert "cut off or damaged" in rows["broken.png"]["error"]
    assert rows["broken.png"]["predicted_class"] == ""
    assert rows["a.png"]["predicted_class"] in {"tumor", "no_tumor"}


def test_folder_of_a_dicom_series_gives_one_row_with_the_number_of_its_slices(
    tmp_path: Path, tiny_models: Path
) -> None:
    study = tmp_path / "study"
    (study / "s1").mkdir(parents=True)
    for i, content in enumerate(series()):
        (study / "s1" / f"IM{i:03}").write_bytes(content)
    (study / "DICOMDIR").write_bytes(b"x")
    (study / "head.nii.gz").write_bytes(nifti(compressed=True))
    (study / "single.dcm").write_bytes(dicom(np.random.default_rng(0).integers(0, 900, (40, 30), np.int16)))
    table = tmp_path / "out.csv"
    assert main([str(study), "--csv", str(table), "--models", str(tiny_models)]) == 0
    rows = csv_rows(table)
    assert [(Path(row["path"]).name, row["n_slices"]) for row in rows] == [
        ("head.nii.gz", "22"),
        ("IM000", "22"),
        ("single.dcm", "1"),
    ]
    assert sum(float(rows[0][f"p_{c}"]) for c in ("glioma", "meningioma", "no_tumor", "pituitary")) == pytest.approx(
        1, abs=1e-3
    )
    said = ("answer", "predicted_class", "p_glioma", "tumor_probability", "slice", "first_slice", "last_slice")
    assert [rows[0][name] for name in said] == [rows[1][name] for name in said]
    assert [(row["n_files"], len(row["sha256"].split())) for row in rows] == [("1", 1), ("22", 22), ("1", 1)]


def test_slice_that_fails_in_a_series_gets_a_row_of_its_own(tmp_path: Path, tiny_models: Path) -> None:
    for i, content in enumerate(series()):
        (tmp_path / f"IM{i:03}").write_bytes(content[:-100] if i == 7 else content)
    table = tmp_path / "out.csv"
    assert main([str(tmp_path), "--csv", str(table), "--models", str(tiny_models)]) == 1
    first, second = csv_rows(table)
    assert (first["n_slices"], Path(second["path"]).name) == ("21", "IM007")
    assert "cut off" in second["error"]


def test_name_that_is_not_utf8_is_a_row_of_the_table(folder: Path, tiny_models: Path) -> None:
    (folder / "a.png").rename(folder / os.fsdecode(b"caf\xe9.png"))
    table = folder.parent / "out.csv"
    assert main([str(folder), "--csv", str(table), "--models", str(tiny_models)]) == 0
    assert [Path(row["path"]).name for row in csv_rows(table)] == [r"caf\xe9.png", "b.jpg"]


def test_path_that_does_not_exist_gives_exit_code_2(
    tmp_path: Path, tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nowhere"), "--models", str(tiny_models)]) == 2
    assert "Nothing found at" in capsys.readouterr().err


def test_unknown_model_gives_one_line_and_exit_code_2(
    folder: Path, tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--model", "resnet", "--models", str(tiny_models)]) == 2
    assert "resnet" in capsys.readouterr().err


def test_images_of_a_zip_file_have_a_row_path_and_hash_each(folder: Path, tiny_models: Path) -> None:
    images = [folder / "a.png", folder / "deeper" / "b.jpg"]
    packed, table = folder.parent / "both.zip", folder.parent / "out.csv"
    with zipfile.ZipFile(packed, "w") as archive:
        for image in images:
            archive.write(image, image.relative_to(folder))
    assert main([str(packed), "--csv", str(table), "--models", str(tiny_models)]) == 0
    rows = csv_rows(table)
    assert [row["path"] for row in rows] == [str(packed / "a.png"), str(packed / "deeper" / "b.jpg")]
    assert [row["member"] for row in rows] == ["1", "2"]
    assert [row["sha256"] for row in rows] == [hashlib.sha256(image.read_bytes()).hexdigest() for image in images]
