"""Whole groups are drawn into validation."""

import numpy as np

from tests.support.training import as_decoded, smooth_pictures
from training.data.copies import group
from training.data.split import draw_split


def test_groups_never_stand_on_both_sides_of_a_split() -> None:
    originals = smooth_pictures(60)
    pixels = np.concatenate([originals, originals, originals[:, :, ::-1]])
    labels = np.tile(np.arange(60) % 3, 3)
    groups = group(as_decoded(pixels))
    assert len(np.unique(groups)) == 60
    split = draw_split(labels, groups, 0.2, 1, "abc")
    assert not set(groups[split.training]) & set(groups[split.validation])
    assert sorted([*split.training, *split.validation]) == list(range(180))
    # A fifth of 60 pictures per class, in groups of three.
    assert np.bincount(labels[split.validation]).tolist() == [12, 12, 12]


def test_split_depends_on_the_seed_alone() -> None:
    labels, groups = np.arange(40) % 2, np.arange(40)
    one, same, other = (draw_split(labels, groups, 0.25, seed, "ab").validation.tolist() for seed in (1, 1, 2))
    assert one == same != other
