"""Pixels of every transfer syntax, depth and colour."""

import io

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import MPEG2MPML, JPEG2000Lossless

from model.errors import UnreadableImage, UnsupportedFormat
from model.reading.one_file import read_image
from tests.support.heads import (
    MR_SMALL,
    SLICE,
    as_file,
    dicom,
    grey,
    pydicom_file,
)


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm", "MR_small_expb.dcm", "MR_small_padded.dcm",
    ],
)  # fmt: skip
def test_every_transfer_syntax_gives_the_same_slice(name: str) -> None:
    np.testing.assert_array_equal(read_image(pydicom_file(name)).pixels, read_image(MR_SMALL).pixels)


def test_12_bits_with_an_overlay_above_them_and_16_bits_agree() -> None:
    twelve = (SLICE.astype(np.uint16)) | 0x8000
    content = dicom(twelve, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_image(content).pixels, grey(SLICE))


def test_floating_point_pixels_are_named_and_not_called_damaged() -> None:
    content = dicom(SLICE, PixelData=None, FloatPixelData=SLICE.astype(np.float32).tobytes(), BitsAllocated=32)
    with pytest.raises(UnsupportedFormat, match="floating-point numbers"):
        read_image(content)


def test_signed_12_bit_values_keep_their_sign() -> None:
    signed = (SLICE - 400).astype(np.int16)
    content = dicom((signed & 0x0FFF).astype(np.int16), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_image(content).pixels, grey(signed))


def test_coloured_secondary_capture_becomes_grey_with_notes() -> None:
    image = read_image(pydicom_file("SC_rgb_rle.dcm"))
    assert image.pixels.shape == (100, 100)
    assert ["secondary capture" in image.notes[0], "coloured" in image.notes[1]] == [True, True]


def test_all_codings_of_one_coloured_picture_become_the_same_grey() -> None:
    names = ["SC_rgb_rle.dcm", "SC_rgb_gdcm_KY.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_rle_16bit.dcm"]
    first, *others = (read_image(pydicom_file(name)).pixels.astype(int) for name in names)
    assert max(np.abs(first - other).mean() for other in others) < 2


def test_codestream_larger_than_the_header_says_is_refused_before_decoding() -> None:
    dataset = pydicom.dcmread(get_testdata_file("MR_small_jp2klossless.dcm"))
    (stream,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    bomb = stream[:8] + (60_000).to_bytes(4, "big") * 2 + stream[16:]
    dataset.PixelData = pydicom.encaps.encapsulate([bomb])
    with pytest.raises(UnreadableImage):
        read_image(as_file(dataset, JPEG2000Lossless))


def test_syntax_without_decoder_is_named_with_what_to_do() -> None:
    dataset = pydicom.dcmread(io.BytesIO(MR_SMALL))
    dataset.file_meta.TransferSyntaxUID = MPEG2MPML
    dataset.PixelData = pydicom.encaps.encapsulate([bytes(100)])
    dataset["PixelData"].is_undefined_length = True
    with pytest.raises(UnsupportedFormat, match=r"MPEG2 .*Export it uncompressed"):
        read_image(as_file(dataset, MPEG2MPML))


def test_padding_written_unsigned_beside_signed_pixels_is_padding() -> None:
    padded = SLICE.copy()
    padded[:3] = -2000
    dataset = pydicom.dcmread(io.BytesIO(dicom(padded)))
    dataset.add_new("PixelPaddingValue", "US", 63536)
    np.testing.assert_array_equal(
        read_image(as_file(dataset)).pixels, read_image(dicom(padded, PixelPaddingValue=-2000)).pixels
    )
    assert read_image(as_file(dataset)).pixels[:3].max() == 0


@pytest.mark.parametrize(("value", "number_type"), [(-32768, np.int16), (65535, np.uint16)])
def test_lowest_or_highest_number_in_all_corners_is_padding_though_no_tag_says_so(
    value: int, number_type: type
) -> None:
    padded = SLICE.astype(number_type)
    padded[:3], padded[-3:] = value, value
    pixels = read_image(dicom(padded)).pixels
    assert pixels[:3].max() == pixels[-3:].max() == 0
    np.testing.assert_allclose(pixels[3:-3].astype(int), grey(SLICE[3:-3]).astype(int), atol=2)


def test_padding_that_would_leave_nothing_is_not_believed() -> None:
    content = dicom(SLICE, PixelPaddingValue=-32768, PixelPaddingRangeLimit=32767)
    np.testing.assert_array_equal(read_image(content).pixels, read_image(dicom(SLICE)).pixels)


def test_stored_bits_lie_where_the_file_says() -> None:
    shifted = (SLICE.astype(np.uint16) << 4) | 0xF
    content = dicom(shifted, BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(read_image(content).pixels, read_image(dicom(SLICE)).pixels)


def test_table_of_values_without_values_is_passed_over() -> None:
    content = dicom(SLICE, ModalityLUTSequence=Sequence([Dataset()]))
    np.testing.assert_array_equal(read_image(content).pixels, read_image(dicom(SLICE)).pixels)
