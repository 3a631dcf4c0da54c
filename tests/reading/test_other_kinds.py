"""An unsupported file is named by its kind, never called "damaged"."""

import io
import pickle
import zipfile

import numpy as np
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
        (b"\r\n%PDF-1.4\n\xe2\xe3", "a PDF document", "Export"),
        (b"\0\0\1\0moov\0\0\0\x6cmvhd" + bytes(50), "a video", "Export"),
        (b"G@\0\x10".ljust(188, b"\0") * 3, "a video", "Export"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "an audio file", "Send the image itself"),
        (b"\x89PNG\n\x1a\n" + bytes(50), "changed while it was copied", "binary mode"),
        (b"P5\n2 2\n255\n" + bytes(4), "an image of another format", "PNG"),
        (b"\0\0\1\0\1\0" + bytes(50), "an image of another format", "PNG"),
        ("a;b\n1;2\n".encode("utf-16"), "a text or a table", "Send the image itself"),
        (b"/annex/objects/SHA256E-s1--a.nii.gz\n", "a pointer of git-annex", "git annex get"),
        (b"##TITLE=Parameter List, ParaVision\n", "a Bruker scanner", "the whole folder"),
        (b"\ntype = string-attribute\nname = HISTORY\n", "an AFNI volume", "HEAD and BRIK"),
        (b"\x28\x23\0\0\6\0\0\0Config\0" + bytes(50), "raw data of a scanner", "DICOM series"),
        (bytes(4) + b"\1\0\0\0" + bytes(8) + (10_240).to_bytes(8, "little"), "raw data of a scanner", "DICOM series"),
        (b"\0\0\x30A" + bytes(30) + b"GE_MED_NMR" + bytes(50), "raw data of a scanner", "DICOM series"),
        (b"mrtrix image\ndim: 2,2,2\nEND\n", "an MRtrix volume", "mrconvert"),
        (b"mrtrix tracks\nEND\n", "fibre tracks", "Send the image itself"),
        (b"# vtk DataFile Version 3.0\n", "a VTK file", "NIfTI"),
        (b"<?xml version='1.0'?>\n<GIFTI/>", "a surface", "Send the image itself"),
        (np.array([4, 16, 16, 16], "<u2").tobytes() + bytes(range(256)) * 17, "a BrainVoyager volume", "NIfTI"),
        (bytes(range(18)) + bytes(60) + b"TRUEVISION-XFILE.\0", "an image of another format", "PNG"),
        (pickle.dumps({"image": np.ones(3)}), "a Python pickle", "NIfTI"),
        (
            np.array([0, 4, 4, 0, 2], "<i4").tobytes() + b"M\0" + bytes(128),
            "a MATLAB file of version 4",
            "Send the image",
        ),
    ],
)
def test_file_that_is_not_read_is_named_with_what_to_do(content: bytes, kind: str, advice: str) -> None:
    with pytest.raises(UnsupportedFormat) as refusal:
        read_image(content)
    assert kind in str(refusal.value)
    assert advice in str(refusal.value)
    assert "damaged" not in str(refusal.value)


@pytest.mark.parametrize("first", ["[Content_Types].xml", "_rels/.rels", "docProps/app.xml"])
def test_word_document_is_named_and_its_pictures_are_not_answered(first: str) -> None:
    document = io.BytesIO()
    with zipfile.ZipFile(document, "w") as archive:
        for name, content in ((first, b"<Types/>"), ("word/media/image1.png", GOOD)):
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
    assert "file names as UTF-8" in str(reading.content)


def test_archive_without_any_image_is_told_so() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("a.txt", "b.txt"):
            archive.writestr(name, b"text")
    (reading,) = read_files([packed.getvalue()])
    assert "no image and no volume that is read here (files in it: 2)" in str(reading.content)
