"""Outlines in the network's input."""

import numpy as np

from tests.support.drawn_heads import SIZE, with_lesion
from training.data.outlines import Outlines, ellipse_in


def test_packed_outlines_come_back_and_a_box_becomes_its_ellipse() -> None:
    _, outline = with_lesion()
    ellipse = ellipse_in(np.array([0.25, 0.5, 0.5, 1.0], np.float32), SIZE)
    assert ellipse is not None
    outlines = Outlines.of([None, outline > 0, np.zeros((SIZE, SIZE), bool), ellipse], SIZE).subset(np.array([3, 1, 0]))
    assert outlines.known.tolist() == [True, True, False]
    np.testing.assert_array_equal(outlines[1], outline)
    assert outlines[2] is None
    rows, columns = np.nonzero(outlines[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 39, 40, 79)
    assert ellipse_in(np.full(4, np.nan, np.float32), SIZE) is None


def test_images_of_which_none_has_an_outline_are_all_unknown() -> None:
    outlines = Outlines.of([None, None], SIZE)
    assert not outlines.known.any()
    assert outlines[1] is None


def test_boxes_lie_around_outlines_as_shares_of_the_side() -> None:
    mask = np.zeros((8, 8), bool)
    mask[2:4, 1:7] = True
    np.testing.assert_allclose(Outlines.of([mask, None], 8).boxes(), [[0.25, 0.5, 0.125, 0.875], [np.nan] * 4])
