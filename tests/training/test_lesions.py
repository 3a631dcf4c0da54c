"""Lesions pasted, healthy patches pasted, lesions covered, boxes that follow: what training is fed with."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.network.features import FeatureGrid
from training.feed.alike_views import AlikeViews
from training.feed.augmentation import Augmentation, augment, match_levels, strip_skull
from training.feed.lesions import (
    CENTRE,
    OWN_PLACE,
    Synthesis,
    cover_lesion,
    paste_healthy,
    paste_lesion,
    replace_lesion,
)
from training.feed.mixing import LabelledPictures, MixedPictures, box_mask
from training.steps.blend import choose_share

SIZE = 80
GRID = FeatureGrid(4.0, 8, SIZE, 10)


def brain(level: int = 110, seed: int = 0) -> NDArray[np.uint8]:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    noise = np.random.default_rng(seed).normal(0, 3, (SIZE, SIZE))
    return np.where(np.hypot(x, y) < 0.95, level + noise, 0).astype(np.uint8)


def with_lesion() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A brain with a bright disc in its left upper quarter, and the disc's box."""
    picture = brain()
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    picture[np.hypot(y - 30, x - 24) < 7] = 220
    return picture, np.array([23, 37, 17, 31], np.float32) / SIZE


@pytest.mark.parametrize("seed", range(8))
def test_pasted_lesion_is_inside_its_new_box_and_the_rest_stays(seed: int) -> None:
    donor, box = with_lesion()
    target = brain(90, seed=5)
    before = target.copy()
    pasted, new_box = paste_lesion(target, donor, box, OWN_PLACE, Synthesis(), np.random.default_rng(seed))
    np.testing.assert_array_equal(target, before)
    changed = np.abs(pasted - target) > 25
    rows, columns = np.nonzero(changed)
    top, bottom, left, right = new_box * SIZE
    assert changed.any()
    centre = rows.mean(), columns.mean()
    assert top <= centre[0] <= bottom
    assert left <= centre[1] <= right
    far = np.ones_like(changed)
    far[max(int(top) - 14, 0) : int(bottom) + 14, max(int(left) - 14, 0) : int(right) + 14] = False
    np.testing.assert_allclose(pasted[far], target[far], atol=1)


def test_pituitary_lesion_goes_near_the_centre() -> None:
    donor, box = with_lesion()
    for seed in range(10):
        _, new_box = paste_lesion(brain(), donor, box, CENTRE, Synthesis(), np.random.default_rng(seed))
        assert abs((new_box[2] + new_box[3]) / 2 - 0.5) < 0.15


def test_covered_lesion_is_gone_and_a_central_one_is_not_covered() -> None:
    picture, box = with_lesion()
    covered = cover_lesion(picture, box, Synthesis(), np.random.default_rng(0))
    assert covered is not None
    assert covered[24:36, 18:30].max() < 150
    central = np.array([0.4, 0.6, 0.42, 0.58], np.float32)
    assert cover_lesion(picture, central, Synthesis(), np.random.default_rng(0)) is None


