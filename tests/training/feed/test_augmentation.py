"""Images are changed at random."""

import numpy as np
import pytest

from tests.support.drawn_heads import WITH_LESION, brain, with_lesion
from training.feed.augmentation import augment, match_levels, strip_skull
from training.recipes import Augmentation


def test_augmentation_changes_the_picture_reproducibly_and_leaves_its_argument() -> None:
    picture = WITH_LESION
    before = picture.copy()
    one, same, other = (augment(picture, Augmentation(), np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).mean() > 1
    assert one.dtype == np.float32
    assert one.shape == picture.shape
    assert one.min() >= 0
    assert one.max() <= 255
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("seed", range(12))
def test_outline_follows_the_lesion_through_mirror_rotation_scale_and_crop(seed: int) -> None:
    picture, outline = with_lesion()
    shapes_only = Augmentation(
        tone_curve_share=0, gamma=1, contrast=0, brightness=0, bias_field=0, blur_probability=0,
        sharpen_probability=0, noise_probability=0, low_resolution_probability=0, erase_probability=0,
        crop_probability=0.5,
    )  # fmt: skip
    moved, new_outline = augment(picture, shapes_only, np.random.default_rng(seed), outline=outline)
    assert new_outline is not None
    lesion, found = new_outline > 0.5, moved > 165
    assert (lesion & found).sum() > 0.85 * (lesion | found).sum()


def test_stripped_skull_is_black_and_the_brain_stays() -> None:
    head = brain(100).astype(np.float32)
    stripped = strip_skull(head, 0.1)
    assert stripped[40, 5] == 0 < head[40, 5]
    assert stripped[40, 40] == head[40, 40]


def test_borrowed_levels_give_the_partners_histogram_and_keep_air_black() -> None:
    bright = match_levels(brain(60).astype(np.float32), brain(200))
    assert abs(np.median(bright[bright > 50]) - 200) < 5
    assert bright[0, 0] == 0
