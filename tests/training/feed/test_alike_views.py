"""Heads of the same view are found."""

import numpy as np
import pytest
from PIL import Image

from training.feed.alike_views import AlikeViews


@pytest.mark.parametrize("size", [60, 96, 128, 160, 208, 224])
def test_head_of_the_same_view_is_found_mirrored_at_every_size_of_input(size: int) -> None:
    random = np.random.default_rng(5)
    shapes = random.uniform(0, 255, (3, 12, 12)).astype(np.uint8)
    views = np.stack([np.asarray(Image.fromarray(view).resize((size, size))) for view in shapes])
    alike = AlikeViews(np.stack([views[1], views[0][:, ::-1], views[2]]))
    assert alike.draw(views[0], 0.8, random) == (1, True)


def test_no_head_is_found_where_none_shows_the_same_view() -> None:
    random = np.random.default_rng(4)
    pixels = random.integers(0, 255, (3, 60, 60), np.uint8)
    assert AlikeViews(pixels[1:]).draw(pixels[0], 0.8, random) is None
