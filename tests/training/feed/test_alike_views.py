"""Heads of the same view are found, to cover a lesion from."""

import numpy as np
import pytest
from PIL import Image

from training.feed.alike_views import AlikeViews
from training.feed.lesions import Synthesis, replace_lesion


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
