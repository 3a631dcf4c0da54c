"""Which images count as coloured."""

import numpy as np
import pytest

from model.errors import ImageError, TooManyPixels, UnreadableImage
from model.reading.one_file import read_image
from model.reading.raster import MARGIN_NOTE, PHOTOGRAPH_NOTE
from model.reading.research.heic import as_png
from tests.support.formats.research import HEIC
from tests.support.images import drawn_slice, encoded


@pytest.mark.parametrize(("difference", "notes"), [(9, ()), (12, (PHOTOGRAPH_NOTE,))])
def test_image_is_coloured_from_ten_grey_levels_between_its_channels(difference: int, notes: tuple) -> None:
    pixels = np.full((120, 120, 3), 100, np.uint8)
    pixels[..., 0] += difference
    assert read_image(encoded(pixels)).notes == notes


def test_margin_of_a_figure_is_noted() -> None:
    assert read_image(encoded(np.pad(drawn_slice(), 8, constant_values=255))).notes == (MARGIN_NOTE,)
    assert read_image(encoded(drawn_slice())).notes == ()


def test_colour_of_what_is_nearly_black_does_not_count() -> None:
    pixels = np.zeros((120, 120, 3), np.uint8)
    pixels[..., 0] = 38
    pixels[40:80, 40:80] = np.arange(100, 140)[:, None, None]
    assert read_image(encoded(pixels)).notes == ()


def test_whole_tiff_of_64_bits_is_not_called_cut_off() -> None:
    # The field BitsPerSample of a TIFF file of one short, little-endian.
    of_8_bits = encoded(drawn_slice(), "TIFF")
    field = bytes.fromhex("0201 0300 01000000")
    assert field in of_8_bits
    of_64_bits = of_8_bits.replace(field + b"\x08", field + b"\x40")
    with pytest.raises(UnreadableImage, match="64 bits"):
        read_image(of_64_bits)


def test_heic_of_a_phone_is_read() -> None:
    image = read_image(HEIC)
    assert (image.format, image.pixels.shape) == ("HEIF", (64, 48))
    assert image.pixels[19, 33] > 230 > 150 > image.pixels[32, 24] > 90 > image.pixels[0, 0]


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_cut_off_heic_gives_no_picture(share: float) -> None:
    with pytest.raises(ImageError):
        read_image(HEIC[: int(share * len(HEIC))])


def test_heic_is_refused_by_its_size_before_decoding() -> None:
    with pytest.raises(TooManyPixels):
        read_image(HEIC, max_pixels=100)


def test_heic_whose_decoding_takes_too_long_or_too_much_memory_gives_no_picture_and_the_next_is_read() -> None:
    # No interpreter starts in a millisecond, or in a megabyte.
    assert as_png(HEIC, 10_000, seconds=0.001) == b""
    assert as_png(HEIC, 10_000, memory_bytes=1_000_000) == b""
    assert read_image(HEIC).format == "HEIF"


def test_jpeg_that_was_copied_as_text_is_told_so() -> None:
    content = encoded(np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8), "JPEG")
    assert read_image(content).format == "JPEG"
    with pytest.raises(UnreadableImage, match="binary mode"):
        read_image(content.replace(b"\n", b"\r\n"))
