"""Labelled folders become images with classes and splits."""

import os
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


@pytest.mark.parametrize(
    ("spelling", "class_name"),
    [
        ("gliomas", "glioma"), ("gliome", "glioma"), ("Glioma Tumor", "glioma"), ("GliomaTumor", "glioma"),
        ("meningiomas", "meningioma"), ("Méningiome", "meningioma"), ("meningioma_tumour", "meningioma"),
        ("pituitary adenoma", "pituitary"), ("adénome hypophysaire", "pituitary"), ("hypophyse", "pituitary"),
        ("No_Tumor", "no_tumor"), ("NoTumor", "no_tumor"), ("no tumour", "no_tumor"), ("Healthy", "no_tumor"),
        ("sans tumeur", "no_tumor"), ("Sain", "no_tumor"), ("controls", "no_tumor"),
        ("Glioblastoma", "glioma"), ("Meningioma T1C+", "meningioma"), ("_NORMAL T2", "no_tumor"),
        ("Brain MRI normal", "no_tumor"), ("Tumor", None),
        ("brain", None), ("glioma_meningioma", None), ("kittens", None),
    ],
)  # fmt: skip
def test_usual_spelling_is_its_class(tmp_path: Path, spelling: str, class_name: str | None) -> None:
    write_picture(tmp_path / "pituitary" / "1.png")
    write_picture(tmp_path / spelling / "2.png")
    found = find_pictures([tmp_path], "tumor_type").pictures
    assert [p.class_name for p in found if p.path.name == "2.png"] == ([class_name] if class_name else [])


def test_tumor_beside_healthy_is_tumor_presence(tmp_path: Path) -> None:
    for name in ("Tumor", "Healthy"):
        write_picture(tmp_path / name / "1.png")
    assert find_pictures([tmp_path], "tumor_presence").counts() == {"no_tumor": 1, "tumor": 1}


def test_spelling_that_was_given_is_the_class_that_was_given_with_it(tmp_path: Path) -> None:
    for name in ("Gruppe 1", "2"):
        write_picture(tmp_path / name / "1.png")
    assert find_pictures([tmp_path], "tumor_type", ["gruppe 1=glioma", "2=pituitary"]).counts() == {
        "glioma": 1, "pituitary": 1,
    }  # fmt: skip
    with pytest.raises(DataError, match=r"SPELLING=CLASS with a class of glioma.*Received 'x=kitten'"):
        find_pictures([tmp_path], "tumor_type", ["x=kitten"])


def test_folders_around_those_of_the_classes_are_looked_into(tmp_path: Path) -> None:
    write_picture(tmp_path / "archive" / "Brain Tumor Data Set" / "Training" / "glioma" / "1.png")
    (found,) = find_pictures([tmp_path / "archive"], "tumor_type").pictures
    assert (found.class_name, found.split, found.source) == ("glioma", "training", "Brain Tumor Data Set")
    assert found.name == "archive/Brain Tumor Data Set/Training/glioma/1.png"


def test_validation_images_of_others_are_for_training(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "valid", "test")):
        write_picture(tmp_path / "data" / split / "glioma" / "1.png", i)
        write_picture(tmp_path / "turned" / "glioma" / split / "1.png", i)
    for name in ("data", "turned"):
        found = find_pictures([tmp_path / name], "tumor_type")
        assert sorted(picture.split for picture in found.pictures) == ["testing", "training", "training"]


@pytest.mark.parametrize(
    ("training", "testing"),
    [("training_set", "test_set"), ("train_data", "Test Images"), ("entraînement", "test"), ("Train", "TEST")],
)
def test_images_set_apart_for_testing_are_never_for_training(tmp_path: Path, training: str, testing: str) -> None:
    for folder in (training, testing):
        write_picture(tmp_path / "a" / "b" / "c" / folder / "glioma" / f"{folder}.png")
    found = find_pictures([tmp_path / "a"], "tumor_type").pictures
    assert {p.path.stem: p.split for p in found} == {training: "training", testing: "testing"}


