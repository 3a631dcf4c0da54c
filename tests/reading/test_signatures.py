"""Files are recognised by their content."""

import pytest

from model.reading.one_file import read_image
from model.reading.signatures import is_dicom
from tests.support.heads import MR_SMALL, pydicom_file


@pytest.mark.parametrize("name", ["MR_small.dcm", "ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "rtstruct.dcm"])
def test_dicom_is_recognised_with_and_without_preamble(name: str) -> None:
    assert is_dicom(pydicom_file(name))


@pytest.mark.parametrize("content", [b"", b"\x08", bytes(200), b"\x89PNG\r\n\x1a\n" + bytes(200), b"\x5c\x01\x00\x00"])
def test_other_content_is_not_dicom(content: bytes) -> None:
    assert not is_dicom(content)


def test_dicom_whose_preamble_is_that_of_a_tiff_file_is_read_as_dicom() -> None:
    assert read_image(b"II*\x00" + MR_SMALL[4:]).format == "DICOM"