@pytest.mark.parametrize("off_centre", np.arange(0.14, 0.3, 0.01))
def test_cover_that_crosses_the_middle_brings_nothing_of_the_lesion_to_the_other_side(off_centre: float) -> None:
    settings = Synthesis(cover_largest_area=1.0, cover_symmetry=-1.0)
    n_covered = 0
    for half_width in np.arange(0.06, off_centre - 0.04, 0.01):
        picture = brain()
        left, right = 0.5 - off_centre - half_width, 0.5 - off_centre + half_width
        picture[32:48, round(left * SIZE) : round(right * SIZE)] = 220
        box = np.array([0.4, 0.6, left, right], np.float32)
        for seed in range(5):
            covered = cover_lesion(picture, box, settings, np.random.default_rng(seed))
            if covered is not None:
                n_covered += 1
                assert covered[:, SIZE // 2 :].max() < 128
    assert n_covered


def test_healthy_patch_changes_a_place_and_stays_healthy() -> None:
    _, box = with_lesion()
    patched = paste_healthy(brain(100), brain(100, seed=3), box, Synthesis(), np.random.default_rng(0))
    changed = np.abs(patched - brain(100))
    assert changed.max() > 1
    # The opposite corner is out of its reach.
    assert changed[50:, 50:].max() == 0


@pytest.mark.parametrize("seed", range(12))
def test_box_follows_the_lesion_through_mirror_rotation_and_scale(seed: int) -> None:
    picture, box = with_lesion()
    shapes_only = Augmentation(
        tone_curve_share=0, gamma=1, contrast=0, brightness=0, bias_field=0, blur_probability=0,
        sharpen_probability=0, noise_probability=0, low_resolution_probability=0, erase_probability=0,
    )  # fmt: skip
    moved, new_box = augment(picture, shapes_only, np.random.default_rng(seed), box=box)
    rows, columns = np.nonzero(moved > 180)
    top, bottom, left, right = new_box * SIZE
    assert top - 1 <= rows.min()
    assert rows.max() <= bottom + 1
    assert left - 1 <= columns.min()
    assert columns.max() <= right + 1


def test_more_pictures_without_tumor_are_drawn_when_asked_for() -> None:
    drawn = sum(mixed(no_tumor_share=0.6)[i][1]["probabilities"] for i in range(5)).sum(axis=0)
    assert drawn.tolist() == pytest.approx([6, 18, 6], abs=1)


def test_stripped_skull_is_black_and_the_brain_stays() -> None:
    head = brain(100).astype(np.float32)
    stripped = strip_skull(head, 0.1)
    assert stripped[40, 5] == 0 < head[40, 5]
    assert stripped[40, 40] == head[40, 40]


def test_borrowed_levels_give_the_partners_histogram_and_keep_air_black() -> None:
    bright = match_levels(brain(60).astype(np.float32), brain(200))
    assert abs(np.median(bright[bright > 50]) - 200) < 5
    assert bright[0, 0] == 0


def test_mask_covers_the_places_of_the_box_and_at_least_one() -> None:
    mask = box_mask(np.array([0.0, 0.2, 0.0, 0.1], np.float32), GRID)
    assert mask[:2, 0].tolist() == [1, 1]
    assert mask.sum() == 2
    tiny = box_mask(np.array([0.5, 0.501, 0.5, 0.501], np.float32), GRID)
    assert tiny.max() == 1
    assert (box_mask(np.full(4, np.nan, np.float32), GRID) == 1).all()


def mixed(seed: int = 1, first_epoch: int = 0, no_tumor_share: float | None = None) -> MixedPictures:
    picture, box = with_lesion()
    pictures = LabelledPictures(
        pixels=np.stack([picture, brain(80, 1), brain(120, 2), picture]), labels=np.array([0, 1, 1, 2]),
        origins=np.array([0, 1, 1, 0]), boxes=np.stack([box, np.full(4, np.nan), np.full(4, np.nan), box]).astype("f4"),
        placements=np.array([OWN_PLACE] * 4), healthy=1,
    )  # fmt: skip
    return MixedPictures(pictures, Augmentation(), Synthesis(), GRID, 3, 6, 30, seed, first_epoch, no_tumor_share)


def test_batches_show_every_class_equally_and_are_drawn_anew_and_reproducibly() -> None:
    one, same = mixed(), mixed()
    pictures, targets = one[0]
    np.testing.assert_array_equal(pictures, same[0][0])
    drawn = sum(one[i][1]["probabilities"] for i in range(5)).sum(axis=0)
    assert drawn.tolist() == pytest.approx([10, 10, 10], abs=1)
    assert targets["maps"].shape == (6, 10, 10, 3)
    one.on_epoch_end()
    assert np.abs(one[0][0] - pictures).max() > 1
    np.testing.assert_array_equal(one[0][0], mixed(first_epoch=1)[0][0])
    assert np.isfinite(pictures).all()


def test_lesion_is_covered_from_a_head_of_the_same_view_whose_own_lesion_is_elsewhere() -> None:
    random = np.random.default_rng(3)
    view, other_view = (random.uniform(0, 255, (20, 20)).repeat(3, 0).repeat(3, 1) for _ in range(2))
    pixels = np.stack([view, view, view, other_view]).astype(np.uint8)
    lesion, elsewhere = [0.4, 0.6, 0.3, 0.5], [0.1, 0.2, 0.7, 0.9]
    boxes = np.array([lesion, lesion, elsewhere, elsewhere], np.float32)
    pixels[:2, 24:36, 18:30] = 255
    alike = AlikeViews(pixels, boxes, np.zeros(4, bool))
    assert {alike.draw(pixels[0], boxes[0], random) for _ in range(20)} == {(2, False)}
    covered = replace_lesion(pixels[0], boxes[0], pixels[2], Synthesis(), random)
    assert np.abs(covered[24:36, 18:30] - pixels[2, 24:36, 18:30]).mean() < 40
    np.testing.assert_allclose(covered[:12], pixels[0, :12])


@pytest.mark.parametrize("size", [60, 96, 128, 160, 208, 224])
def test_head_of_the_same_view_is_found_mirrored_at_every_size_of_input(size: int) -> None:
    random = np.random.default_rng(5)
    shapes = random.uniform(0, 255, (3, 12, 12)).astype(np.uint8)
    views = np.stack([np.asarray(Image.fromarray(view).resize((size, size))) for view in shapes])
    lesion = np.array([0.4, 0.6, 0.3, 0.5], np.float32)
    pixels = np.stack([views[0], views[1], views[0][:, ::-1], views[2]])
    boxes = np.full((4, 4), np.nan, np.float32)
    boxes[0] = lesion
    alike = AlikeViews(pixels, boxes, np.array([False, True, True, True]))
    assert alike.draw(pixels[0], lesion, random) == (2, True)


def test_lesion_is_not_covered_from_another_head_where_none_shows_the_same_view() -> None:
    random = np.random.default_rng(4)
    pixels = random.integers(0, 255, (3, 60, 60), np.uint8)
    alike = AlikeViews(pixels, np.full((3, 4), np.nan, np.float32), np.array([False, True, True]))
    assert alike.draw(pixels[0], np.array([0.4, 0.6, 0.3, 0.5], np.float32), random) is None


def test_largest_share_that_costs_no_more_than_a_point_is_chosen() -> None:
    accuracies = {0.0: 0.968, 0.5: 0.975, 0.7: 0.966, 0.8: 0.964, 1.0: 0.93}
    assert choose_share([{"share": share, "accuracy": accuracy} for share, accuracy in accuracies.items()]) == 0.7
