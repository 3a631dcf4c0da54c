"""Labelled folders become images with classes and splits."""

from pathlib import Path

import pytest

from tests.support.training import write_picture
from training.data.folders import find_pictures, fingerprint, require_classes
from training.errors import DataError


def test_folders_spelt_in_any_way_become_the_four_classes(tmp_path: Path) -> None:
    for i, name in enumerate(["Glioma_Tumor", "meningioma", "notumor", "pituitary tumor"]):
        write_picture(tmp_path / name / "1.png", i)
    found = find_pictures([tmp_path], "tumor_type")
    assert found.counts() == {"glioma": 1, "meningioma": 1, "no_tumor": 1, "pituitary": 1}
    assert found.problems == ()


def test_training_and_testing_folders_become_splits(tmp_path: Path) -> None:
    write_picture(tmp_path / "Training" / "glioma_tumor" / "1.png")
    write_picture(tmp_path / "Testing" / "glioma_tumor" / "2.png")
    found = find_pictures([tmp_path], "tumor_type")
    assert [p.path.name for p in found.of_split("training").pictures] == ["1.png"]
    assert [p.path.name for p in found.of_split("testing").pictures] == ["2.png"]


@pytest.mark.parametrize("names", [("yes", "no"), ("glioma_tumor", "no_tumor")])
def test_tumor_presence_takes_yes_and_no_and_tumor_types(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        write_picture(tmp_path / name / "1.png")
    assert find_pictures([tmp_path], "tumor_presence").counts() == {"no_tumor": 1, "tumor": 1}


def test_unknown_and_empty_folders_are_reported_and_the_rest_is_used(tmp_path: Path) -> None:
    write_picture(tmp_path / "glioma" / "1.png")
    write_picture(tmp_path / "kittens" / "1.png")
    (tmp_path / "pituitary").mkdir()
    found = find_pictures([tmp_path], "tumor_type")
    assert found.counts() == {"glioma": 1}
    assert len(found.problems) == 2
    assert "kittens" in found.problems[0]
    assert "empty" in found.problems[1]


def test_folder_beside_training_and_testing_is_reported(tmp_path: Path) -> None:
    for i, name in enumerate(("Training/glioma", "Testing/glioma", "valid/glioma")):
        write_picture(tmp_path / "data" / name / "1.png", i)
    found = find_pictures([tmp_path / "data"], "tumor_type")
    assert [picture.split for picture in found.pictures] == ["testing", "training"]
    assert [problem for problem in found.problems if problem.startswith("data/valid: ")]


def test_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    for i, name in enumerate(("one", "other")):
        write_picture(tmp_path / name / "Training" / "glioma" / "1.png", i)
    with pytest.raises(DataError, match=r"1 pictures have the name of another, Training/glioma/1\.png"):
        find_pictures([tmp_path / "one" / "Training", tmp_path / "other" / "Training"], "tumor_type")


def test_missing_folder_and_class_without_pictures_are_clear_errors(tmp_path: Path) -> None:
    write_picture(tmp_path / "glioma" / "1.png")
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        find_pictures([tmp_path, tmp_path / "nowhere"], "tumor_type")
    with pytest.raises(DataError, match="'pituitary' has no picture"):
        require_classes(find_pictures([tmp_path], "tumor_type"), ("glioma", "pituitary"))


def test_fingerprint_follows_contents_and_labels_and_not_names(tmp_path: Path) -> None:
    for top, name in (("a", "1.png"), ("b", "other.png")):
        write_picture(tmp_path / top / "glioma" / name, 7)
    write_picture(tmp_path / "c" / "pituitary" / "1.png", 7)
    a, b, c = (fingerprint(find_pictures([tmp_path / top], "tumor_type").pictures) for top in "abc")
    assert a == b
    assert a != c
