"""Masks and label maps are recognised as such, images are not."""

import numpy as np
import pytest

from model.errors import UnsuitableImage
from model.reading.one_file import read_image
from tests.support.drawn_heads import drawn_head
from tests.support.heads import dicom
from tests.support.images import encoded, noise


def regions(*values: int) -> np.ndarray:
    """Draw nested discs, uint8 (120, 100), with one value each, from the outside in."""
    y, x = np.mgrid[-1:1:120j, -1:1:100j]
    drawn = np.zeros((120, 100), np.uint8)
    for i, value in enumerate(values):
        drawn[np.hypot(x, y) < 0.9 - 0.25 * i] = value
    return drawn


def coloured(labels: np.ndarray) -> np.ndarray:
    """Give each of the labels 0 to 3 a colour, uint8 (height, width, 3)."""
    return np.array([[0, 0, 0], [0, 0, 255], [255, 0, 0], [255, 255, 0]], np.uint8)[labels]


@pytest.mark.parametrize(
    "content",
    [
        encoded(regions(255)),
        encoded(regions(1, 2, 3)),
        encoded(regions(1, 2, 4), "GIF"),
        encoded(regions(1, 2, 4), "TIFF"),
        encoded(regions(1, 2, 3).astype(np.uint16), "PNG"),
        encoded(255 - regions(255)),
        encoded(regions(255), "JPEG", quality=75),
        encoded(regions(255), "JPEG", quality=90),
        encoded(255 - regions(255), "JPEG", quality=75),
        encoded(regions(150), "WEBP", quality=75),
        encoded(np.kron(regions(70, 150, 250), np.ones((2, 2), np.uint8)), "JPEG", quality=75),
        encoded(np.kron(coloured(regions(1, 2, 3)), np.ones((2, 2, 1), np.uint8)), "JPEG", quality=90),
    ],
    ids=[
        "mask",
        "labels",
        "GIF",
        "TIFF",
        "16 bits",
        "negative",
        "JPEG 75",
        "JPEG 90",
        "negative JPEG",
        "WebP",
        "labels in JPEG",
        "coloured JPEG",
    ],
)
def test_mask_or_label_map_is_refused_as_one(content: bytes) -> None:
    with pytest.raises(UnsuitableImage, match="label map or a mask"):
        read_image(content)


@pytest.mark.parametrize("n_levels", [8, 16, 256])
def test_head_is_no_mask_whatever_its_grey_levels(n_levels: int) -> None:
    head = drawn_head()
    noisy = np.where(head > 0, head // 2 + noise(*head.shape) // 4, 0)
    step = 256 // n_levels
    read_image(encoded((noisy // step * step).astype(np.uint8)))


@pytest.mark.parametrize("quality", [75, 90])
def test_head_saved_as_jpeg_is_no_mask(quality: int) -> None:
    assert read_image(encoded(drawn_head(), "JPEG", quality=quality)).format == "JPEG"


def test_sheet_of_many_slices_comes_with_a_note() -> None:
    tile = np.pad(drawn_head()[::2, ::2], 4)
    sheet = read_image(encoded(np.tile(tile, (2, 3))))
    assert "sheet of several slices" in " ".join(map(str, sheet.notes))
    assert not read_image(encoded(tile)).notes
    in_dicom = read_image(dicom(np.tile(tile, (2, 3)).astype(np.uint16) * 4))
    assert "sheet of several slices" in " ".join(map(str, in_dicom.notes))
