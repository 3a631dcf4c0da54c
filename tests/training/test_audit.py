"""The audit, run as a user runs it, on drawn pictures with known copies, and the training that takes its groups."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.support.samples import SAMPLES, TOP
from tests.support.training import as_decoded, run_step, smooth_pictures
from training.data.audit_result import read_audit
from training.data.boxes import boxes_in_input, boxes_of, lesions_of, read_boxes
from training.data.copies import copies_of, group
from training.data.decoded import decode
from training.data.folders import DataError, find_pictures
from training.steps.audit import audit
from training.studies.dissect import background_only, lesion_only


def write(file: Path, picture: Image.Image, **settings: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, **settings)


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    """Two collections: the second holds a mirrored JPEG, a brighter small copy under another label, and new ones."""
    pictures = [Image.fromarray(p).resize((120, 120)) for p in smooth_pictures(12)]
    for i, picture in enumerate(pictures[:8]):
        write(tmp_path / "first" / "Training" / ("glioma" if i % 2 else "no_tumor") / f"{i}.png", picture)
    second = tmp_path / "second"
    write(second / "no_tumor" / "mirrored.jpg", ImageOps.mirror(pictures[0]), quality=50)
    write(second / "meningioma" / "copy.png", pictures[1].resize((64, 64)).point(lambda v: int(255 * (v / 255) ** 0.7)))
    for i, picture in enumerate(pictures[8:]):
        write(second / "pituitary" / f"{i}.png", picture)
    (second / "pituitary" / "broken.png").write_bytes(b"broken")
    return tmp_path


def test_audit_finds_copies_conflicts_and_broken_files(collections: Path) -> None:
    out = collections / "audit"
    step = run_step("audit", "--data", collections / "first", collections / "second", "--out", out,
                    "--cache", collections / "cache")  # fmt: skip
    assert step.returncode == 0, step.stderr
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


def test_pairs_that_only_the_network_found_part_and_group_as_well(collections: Path) -> None:
    out = collections / "audit"
    step = run_step("audit", "--data", collections / "first", collections / "second", "--out", out,
                    "--cache", collections / "cache")  # fmt: skip
    assert step.returncode == 0, step.stderr
    with (out / "pairs.csv").open("a") as table:
        table.write("first/Training/glioma/3.png,second/pituitary/0.png,glioma,pituitary,0.9700,0,network\n")
    audited = read_audit(out)
    # Other names than the audit's: only the contents count.
    first, second = (
        find_pictures([collections / name], "tumor_type").pictures for name in ("first/Training", "second")
    )
    readable = [p for p in second if p.path.name != "broken.png"]
    assert {p.path.name for p, copied in zip(first, audited.copies_of(first, readable), strict=True) if copied} == {
        "3.png"
    }
    decoded = decode([*first, *readable], 80)
    places = {(p.class_name, p.path.name): i for i, p in enumerate(decoded.pictures)}
    pair = places["glioma", "3.png"], places["pituitary", "0.png"]
    apart, together = group(decoded), group(decoded, links=audited.links(decoded.pictures))
    assert apart[pair[0]] != apart[pair[1]]
    assert together[pair[0]] == together[pair[1]]
    assert together.max() == apart.max() - 1


def test_audit_of_other_pictures_is_a_clear_error(collections: Path) -> None:
    out = collections / "audit"
    step = run_step("audit", "--data", collections / "first", "--out", out, "--cache", collections / "cache")
    assert step.returncode == 0, step.stderr
    with pytest.raises(DataError, match="--model"):
        read_audit(out)
    with (out / "pairs.csv").open("a") as table:
        table.write("first/Training/glioma/3.png,first/Training/no_tumor/0.png,glioma,no_tumor,0.9700,0,network\n")
    others = find_pictures([collections / "second"], "tumor_type").pictures
    with pytest.raises(DataError, match="second/meningioma/copy"):
        read_audit(out).links(others)
    with pytest.raises(DataError, match="nowhere"):
        read_audit(collections / "nowhere")


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
    # The picture that was encoded again, which thumbnails find too.
    assert (found["pairs"], found["missed_by_thumbnails"]) == (1, 0)
    assert found["recall"]["jpeg_quality_35"] == 1


def test_copies_are_told_from_pictures_that_differ(collections: Path) -> None:
    first, second = (
        decode(find_pictures([collections / name], "tumor_type").pictures, 80) for name in ("first", "second")
    )
    copies = copies_of(second, first)
    names = {p.path.name for p, copied in zip(second.pictures, copies, strict=True) if copied}
    assert names == {"mirrored.jpg", "copy.png"}


def test_groups_do_not_depend_on_the_input_size_of_the_network(tmp_path: Path) -> None:
    # Pictures about as much alike as the bound between two groups, which fine grain tips to one side or the other.
    random, base = (
        np.random.default_rng(0),
        np.asarray(Image.fromarray(smooth_pictures(1)[0]).resize((150, 150)), float),
    )
    for i in range(30):
        grain = random.normal(0, 1, (38, 38)).repeat(4, 0).repeat(4, 1)[:150, :150]
        grainy = np.clip(base + 30 * grain, 1, 255).astype(np.uint8)
        write(tmp_path / "data" / "glioma" / f"{i}.png", Image.fromarray(grainy))
    pictures = find_pictures([tmp_path / "data"], "tumor_type").pictures
    small, usual, large = (decode(pictures, size) for size in (80, 160, 208))
    assert len({str(group(as_decoded(d.pixels))) for d in (small, usual, large)}) > 1
    assert len({str(group(d)) for d in (small, usual, large)}) == 1
    assert [d.pixels.shape[1] for d in (small, usual, large)] == [80, 160, 208]
    kept, again = decode(pictures, 208, tmp_path / "cache"), decode(pictures, 208, tmp_path / "cache")
    assert np.array_equal(kept.heads, again.heads)
    assert np.array_equal(again.subset(np.array([3, 5])).heads, large.heads[[3, 5]])


def test_neighbours_in_a_series_share_a_group_and_far_slices_do_not() -> None:
    pixels = smooth_pictures(80)
    groups = group(as_decoded(pixels), np.arange(80))
    sizes = np.bincount(groups)
    assert 3 <= len(sizes) <= 7
    assert sizes.max() <= 30
    assert groups[0] == groups[1]
    assert groups[0] != groups[79]
    assert len(np.unique(group(as_decoded(pixels)))) == 80


def test_boxes_follow_the_crop_to_the_head(tmp_path: Path) -> None:
    # A bright head in the right lower part of a black picture; the lesion fills the head's left upper quarter.
    picture = np.zeros((100, 200), np.uint8)
    picture[40:80, 120:160] = np.random.default_rng(0).integers(100, 200, (40, 40))
    file = tmp_path / "set" / "glioma" / "1.png"
    write(file, Image.fromarray(picture))
    table = tmp_path / "boxes.csv"
    table.write_text(
        "path,figshare_class,figshare_slice,x_center,y_center,width,height\n"
        "set/glioma/1.png,glioma,7,0.65,0.5,0.1,0.2\n"
    )
    decoded = decode(find_pictures([tmp_path / "set"], "tumor_type").pictures, 80)
    lesions = lesions_of(decoded.pictures, read_boxes(table))
    assert lesions[0] is not None
    assert lesions[0].slice_number == 7
    np.testing.assert_allclose(boxes_in_input(decoded, lesions), [[0, 0.5, 0, 0.5]], atol=0.03)


def test_table_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="figshare_slice"):
        read_boxes(tmp_path / "boxes.csv")


def test_table_of_other_pictures_is_a_clear_error(collections: Path, tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text(
        "path,figshare_class,figshare_slice,x_center,y_center,width,height\nelsewhere/1.png,glioma,1,0,0,1,1\n"
    )
    pictures = find_pictures([collections / "first"], "tumor_type").pictures
    with pytest.raises(DataError, match="leave --boxes away"):
        boxes_of(table, pictures)
    assert boxes_of(None, pictures) == {}


def test_folders_of_two_classes_are_audited_too(tmp_path: Path) -> None:
    for i, name in enumerate(("yes", "no")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for j in range(3):
            picture = np.random.default_rng(10 * i + j).integers(0, 255, (12, 12), np.uint8)
            Image.fromarray(picture).resize((96, 96)).save(tmp_path / "data" / name / f"{j}.png")
    figures = audit([tmp_path / "data"], None, None, tmp_path / "out", None, "tumor_presence")
    assert figures["by_folder"] == {"data/unsplit/no_tumor": 3, "data/unsplit/tumor": 3}


def test_dissected_pictures_show_the_lesion_alone_and_everything_else_alone() -> None:
    picture = np.full((80, 80), 90, np.uint8)
    picture[20:40, 20:40] = 220
    mask = np.zeros((80, 80), np.float32)
    mask[18:42, 18:42] = 1
    lesion, background = lesion_only(picture, mask), background_only(picture, mask)
    assert lesion[30, 30] == 220
    assert lesion[60, 60] == 90
    assert abs(int(background[30, 30]) - 90) < 5
    assert background[60, 60] == 90
