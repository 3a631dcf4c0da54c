"""Sizes are checked before anything is decoded."""

import pytest

from model.errors import TooManyPixels, UnreadableImage
from model.reading.sizes import MAX_PIXELS, check_size


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
