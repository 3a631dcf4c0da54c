"""Lesions are pasted and covered."""

import numpy as np
import pytest

from tests.support.drawn_heads import SIZE, brain, with_lesion
from training.feed.lesions import CENTRE, OWN_PLACE, Synthesis, cover_lesion, paste_healthy, paste_lesion


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
