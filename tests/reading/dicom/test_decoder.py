"""Decoders of compressed frames run in a process of their own."""

import pytest

from model.errors import ImageError, UnreadableImage
from model.reading.contents import MriImage
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from tests.support.heads import pydicom_file


def test_decoder_says_nothing_of_a_damaged_frame(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm"):
        content = pydicom_file(name)
        with pytest.raises(ImageError):
            read_image(content[: len(content) // 2])
    assert "".join(capfd.readouterr()) == ""


def test_damage_that_aborts_the_decoder_refuses_that_file_alone() -> None:
    whole = pydicom_file("MR_small_jpeg_ls_lossless.dcm")
    fatal = bytearray(whole)
    # Found by random damage: over this, gdcm 3.2.6 calls terminate().
    fatal[96], fatal[1331], fatal[1554] = 207, 144, 153
    refusal, reading = read_files([bytes(fatal), whole])
    assert isinstance(refusal.content, UnreadableImage)
    assert (reading.files, type(reading.content)) == ((1,), MriImage)
