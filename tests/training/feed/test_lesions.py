"""Lesions are pasted and covered."""

import numpy as np
import pytest
from PIL import Image

from tests.support.drawn_heads import SIZE, brain, with_lesion
from training.feed.lesions import cover_lesion, paste_control, paste_lesion
from training.recipes import Synthesis


@pytest.mark.parametrize("seed", range(12))
def test_pasted_lesion_can_be_seen_within_its_new_outline_and_the_rest_stays(seed: int) -> None:
    donor, outline = with_lesion()
    target = brain(90, seed=5)
    before = target.copy()
    settings = Synthesis(oedema_probability=0)
    made = paste_lesion(target, donor, outline, settings, np.random.default_rng(seed))
    np.testing.assert_array_equal(target, before)
    assert made is not None
    pasted, new_outline = made
    changed = np.abs(pasted - target)
    assert changed[new_outline > 0.5].mean() >= settings.least_visible
    near = np.asarray(Image.fromarray(new_outline).resize((SIZE // 8, SIZE // 8), Image.Resampling.BOX)) > 0
    far = ~near.repeat(8, 0).repeat(8, 1)
    assert changed[far].mean() < 1


def test_lesions_are_pasted_brighter_and_darker_than_what_is_around_them() -> None:
    donor, outline = with_lesion()
    host, darker, n = brain(110, seed=5), 0, 0
    for seed in range(40):
        made = paste_lesion(host, donor, outline, Synthesis(), np.random.default_rng(seed))
        if made:
            n += 1
            darker += (made[0] - host)[made[1] > 0.5].mean() < 0
    assert 0.1 * n < darker < 0.7 * n


def test_lesion_is_not_pasted_where_there_is_no_head() -> None:
    donor, outline = with_lesion()
    nothing = np.zeros((SIZE, SIZE), np.uint8)
    assert paste_lesion(nothing, donor, outline, Synthesis(), np.random.default_rng(0)) is None


def test_covered_lesion_is_gone_and_the_rest_stays() -> None:
    picture, outline = with_lesion()
    covered = cover_lesion(picture, outline, brain(150, 4), Synthesis(), np.random.default_rng(0))
    assert covered[24:36, 18:30].max() < 150
    np.testing.assert_allclose(covered[50:, 50:], picture[50:, 50:], atol=1)


def test_control_patch_changes_the_head_at_one_place_and_leaves_no_lesion() -> None:
    _, outline = with_lesion()
    patched = paste_control(brain(100), brain(100, seed=3), outline, Synthesis(), np.random.default_rng(0))
    changed = np.abs(patched - brain(100))
    assert changed.max() > 1
    assert changed.mean() < 3
    assert changed[50:, 50:].max() == 0