def test_folder_of_the_other_task_is_reported_with_that_task(tmp_path: Path) -> None:
    for name in ("Tumor", "Healthy"):
        write_picture(tmp_path / name / "1.png")
    (problem,) = find_pictures([tmp_path], "tumor_type").problems
    assert "--task tumor_presence" in problem


def test_table_with_french_columns_is_read(tmp_path: Path) -> None:
    write_picture(tmp_path / "1.png")
    (tmp_path / "l.csv").write_text("fichier;étiquette\n1.png;gliome\n", encoding="utf-8")
    assert find_pictures([tmp_path / "l.csv"], "tumor_type").counts() == {"glioma": 1}


def test_table_of_paths_and_labels_is_read_as_folders_are(tmp_path: Path) -> None:
    for name in ("a.png", "deep/b.png", "c.png"):
        write_picture(tmp_path / "data" / name)
    table = tmp_path / "data" / "labels.csv"
    table.write_text(
        "Filename;Label;Split\na.png;Glioma;train\ndeep\\b.png;no tumour;test\nc.png;cat;\ngone.png;glioma;\n"
    )
    found = find_pictures([table], "tumor_type")
    assert [(p.name, p.class_name, p.split, p.source) for p in found.pictures] == [
        ("data/a.png", "glioma", "training", "data"), ("data/deep/b.png", "no_tumor", "testing", "data"),
    ]  # fmt: skip
    assert ["'cat' is not a class" in found.problems[0], "'gone.png'" in found.problems[1]] == [True, True]


def test_table_without_paths_or_labels_is_refused_with_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("age,sex\n1,f\n")
    with pytest.raises(DataError, match=r"a column of paths.*begins with 'age,sex'"):
        find_pictures([tmp_path / "labels.csv"], "tumor_type")


def test_unknown_folder_is_reported_with_what_is_accepted(tmp_path: Path) -> None:
    write_picture(tmp_path / "glioma" / "1.png")
    write_picture(tmp_path / "kittens" / "1.png")
    (problem,) = find_pictures([tmp_path], "tumor_type").problems
    assert all(word in problem for word in ("méningiome", "healthy", "--classes SPELLING=CLASS"))


def test_name_that_is_not_utf8_is_shown_by_the_numbers_of_its_bytes(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe4ta"))
    write_picture(folder / "glioma" / os.fsdecode(b"caf\xe9.png"))
    (found,) = find_pictures([folder], "tumor_type").pictures
    assert (found.name, found.source) == (r"d\xe4ta/glioma/caf\xe9.png", r"d\xe4ta")


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
    for i, name in enumerate(("Training/glioma", "Testing/glioma", "other/glioma")):
        write_picture(tmp_path / "data" / name / "1.png", i)
    found = find_pictures([tmp_path / "data"], "tumor_type")
    assert [picture.split for picture in found.pictures] == ["testing", "training"]
    assert [problem for problem in found.problems if problem.startswith("data/other: ")]


def test_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    for i, name in enumerate(("one", "other")):
        write_picture(tmp_path / name / "Training" / "glioma" / "1.png", i)
    with pytest.raises(DataError, match=r"1 images have the name of another, Training/glioma/1\.png"):
        find_pictures([tmp_path / "one" / "Training", tmp_path / "other" / "Training"], "tumor_type")


def test_missing_folder_and_class_without_pictures_are_clear_errors(tmp_path: Path) -> None:
    write_picture(tmp_path / "glioma" / "1.png")
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        find_pictures([tmp_path, tmp_path / "nowhere"], "tumor_type")
    with pytest.raises(DataError, match="'pituitary' has no image"):
        require_classes(find_pictures([tmp_path], "tumor_type"), ("glioma", "pituitary"))


def test_fingerprint_follows_contents_and_labels_and_not_names(tmp_path: Path) -> None:
    for top, name in (("a", "1.png"), ("b", "other.png")):
        write_picture(tmp_path / top / "glioma" / name, 7)
    write_picture(tmp_path / "c" / "pituitary" / "1.png", 7)
    a, b, c = (fingerprint(find_pictures([tmp_path / top], "tumor_type").pictures) for top in "abc")
    assert a == b
    assert a != c
