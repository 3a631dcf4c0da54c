"""Finding, grouping, splitting and changing the pictures of a training."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from model.card import CLASS_NAMES
from tests.support.training import as_decoded, smooth_pictures
from training.data.copies import (
    SAME_SLICE,
    Split,
    copies_among,
    first_copies,
    group,
    joined,
    near_duplicates,
    split_by_group,
    unknown_to,
)
from training.data.decoded import decode
from training.data.folders import DataError, find_pictures, fingerprint, require_classes
from training.feed.augmentation import Augmentation, augment
from training.feed.batches import balanced_order
from training.fit.checkpoints import Progress
from training.fit.recipes import recipe_for
from training.measure.known_picture import known_pictures
from training.measure.metrics import summarize, wilson_interval
from training.steps.train import fine_tuning_batches
from training.studies.cross_validate import by_collection_left_out, measure


def write_picture(file: Path, seed: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 40), np.uint8)).save(file)


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


def test_unreadable_picture_is_reported_and_the_others_keep_their_labels(tmp_path: Path) -> None:
    write_picture(tmp_path / "glioma" / "1.png", 1)
    (tmp_path / "glioma" / "2.png").write_bytes(b"no picture")
    write_picture(tmp_path / "no_tumor" / "3.png", 3)
    pictures = find_pictures([tmp_path], "tumor_type").pictures
    first, again = (decode(pictures, 16, tmp_path / "cache") for _ in range(2))
    assert len(first.problems) == 1
    assert "2.png" in first.problems[0]
    assert first.labels(("glioma", "no_tumor")).tolist() == [0, 1]
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.problems == again.problems


def test_fingerprint_follows_contents_and_labels_and_not_names(tmp_path: Path) -> None:
    for top, name in (("a", "1.png"), ("b", "other.png")):
        write_picture(tmp_path / top / "glioma" / name, 7)
    write_picture(tmp_path / "c" / "pituitary" / "1.png", 7)
    a, b, c = (fingerprint(find_pictures([tmp_path / top], "tumor_type").pictures) for top in "abc")
    assert a == b
    assert a != c


def reencoded(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def test_copies_reencoded_or_mirrored_are_near_duplicates_and_others_are_not() -> None:
    originals = smooth_pictures(6)
    copies = np.stack([reencoded(originals[0], 40), originals[1][:, ::-1], smooth_pictures(7)[6]])
    rows, columns = near_duplicates(copies, originals, SAME_SLICE)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (1, 1)]


def test_of_the_copies_of_a_slice_the_first_is_kept() -> None:
    originals = smooth_pictures(5)
    pixels = np.stack([*originals, reencoded(originals[3], 40), originals[1][:, ::-1]])
    every = np.arange(7)
    assert first_copies(every, 7, copies_among(as_decoded(pixels))).tolist() == [0, 1, 2, 3, 4]
    assert first_copies(every, 7, copies_among(as_decoded(pixels[::-1]))).tolist() == [0, 1, 2, 4, 6]
    assert first_copies(np.array([1, 5, 6]), 7, copies_among(as_decoded(pixels))).tolist() == [1, 5]


def test_copies_in_other_greys_are_copies_and_stand_in_one_group() -> None:
    originals = smooth_pictures(30)
    dark = (255 * (originals[4] / 255.0) ** 3).astype(np.uint8)
    decoded = as_decoded(np.stack([*originals, dark]))
    assert [pair.tolist() for pair in copies_among(decoded)] == [[4], [30]]
    groups = group(decoded)
    assert groups[4] == groups[30]
    assert len(np.unique(groups)) == 30


def test_held_out_pictures_with_a_copy_in_training_do_not_count() -> None:
    copies = (np.array([0, 2, 3]), np.array([4, 5, 6]))
    assert unknown_to(np.array([0, 1, 5]), np.array([2, 3, 4, 6]), 7, copies).tolist() == [3, 6]
    assert joined(np.array([0, 1, 2, 3, 9, 9, 9]), copies).tolist() == [0, 1, 0, 0, 0, 0, 0]


def test_groups_never_stand_on_both_sides_of_a_split() -> None:
    originals = smooth_pictures(60)
    pixels = np.concatenate([originals, originals, originals[:, :, ::-1]])
    labels = np.tile(np.arange(60) % 3, 3)
    groups = group(as_decoded(pixels))
    assert len(np.unique(groups)) == 60
    split = split_by_group(labels, groups, 0.2, seed=1)
    assert not set(groups[split.training]) & set(groups[split.validation])
    assert sorted([*split.training, *split.validation]) == list(range(180))
    # A fifth of 60 pictures per class, in groups of three.
    assert np.bincount(labels[split.validation]).tolist() == [12, 12, 12]


def test_split_depends_on_the_seed_alone() -> None:
    labels, groups = np.arange(40) % 2, np.arange(40)
    one, same, other = (split_by_group(labels, groups, 0.25, seed).validation.tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_balanced_order_shows_a_rare_class_as_often_as_a_frequent_one() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    order = balanced_order(labels, np.random.default_rng(0))
    assert np.bincount(labels[order]).tolist() == [50, 50]
    assert np.bincount(order[order >= 90])[90:].tolist() == [5] * 10


def test_augmentation_changes_the_picture_reproducibly_and_leaves_its_argument() -> None:
    picture = known_pictures()[1]
    before = picture.copy()
    one, same, other = (augment(picture, Augmentation(), np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).mean() > 1
    assert one.dtype == np.float32
    assert one.shape == picture.shape
    assert one.min() >= 0
    assert one.max() <= 255
    np.testing.assert_array_equal(picture, before)


def test_metrics_of_a_small_example_counted_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]], np.float32)
    metrics = summarize(labels, probabilities, ("a", "b"))
    assert metrics["n_correct"] == 5
    assert metrics["per_class"]["a"]["recall"] == 0.75
    assert metrics["per_class"]["b"]["precision"] == pytest.approx(2 / 3)
    assert metrics["balanced_accuracy"] == 0.875
    assert metrics["confusion_matrix"] == [[3, 1], [0, 2]]
    assert metrics["per_class"]["b"]["auroc"] == 1.0


def test_wilson_interval_agrees_with_the_published_example() -> None:
    # Newcombe 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<857, table I: 81 of 263 gives 0.2553 to 0.3662.
    assert wilson_interval(81, 263) == pytest.approx([0.2553, 0.3662], abs=5e-5)
    assert wilson_interval(0, 0) is None


def test_class_without_pictures_has_no_recall_and_does_not_count() -> None:
    metrics = summarize(np.array([0, 0]), np.array([[0.9, 0.1], [0.6, 0.4]], np.float32), ("a", "b"))
    assert metrics["per_class"]["b"]["recall"] is None
    assert metrics["balanced_accuracy"] == 1.0


def test_collection_that_is_left_out_takes_its_groups_along() -> None:
    labels = np.tile(np.repeat([0, 1], 60), 3)
    collections = np.repeat(["a", "b", "c"], 120)
    groups = np.arange(360)
    # A copy of a picture of `a` in `b`, and one of `b` in `c`.
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
    figures = measure(labels, probabilities, collections, np.arange(4), CLASS_NAMES["tumor_type"])["by_collection"]
    assert set(figures) == {"series", "series, kind of tumor alone", "healthy"}
    assert figures["series"]["n_correct"] == 1
    assert figures["series, kind of tumor alone"]["n_correct"] == 2
    assert set(figures["series, kind of tumor alone"]["per_class"]) == {"glioma", "meningioma", "pituitary"}


def test_run_that_goes_on_draws_pictures_that_no_run_before_it_has_drawn(tmp_path: Path) -> None:
    first = {"recipe": {"fine_tune_epochs": 3}, "start": None}
    second = {"recipe": {"fine_tune_epochs": 2}, "start": {"sha256": "0", "config": first}}
    (tmp_path / "config.json").write_text(json.dumps(second))
    for i, name in enumerate(["yes", "no"] * 4):
        write_picture(tmp_path / "data" / name / f"{i}.png", i)
    decoded = decode(find_pictures([tmp_path / "data"], "tumor_presence").pictures, 64)
    labels = decoded.labels(CLASS_NAMES["tumor_presence"])
    split = Split(np.arange(8), np.arange(0))
    recipe = recipe_for("vgg16", None, quick=True)

    def drawn(start: Path | None, finished_epochs: int) -> np.ndarray:
        request = SimpleNamespace(recipe=recipe, start=start, seed=0)
        material = SimpleNamespace(decoded=decoded, labels=labels, split=split)
        return fine_tuning_batches(request, material, None, Progress(finished_epochs=finished_epochs))[0][0]

    assert not np.array_equal(drawn(tmp_path, 0), drawn(None, 0))
    # It draws what one long run would have drawn, also after it was killed.
    assert np.array_equal(drawn(tmp_path, 0), drawn(None, 5))
    assert np.array_equal(drawn(tmp_path, 1), drawn(None, 6))
