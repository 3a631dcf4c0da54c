"""Batches of drawn images."""

import dataclasses

import numpy as np
import pytest

from model.network.features import FeatureGrid
from tests.support.drawn_heads import SIZE, brain, with_lesion
from training.data.outlines import Outlines
from training.feed.mixing import ANY_TUMOR, LabelledPictures, MixedPictures, outline_on, place_targets
from training.recipes import XCEPTION, Augmentation

GRID = FeatureGrid(4.0, 8, SIZE, 10)


def mixed(seed: int = 1, first_epoch: int = 0, no_tumor_share: float = 0.25) -> MixedPictures:
    picture, outline = with_lesion()
    pixels = np.stack([picture, brain(80, 1), brain(120, 2), picture, picture, picture])
    outlines = Outlines.of([outline > 0, None, None, outline > 0, outline > 0, None], SIZE)
    pictures = LabelledPictures(
        pixels, np.array([0, 2, 2, 1, 3, ANY_TUMOR]), np.array([0, 1, 2, 0, 0, 3]), outlines, healthy=2
    )
    recipe = dataclasses.replace(
        XCEPTION, augmentation=Augmentation(), batch_size=6, draws_per_epoch=30, no_tumor_share=no_tumor_share
    )
    return MixedPictures(pictures, recipe, GRID, seed, first_epoch)


def test_both_answers_are_drawn_as_often_as_asked_for() -> None:
    drawn = sum(mixed(no_tumor_share=0.6)[i][1]["probabilities"][:, 2].sum() for i in range(5))
    assert drawn == pytest.approx(18, abs=1)


def test_tumors_of_unknown_kind_may_be_every_kind() -> None:
    targets = np.concatenate([mixed()[i][1]["probabilities"] for i in range(5)])
    assert {tuple(row) for row in targets} >= {(1, 1, 0, 1), (0, 0, 1, 0)}


def test_batches_are_drawn_anew_in_each_epoch_and_reproducibly() -> None:
    one, same = mixed(), mixed()
    pictures, targets = one[0]
    np.testing.assert_array_equal(pictures, same[0][0])
    assert targets["places"].shape == (6, 10, 10, 4)
    one.on_epoch_end()
    assert np.abs(one[0][0] - pictures).max() > 1
    np.testing.assert_array_equal(one[0][0], mixed(first_epoch=1)[0][0])
    assert np.isfinite(pictures).all()


def test_outline_lies_on_the_places_that_it_covers_and_on_at_least_one() -> None:
    outline = np.zeros((SIZE, SIZE), np.float32)
    outline[0:16, 0:8] = 1
    covered = outline_on(outline, GRID)
    assert covered[:2, 0].tolist() == [1, 1]
    assert covered.sum() == 2
    tiny = np.zeros((SIZE, SIZE), np.float32)
    tiny[40, 40] = 1
    assert outline_on(tiny, GRID).max() == 1


def test_outlines_teach_each_place_and_what_is_not_known_teaches_none() -> None:
    _, outline = with_lesion()
    glioma, no_tumor, any_tumor = np.eye(4, dtype="f4")[0], np.eye(4, dtype="f4")[2], np.array([1, 1, 0, 1], "f4")
    outlined = place_targets(outline, glioma, 2, GRID)
    assert outlined[3, 3].argmax() == 0
    assert outlined[9, 9].argmax() == 2
    assert outlined[..., 0].sum() == pytest.approx(0.5)
    assert outlined[..., 2].sum() == pytest.approx(0.5)
    free = place_targets(None, no_tumor, 2, GRID)
    assert free.sum() == pytest.approx(1)
    assert (free.argmax(axis=-1) == 2).all()
    assert place_targets(None, glioma, 2, GRID).sum() == 0
    assert place_targets(outline, any_tumor, 2, GRID).sum() == 0
