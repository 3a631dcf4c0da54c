"""Which images are taken for coloured ones."""

import numpy as np
import pytest

from model.reading.one_file import read_image
from model.reading.raster import PHOTOGRAPH_NOTE
from tests.support.images import encoded


@pytest.mark.parametrize(("difference", "notes"), [(9, ()), (12, (PHOTOGRAPH_NOTE,))])
def test_image_is_coloured_from_ten_grey_levels_between_its_channels(difference: int, notes: tuple) -> None:
    pixels = np.full((120, 120, 3), 100, np.uint8)
    pixels[..., 0] += difference
    assert read_image(encoded(pixels)).notes == notes


def test_colour_of_what_is_nearly_black_does_not_count() -> None:
    pixels = np.zeros((120, 120, 3), np.uint8)
    pixels[..., 0] = 38
    pixels[40:80, 40:80] = 120
    assert read_image(encoded(pixels)).notes == ()
