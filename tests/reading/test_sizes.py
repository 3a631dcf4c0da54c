"""Sizes are checked before anything is decoded."""

import pytest

from model.errors import TooManyPixels, UnreadableImage
from model.reading.sizes import MAX_PIXELS, check_size, coarse_note


@pytest.mark.parametrize("size", [(5000, 5000), (100, 2000)])
def test_size_at_the_bounds_is_let_through(size: tuple[int, int]) -> None:
    check_size(*size, MAX_PIXELS)


def test_image_over_25_megapixels_is_refused() -> None:
    with pytest.raises(TooManyPixels):
        check_size(5000, 5001, MAX_PIXELS)


@pytest.mark.parametrize("size", [(100, 2001), (2001, 100)])
def test_strip_longer_than_twenty_times_its_width_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UnreadableImage):
        check_size(*size, MAX_PIXELS)


def test_slice_below_100_pixels_along_a_side_is_called_too_coarse() -> None:
    # Scanners write 128 x 128 or more, a little less once cropped; thumbnails have 96 or fewer.
    assert coarse_note(100, 256) == coarse_note(256, 100) == ()
    assert "99 x 256 pixels: too coarse" in str(*coarse_note(256, 99))
    assert "256 x 99 pixels: too coarse" in str(*coarse_note(99, 256))
