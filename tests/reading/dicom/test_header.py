"""Damaged headers and impossible claims; and no name leaves a header."""

import io
import logging
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from model.errors import ImageError, TooManyPixels, UnreadableImage, UnsupportedFormat
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from tests.support.heads import (
    MR_SMALL,
    SLICE,
    dicom,
    pydicom_file,
)


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "badVR.dcm"])
def test_damaged_file_is_refused(name: str) -> None:
    with pytest.raises(ImageError):
        read_image(pydicom_file(name))


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9, 0.99])
def test_cut_off_dicom_gives_no_picture(share: float) -> None:
    content = dicom(SLICE)
    with pytest.raises(ImageError):
        read_image(content[: int(share * len(content))])


@pytest.mark.parametrize(
    "claims", [{"Rows": 65535, "Columns": 65535}, {"NumberOfFrames": 10**9}, {"Rows": 65535, "NumberOfFrames": 10**6}]
)
def test_size_that_a_header_claims_is_refused_before_decoding(claims: dict[str, int]) -> None:
    (reading,) = read_files([dicom(SLICE, **claims)])
    assert isinstance(reading.content, TooManyPixels | UnreadableImage)


@pytest.mark.parametrize("claims", [{"BitsAllocated": 13}, {"BitsAllocated": 64}, {"Rows": 0}, {"SamplesPerPixel": 7}])
def test_impossible_header_is_unreadable(claims: dict[str, int]) -> None:
    with pytest.raises(UnreadableImage):
        read_image(dicom(SLICE, **claims))


def test_sequence_nested_too_deeply_is_unreadable() -> None:
    opened = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(UnreadableImage):
        read_image(MR_SMALL[:346] + opened * 10_000)


def test_deflated_file_is_refused_without_inflating_it() -> None:
    with pytest.raises(UnsupportedFormat, match="deflated"):
        read_image(pydicom_file("image_dfl.dcm"))


def canaries() -> list[bytes]:
    """Write files with a canary wherever a name may be, whole, refused and damaged."""
    nested = Dataset()
    nested.PatientName = "CANARY^Nested"
    named = {
        "PatientName": "CANARY^Anna", "PatientID": "CANARY-1", "InstitutionName": "CANARY clinic",
        "StudyDescription": "CANARY study", "SeriesDescription": "CANARY series", "ImageComments": "CANARY comment",
        "OtherPatientIDsSequence": Sequence([nested]),
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = [
            dicom(SLICE, **named, **more)
            for more in (
                {}, {"Modality": "CANARY"}, {"BodyPartExamined": "CANARY"}, {"Modality": "CT"},
                {"PhotometricInterpretation": "CANARY"}, {"WindowCenter": 1, "VOILUTFunction": "CANARY"},
                {"SeriesInstanceUID": "CANARY"}, {"SeriesInstanceUID": "CANARY", "Rows": 30000}, {"Rows": 3},
                {"PixelData": b"CANARY"},
            )
        ]  # fmt: skip
        dataset = pydicom.dcmread(io.BytesIO(files[0]))
        dataset.file_meta.SourceApplicationEntityTitle = "CANARY"
        dataset.file_meta.PrivateInformationCreatorUID, dataset.file_meta.PrivateInformation = "1.2", b"CANARY"
        buffer = io.BytesIO()
        dataset.save_as(buffer)
    damaged = [files[0].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.CANARY.2.1\0\0"), files[0][:-500], files[0][:900]]
    return [*files, *damaged, buffer.getvalue()]


def test_names_are_in_no_note_error_warning_log_or_output(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level(logging.DEBUG)
    warnings.simplefilter("always")
    contents = canaries()
    assert all(b"CANARY" in content for content in contents)
    said = []
    for readings in [read_files(contents), *(read_files([content]) for content in contents)]:
        for reading in readings:
            said += [reading.content, *getattr(reading.content, "notes", ())]
            said += [vars(reading.content)]
    captured = capfd.readouterr()
    everything = [*map(str, said), caplog.text, captured.out, captured.err, *(str(w.message) for w in recwarn)]
    assert len(said) > 2 * len(contents)
    assert not any("CANARY" in text.upper() for text in everything)


def test_any_damage_to_a_file_ends_as_a_picture_or_an_image_error() -> None:
    random = np.random.default_rng(20)
    n_refused = 0
    for i in range(300):
        content = bytearray(MR_SMALL)
        # Half of the damage to the header: the pixels are four fifths of the file.
        content[int(random.integers(len(content) if i % 2 else 1700))] = int(random.integers(256))
        if i % 3 == 0:
            del content[int(random.integers(len(content))) :]
        (reading,) = read_files([bytes(content)])
        n_refused += isinstance(reading.content, ImageError)
    assert n_refused > 100


@pytest.mark.parametrize("missing", ["SamplesPerPixel", "PhotometricInterpretation", "HighBit", "PixelRepresentation"])
def test_tag_that_writers_leave_out_gets_its_usual_value_and_a_note(missing: str) -> None:
    unsigned = SLICE.astype(np.uint16)
    image = read_image(dicom(unsigned, **{missing: None}))
    np.testing.assert_array_equal(image.pixels, read_image(dicom(unsigned)).pixels)
    assert "usual values" in image.notes[0]
