"""Letters at the sides of an image, and sizes for the three planes."""

import io

import nibabel
import numpy as np
import pytest

from model.reading.contents import MriVolume
from model.reading.many_files import read_files
from tests.support.heads import head, nifti, series
from tests.support.samples import sample_bytes
from web.page.place import place_of


@pytest.mark.parametrize(
    ("plane", "letters"),
    [("axial", "RLAP"), ("coronal", "RLSI"), ("sagittal", "APSI"), ("axial, head first prone", "RLAP")],
)
def test_each_plane_has_its_letters_however_it_was_stored(plane: str, letters: str) -> None:
    (reading,) = read_files(series(plane))
    place = place_of(reading.content, 256)
    assert "".join(place.letters[side] for side in ("left", "right", "top", "bottom")) == letters


def test_orientation_that_is_unknown_or_guessed_has_no_letters() -> None:
    guessed = io.BytesIO(nibabel.Nifti1Image(head(), np.eye(4)).to_bytes()).getvalue()
    for content in (sample_bytes(), guessed):
        (reading,) = read_files([content])
        assert place_of(reading.content, 256).letters == {}


def test_sizes_are_of_the_image_as_shown() -> None:
    (reading,) = read_files([nifti(spacing_mm=(0.5, 0.5, 4))])
    assert isinstance(reading.content, MriVolume)
    side_px = max(reading.content.slices.shape[1:])
    place = place_of(reading.content, side_px // 2)
    assert (place.pixel_mm, place.spacing_mm) == (1.0, 4.0)
