"""Random contrasts keep air black and shapes visible."""

import numpy as np
import pytest

from tests.support.drawn_heads import with_lesion
from training.feed.augmentation import augment
from training.feed.contrast import change_contrast
from training.recipes import Augmentation, Contrast


@pytest.mark.parametrize(
    "contrast",
    [Contrast(shallow_network=1), Contrast(tone_curve=1), Contrast(inverted=1), Contrast(thick=1), Contrast(ghost=1)],
)
def test_other_contrast_keeps_air_black_and_the_lesion_apart(contrast: Contrast) -> None:
    picture, outline = with_lesion()
    quiet = Augmentation(
        mirror_probability=0, rotation_degrees=0, scale=0, shift_share=0, tone_curve_share=0, gamma=1, contrast=0,
        brightness=0, bias_field=0, blur_probability=0, sharpen_probability=0, noise_probability=0,
        low_resolution_probability=0, erase_probability=0, another_contrast=contrast,
    )  # fmt: skip
    apart = []
    for seed in range(8):
        changed, _ = augment(picture, quiet, np.random.default_rng(seed))
        assert np.isfinite(changed).all()
        assert changed[0, 0] == pytest.approx(0, abs=1)
        around = changed[40:44, 30:50].mean()
        apart.append(abs(changed[outline > 0].mean() - around))
    assert np.median(apart) > 25
    assert contrast.ghost or contrast.thick or np.abs(changed - picture)[20:60, 20:60].mean() > 5


@pytest.mark.parametrize("contrast", [Contrast(shallow_network=1), Contrast(tone_curve=1), Contrast(inverted=1)])
def test_grey_levels_of_another_contrast_stay_in_range_whatever_changes_them_next(contrast: Contrast) -> None:
    picture, _ = with_lesion()
    for seed in range(12):
        changed, _ = augment(picture, Augmentation(another_contrast=contrast), np.random.default_rng(seed))
        assert np.isfinite(changed).all()


@pytest.mark.parametrize("contrast", [Contrast(shallow_network=1), Contrast(tone_curve=1), Contrast(inverted=1)])
def test_no_contrast_leaves_a_head_of_one_grey(contrast: Contrast) -> None:
    y, x = np.mgrid[0:80, 0:80]
    head = np.where(np.hypot(y - 40, x - 40) < 36, 110 + 60 * np.sin(x / 5) * np.cos(y / 4), 0).astype(np.float32)
    spreads = [change_contrast(head, contrast, np.random.default_rng(seed))[20:60, 20:60].std() for seed in range(40)]
    assert min(spreads) > 10
