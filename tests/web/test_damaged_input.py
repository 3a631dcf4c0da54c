"""Files that are damaged or attack a decoder; and the parts of a file that its sender gets back."""

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from flask.testing import FlaskClient
from pydicom.data import get_testdata_file
from pydicom.filebase import DicomBytesIO

from tests.support.client import assert_problem, post
from tests.support.images import FORMATS, drawn_slice, encoded

# A9: files that would keep a parser busy


def tiff(n_tags: int, next_directory: int) -> bytes:
    """Return a TIFF of 8 by 8 black pixels with unnecessary tags, and a pointer to a next directory.

    Source: TIFF 6.0, section 2.
    """
    needed = [(256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 0), (278, 8), (279, 64)]
    spare = [(40_000 + i % 20_000, 1) for i in range(n_tags - len(needed))]
    pixels_at = 8 + 2 + 12 * n_tags + 4
    entries = [(tag, pixels_at if tag == 273 else value) for tag, value in needed] + spare
    directory = b"".join(struct.pack("<HHIHH", tag, 4, 1, value & 0xFFFF, value >> 16) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, n_tags) + directory + struct.pack("<I", next_directory) + bytes(64)


@pytest.mark.parametrize(
    ("n_tags", "next_directory", "code"),
    [(65_535, 0, "unreadable_image"), (8, 8, "unsuitable_image"), (8, 3, "unreadable_image")],
    ids=["65535 tags", "a loop", "a directory in the header"],
)
def test_tiff_that_would_keep_a_parser_busy_is_answered_before_its_time_is_up(
    client: FlaskClient, n_tags: int, next_directory: int, code: str
) -> None:
    # Its one image is black: if it is read, it is refused for that. Out of time, it would be "decoder_failed".
    assert_problem(post(client, tiff(n_tags, next_directory)), 422, code)


@pytest.mark.parametrize("shape", [(1, 40_000), (40_000, 1)])
def test_line_of_pixels_is_refused(client: FlaskClient, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(9).integers(0, 255, shape, np.uint8)
    assert_problem(post(client, encoded(noise)), 422, "unreadable_image")


# A11: one wrong byte


@pytest.mark.parametrize("picture_format", FORMATS)
@pytest.mark.parametrize("place", [0.3, 0.6, 0.95])
def test_answer_to_a_picture_with_a_wrong_byte_names_the_bytes_that_came(
    client: FlaskClient, picture_format: str, place: float
) -> None:
    content = bytearray(encoded(drawn_slice(), picture_format, **FORMATS[picture_format]))
    content[int(place * len(content))] ^= 0x55
    response = post(client, bytes(content))
    assert response.status_code in {200, 422}
    if response.status_code == 200:
        (result,) = response.get_json()["results"]
        assert result["input_sha256"] == hashlib.sha256(content).hexdigest()
        if picture_format == "PNG":
            # Its pixels have a checksum: if it is read, the wrong byte is elsewhere.
            (whole,) = post(client, encoded(drawn_slice())).get_json()["results"]
            assert result["probabilities"] == whole["probabilities"]


# A13: DICOM without an image, or claiming to be another


def as_bytes(dataset: pydicom.Dataset) -> bytes:
    buffer = DicomBytesIO()
    pydicom.dcmwrite(buffer, dataset)
    return bytes(buffer.getvalue())


def without_pixels() -> bytes:
    dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    del dataset.PixelData
    return as_bytes(dataset)


def rle_with_offsets_beyond_its_end() -> bytes:
    dataset = pydicom.dcmread(get_testdata_file("MR_small_RLE.dcm"))
    (frame,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    # The header of an RLE frame: the number of segments, then where each begins. Source: DICOM PS3.5, G.5.
    dataset.PixelData = pydicom.encaps.encapsulate([frame[:4] + struct.pack("<15I", *[0xFFFFFFF0] * 15) + frame[64:]])
    return as_bytes(dataset)


DICOM_WITHOUT_A_PICTURE: dict[str, Callable[[], bytes]] = {
    "no pixels": without_pixels,
    "a directory": lambda: Path(get_testdata_file("DICOMDIR")).read_bytes(),
    "RLE offsets beyond the end": rle_with_offsets_beyond_its_end,
    "a structure set": lambda: Path(get_testdata_file("rtstruct.dcm")).read_bytes(),
}


@pytest.mark.parametrize("kind", DICOM_WITHOUT_A_PICTURE)
def test_dicom_without_a_picture_is_refused_with_a_code(client: FlaskClient, kind: str) -> None:
    response = post(client, DICOM_WITHOUT_A_PICTURE[kind]())
    assert response.status_code in {415, 422}
    assert response.get_json()["code"] in {"unsupported_format", "unreadable_image", "unsuitable_image"}
    assert "Traceback" not in response.text
