"""A file that is not read is named for what it is, never "damaged"."""

import io
import zipfile

import pytest

from model.errors import UnsupportedFormat
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from tests.support.images import GOOD


@pytest.mark.parametrize(
    ("content", "kind", "advice"),
    [
        (b"%PDF-1.7\n", "a PDF document", "Export the slices"),
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML><title>Sign in</title>", "a web page", "Download the file itself"),
        (b"<?xml version='1.0'?><svg/>", "a drawing", "Export"),
        (b"path,label\na.png,glioma\n", "a text or a table", "Send the image itself"),
        ("größe;bild\n".encode("latin-1"), "a text or a table", "Send the image itself"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an Office document", "Export"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(50), "a video", "Export"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "a video", "Export"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(50), "a packed archive", "pack them as .zip"),
        (b"Rar!\x1a\x07\x01\x00", "a packed archive", "pack them as .zip"),
        (bytes(257) + b"ustar" + bytes(250), "a packed archive", "pack them as .zip"),
        (b"\x93NUMPY\x01\x00v\x00", "a NumPy array", "NIfTI"),
        (b"CDF\x01" + bytes(50), "a MINC volume", "NIfTI"),
        (b"# === DATA DESCRIPTION FILE ====\n", "a Philips PAR/REC", "dcm2niix"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS", "git lfs pull"),
        (bytes(1000), "nothing but zeros", "again"),
    ],
)
def test_file_that_is_not_read_is_named_with_what_to_do(content: bytes, kind: str, advice: str) -> None:
    with pytest.raises(UnsupportedFormat) as refusal:
        read_image(content)
    assert kind in str(refusal.value)
    assert advice in str(refusal.value)
    assert "damaged" not in str(refusal.value)


def test_word_document_is_named_and_its_pictures_are_not_answered() -> None:
    document = io.BytesIO()
    with zipfile.ZipFile(document, "w") as archive:
        for name, content in (("[Content_Types].xml", b"<Types/>"), ("word/media/image1.png", GOOD)):
            archive.writestr(name, content)
    (reading,) = read_files([document.getvalue()])
    assert "an Office document" in str(reading.content)


def test_only_file_of_an_archive_is_named() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("volume.npy", b"\x93NUMPY\x01\x00v\x00")
    (reading,) = read_files([packed.getvalue()])
    assert "a NumPy array" in str(reading.content)


def test_zip_file_whose_names_are_not_the_utf8_that_it_claims_is_told_so() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("é.png", GOOD)
    (reading,) = read_files([packed.getvalue().replace("é".encode(), b"\xe9\xe9")])
    assert "names in UTF-8" in str(reading.content)
