"""Batches of drawn images."""

import dataclasses

import numpy as np
import pytest

from model.network.features import FeatureGrid
from tests.support.drawn_heads import SIZE, brain, with_lesion
from training.feed.augmentation import Augmentation
from training.feed.lesions import OWN_PLACE
from training.feed.mixing import LabelledPictures, MixedPictures, box_mask
from training.recipes import XCEPTION

GRID = FeatureGrid(4.0, 8, SIZE, 10)


def mixed(seed: int = 1, first_epoch: int = 0, no_tumor_share: float | None = None) -> MixedPictures:
    picture, box = with_lesion()
    pictures = LabelledPictures(
        pixels=np.stack([picture, brain(80, 1), brain(120, 2), picture, picture]),
        labels=np.array([0, 1, 1, 2, 3]),
        origins=np.array([0, 1, 1, 0, 0]),
        boxes=np.stack([box, np.full(4, np.nan), np.full(4, np.nan), box, box]).astype("f4"),
        placements=np.array([OWN_PLACE] * 5), healthy=1,
    )  # fmt: skip
    recipe = dataclasses.replace(
        XCEPTION, augmentation=Augmentation(), batch_size=6, draws_per_epoch=30, no_tumor_share=no_tumor_share
    )
    return MixedPictures(pictures, recipe, GRID, seed, first_epoch)


def test_more_pictures_without_tumor_are_drawn_when_asked_for() -> None:
    drawn = sum(mixed(no_tumor_share=0.6)[i][1]["probabilities"] for i in range(5)).sum(axis=0)
    assert drawn.tolist() == pytest.approx([4, 18, 4, 4], abs=1)


def test_mask_covers_the_places_of_the_box_and_at_least_one() -> None:
    mask = box_mask(np.array([0.0, 0.2, 0.0, 0.1], np.float32), GRID)
    assert mask[:2, 0].tolist() == [1, 1]
    assert mask.sum() == 2
    tiny = box_mask(np.array([0.5, 0.501, 0.5, 0.501], np.float32), GRID)
    assert tiny.max() == 1
    assert (box_mask(np.full(4, np.nan, np.float32), GRID) == 1).all()


def test_batches_show_every_class_equally_and_are_drawn_anew_and_reproducibly() -> None:
    one, same = mixed(), mixed()
    pictures, targets = one[0]
    np.testing.assert_array_equal(pictures, same[0][0])
    drawn = sum(one[i][1]["probabilities"] for i in range(5)).sum(axis=0)
    assert drawn.tolist() == pytest.approx([7.5] * 4, abs=1)
    assert targets["maps"].shape == (6, 10, 10, 4)
    one.on_epoch_end()
    assert np.abs(one[0][0] - pictures).max() > 1
    np.testing.assert_array_equal(one[0][0], mixed(first_epoch=1)[0][0])
    assert np.isfinite(pictures).all()
