"""Slices are turned upright and their pixels made square."""

import numpy as np
import pytest

from model.reading.one_file import read_image
from tests.support.heads import SLICE, STORED, dicom, grey, series, upright, volume_of


def test_oblong_pixels_are_resampled_to_squares() -> None:
    tall = read_image(dicom(SLICE, PixelSpacing=[2, 1]))
    assert tall.pixels.shape == (40, 24)
    # The standard names the distance between rows first, people the width.
    assert "Pixels: 1.0 × 2.0 mm." in map(str, tall.facts)
    # A twentieth is resampled, a hundredth is not worth it.
    assert read_image(dicom(SLICE, PixelSpacing=[1, 1.05])).pixels.shape == (20, 25)
    assert read_image(dicom(SLICE, PixelSpacing=[1, 1.01])).pixels.shape == (20, 24)


def test_damaged_pixel_spacing_leaves_pixels_as_they_are() -> None:
    assert read_image(dicom(SLICE, PixelSpacing=[1e30, 1])).pixels.shape == (20, 24)


@pytest.mark.parametrize("stored", STORED)
def test_shuffled_series_becomes_one_upright_volume(stored: str) -> None:
    contents = series(stored, spacing_mm=1.5)
    order = np.random.default_rng(1).permutation(len(contents))
    volume = volume_of([contents[i] for i in order])
    plane = stored.split(",")[0]
    np.testing.assert_array_equal(volume.slices, grey(upright(plane)))
    assert (volume.plane, volume.format, volume.spacing_mm) == (plane, "DICOM", pytest.approx(1.5))


def test_lone_slice_is_upright_too() -> None:
    image = read_image(series("axial, head first prone", WindowCenter=300, WindowWidth=600)[11])
    pixels = read_image(series("axial", WindowCenter=300, WindowWidth=600)[11]).pixels
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize(("spacing_mm", "height"), [(4.0, 80), (4.1, 20)])
def test_pixels_more_than_four_times_as_long_as_wide_are_left_as_they_are(spacing_mm: float, height: int) -> None:
    # A header of a few bytes must not enlarge an image a hundred times.
    assert read_image(dicom(SLICE, PixelSpacing=[spacing_mm, 1])).pixels.shape == (height, 24)
