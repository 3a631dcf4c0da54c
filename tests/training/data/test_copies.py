"""Copies are found, and images that must stay together are grouped."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.training import as_decoded, smooth_pictures, write
from training.data.copies import (
    LEFT_OUT,
    SAME_SLICE,
    copies_among,
    copies_of,
    first_copies,
    group,
    joined,
    likeness,
    near_duplicates,
    unknown_to,
)
from training.data.decoded import decode
from training.data.folders import find_pictures
from training.data.image_table import ImageFacts


def reencoded(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def changed(pixels: np.ndarray, share: float) -> np.ndarray:
    """Mix this share of another image, scaled to the same strength, into one."""
    image, other = pixels.astype(np.float32), smooth_pictures(3)[2].astype(np.float32)
    mixed = image + share * image.std() / other.std() * (other - other.mean())
    return np.clip(mixed * 0.7 + 20, 0, 255).astype(np.uint8)


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


def test_copies_are_told_from_pictures_that_differ(collections: Path) -> None:
    first, second = (
        decode(find_pictures([collections / name], "tumor_type").pictures, 80) for name in ("first", "second")
    )
    copies = copies_of(second, first)
    names = {p.path.name for p, copied in zip(second.pictures, copies, strict=True) if copied}
    assert names == {"mirrored.jpg", "copy.png"}


@pytest.mark.parametrize(("change", "is_copy"), [(0.2, True), (0.365, False)])
def test_image_of_the_same_slice_is_a_copy_and_one_as_alike_as_its_neighbour_is_not(
    change: float, is_copy: bool
) -> None:
    # Similarities of about 0.98 and 0.94: neither is identical to the pixel.
    one, other = smooth_pictures(2)
    assert copies_of(as_decoded(changed(one, change)[None]), as_decoded(np.stack([one, other]))).tolist() == [is_copy]


def test_whole_images_must_be_more_alike_than_heads_to_be_copies() -> None:
    # Rows of length 1 whose product is 0.97: black margins make that of different patients.
    one, other = np.eye(1024, dtype=np.float32)[:2]
    nearly = 0.97 * one + np.float32(np.sqrt(1 - 0.97**2)) * other
    nothing = np.zeros(1024, np.float32)
    heads, wholes = ([one, one, nothing, nothing], [nothing, nothing, one, one])
    for rows, like, is_copy in ((heads, [nearly, nearly, nothing, nothing], True),
                                (wholes, [nothing, nothing, nearly, nearly], False)):  # fmt: skip
        ((found,),) = likeness(np.stack(rows)[:, None], np.stack(like)[:, None])
        assert (found > LEFT_OUT) == is_copy


def test_groups_do_not_depend_on_the_input_size_of_the_network(tmp_path: Path) -> None:
    # Pairs of images with a similarity near the threshold: fine grain decides the side.
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


def test_images_of_a_named_patient_hang_together_and_likeness_alone_does_not_join_patients() -> None:
    one, other = smooth_pictures(2)
    # As similar as neighbouring slices: above SAME_GROUP, below a copy.
    decoded = as_decoded(np.stack([one, changed(one, 0.365), other]))
    facts = [ImageFacts(patient, "ax", "t1", None) for patient in ("s/a", "s/b", "s/a")]
    by_likeness, by_name = group(decoded), group(decoded, facts=facts)
    assert by_likeness[0] == by_likeness[1] != by_likeness[2]
    assert by_name[0] == by_name[2] != by_name[1]
