"""Which slices of a volume show enough of a head to be classified."""

from dataclasses import replace

import numpy as np

from model.reading.contents import MriVolume


def volume(slices: np.ndarray) -> MriVolume:
    return MriVolume(slices.astype(np.uint8), "axial", 1.0, "NIfTI")


def discs(*radii_px: float) -> MriVolume:
    """A volume of bright discs, one per radius, 0 for an empty slice, with a gradient inside."""
    y, x = np.mgrid[-32:32, -32:32]
    return volume(np.array([np.where(x**2 + y**2 < r**2, 150 + 2 * x, 0) for r in radii_px]))


def test_slice_is_a_picture_without_notes() -> None:
    image = discs(10, 20).image(1)
    assert (image.format, image.notes, image.pixels.shape) == ("NIfTI", (), (64, 64))


def test_slices_with_two_fifths_of_the_largest_head_are_classified() -> None:
    assert discs(0, 5, 18, 28, 30, 28, 20, 3, 0).brain_slices().tolist() == [3, 4, 5, 6]


def test_neck_and_skull_base_are_not_classified_where_their_place_is_known() -> None:
    head = discs(*[25] * 100, *[30] * 100, 5)
    assert head.brain_slices().tolist() == [*range(89, 200)]
    for other in (replace(head, plane="coronal"), replace(head, spacing_mm=float("nan"))):
        assert other.brain_slices().tolist() == [*range(200)]


def test_noise_beside_the_head_is_no_head() -> None:
    noise = np.random.default_rng(0).integers(0, 12, (2, 64, 64))
    assert volume(np.concatenate([noise, discs(28, 30).slices])).brain_slices().tolist() == [2, 3]


def test_slices_without_contrast_are_never_classified() -> None:
    flat = np.full((1, 64, 64), 200)
    assert volume(np.concatenate([flat, discs(28).slices])).brain_slices().tolist() == [1]


def test_any_slice_with_contrast_leaves_one_to_classify() -> None:
    assert discs(0, 0, 3, 0).brain_slices().tolist() == [2]
    assert volume(np.zeros((3, 64, 64))).brain_slices().tolist() == []
    assert volume(np.full((3, 64, 64), 9)).brain_slices().tolist() == []


def test_brain_slices_are_int64_indices() -> None:
    assert discs(20, 30).brain_slices().dtype == np.int64
