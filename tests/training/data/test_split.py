"""Whole groups are drawn for validation."""

from pathlib import Path

import numpy as np

from tests.support.training import as_decoded, smooth_pictures
from training.data.copies import group
from training.data.folders import Picture
from training.data.split import Row, Split, SplitTable, draw_split


def test_groups_never_stand_on_both_sides_of_a_split() -> None:
    originals = smooth_pictures(60)
    pixels = np.concatenate([originals, originals, originals[:, :, ::-1]])
    labels = np.tile(np.arange(60) % 3, 3)
    groups = group(as_decoded(pixels))
    assert len(np.unique(groups)) == 60
    split = draw_split(labels, groups, 0.2, 1, "abc")
    assert not set(groups[split.training]) & set(groups[split.validation])
    assert sorted([*split.training, *split.validation]) == list(range(180))
    # A fifth of 60 images per class, in groups of three.
    assert np.bincount(labels[split.validation]).tolist() == [12, 12, 12]


def test_split_depends_on_the_seed_alone() -> None:
    labels, groups = np.arange(40) % 2, np.arange(40)
    one, same, other = (draw_split(labels, groups, 0.25, seed, "ab").validation.tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_groups_that_the_starting_network_learned_from_are_never_held_out() -> None:
    pictures = [Picture(Path(f"{i}.jpg"), str(i), "a", "", "") for i in range(8)]
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    # 0 was trained on, 2 held out, 4 held out but in a group with 5, which was trained on; 6 and 7 are new.
    rows = {"0": Row(0, False), "2": Row(1, True), "4": Row(2, True), "5": Row(2, False)}
    drawn = Split(np.array([2, 3, 4, 5]), np.array([0, 1, 6, 7]))
    kept = SplitTable(Path("split.csv"), rows).kept_in(drawn, groups, pictures)
    assert kept.validation.tolist() == [2, 3, 6, 7]
    assert kept.training.tolist() == [0, 1, 4, 5]
