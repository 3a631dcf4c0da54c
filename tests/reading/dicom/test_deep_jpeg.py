"""JPEG files of 12 bits, which Pillow does not read."""

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from model.errors import TooManyPixels, UnreadableImage, UnsupportedFormat
from model.reading.one_file import read_image
from tests.support.heads import grey


def frame_of(name: str) -> tuple[bytes, np.ndarray]:
    """Return the codestream of one of pydicom's files, and its grey levels."""
    dataset = pydicom.dcmread(get_testdata_file(name))
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1
    return frame, dataset.pixel_array


def test_jpeg_of_a_dicom_file_is_read_by_itself() -> None:
    frame, values = frame_of("JPEG-lossy.dcm")
    image = read_image(frame)
    assert (image.format, image.pixels.shape) == ("JPEG", values.shape)
    assert np.abs(image.pixels.astype(int) - grey(values.astype(np.float32))).max() <= 1


def test_size_is_refused_before_decoding() -> None:
    with pytest.raises(TooManyPixels):
        read_image(frame_of("JPEG-lossy.dcm")[0], max_pixels=100)


def test_cut_off_file_is_named_as_jpeg() -> None:
    with pytest.raises(UnreadableImage, match="JPEG"):
        read_image(frame_of("JPEG-lossy.dcm")[0][:2000])


def test_jpeg_ls_is_read() -> None:
    dataset = pydicom.dcmread(get_testdata_file("MR_small_jpeg_ls_lossless.dcm"))
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    values = pydicom.dcmread(get_testdata_file("MR_small.dcm")).pixel_array
    np.testing.assert_array_equal(read_image(frame).pixels, grey(values.astype(np.float32)))


def test_colour_jpeg_of_12_bits_is_named_and_not_called_damaged() -> None:
    frame = bytearray(frame_of("JPEG-lossy.dcm")[0])
    # Of the frame's header: the number of components. Source: ITU-T T.81, B.2.2.
    frame[frame.index(b"\xff\xc1") + 9] = 3
    with pytest.raises(UnsupportedFormat, match="12 bits") as refusal:
        read_image(bytes(frame))
    assert "Export" in str(refusal.value)
    assert "damaged" not in str(refusal.value)
