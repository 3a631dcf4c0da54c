"""Files other than MR slices of a head are refused or come with a note."""

import warnings
from pathlib import Path

import pydicom
import pytest

from model.errors import UnsuitableImage
from model.reading.contents import MriImage
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from tests.support.heads import SLICE, dicom, series, volume_of


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CT_small.dcm", "tomography"), ("examples_rgb_color.dcm", "ultrasound"), ("JPEG2000.dcm", "nuclear"),
        ("examples_overlay.dcm", "another part of the body"), ("test-SR.dcm", "report"), ("rtdose.dcm", "radiotherapy"),
        ("liver_1frame.dcm", "segmentation"), ("dicomdirtests/DICOMDIR", "directory"), ("priv_SQ.dcm", "directory"),
    ],
)  # fmt: skip
def test_what_is_no_mr_slice_of_a_head_is_refused_with_what_it_says_it_is(name: str, words: str) -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    with pytest.raises(UnsuitableImage, match=words):
        read_image(path)


@pytest.mark.parametrize("image_type", [["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], "MOSAIC"])
def test_mosaic_is_refused_with_what_to_do(image_type: object) -> None:
    with pytest.raises(UnsuitableImage, match=r"mosaic.*dcm2niix"):
        read_image(dicom(SLICE, ImageType=image_type))
    assert isinstance(read_image(dicom(SLICE, ImageType=["ORIGINAL", "PRIMARY", "M"])), MriImage)


@pytest.mark.parametrize(
    ("image_type", "words"),
    [
        (["ORIGINAL", "PRIMARY", "LOCALIZER"], "localizer"),
        (["DERIVED", "PRIMARY", "PROJECTION IMAGE", "MIP"], "computed"),
        (["ORIGINAL", "PRIMARY", "P", "ND"], "computed"),
    ],
)
def test_localizer_and_computed_image_are_read_with_a_note(image_type: list[str], words: str) -> None:
    assert words in read_image(dicom(SLICE, ImageType=image_type)).notes[0]


def test_spectrum_is_named_although_it_has_rows() -> None:
    with pytest.raises(UnsuitableImage, match="MR spectroscopy"):
        read_image(dicom(SLICE, PixelData=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.4.2"))


@pytest.mark.parametrize("body_part", ["HEAD", "BRAIN", "SKULL", "Brain w/o contrast", ""])
def test_head_or_unknown_part_of_the_body_is_read(body_part: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = dicom(SLICE, BodyPartExamined=body_part)
    assert isinstance(read_image(content), MriImage)


@pytest.mark.parametrize("body_part", ["NECK", "KNEE", "ABDOMEN", "WHOLE BODY"])
def test_other_part_of_the_body_is_refused(body_part: str) -> None:
    with pytest.raises(UnsuitableImage, match="another part"):
        read_image(dicom(SLICE, BodyPartExamined=body_part))


@pytest.mark.parametrize("modality", ["OT", "SC"])
def test_secondary_capture_is_read_with_a_note(modality: str) -> None:
    assert "secondary capture" in read_image(dicom(SLICE, Modality=modality)).notes[0]


def test_missing_modality_is_read_with_a_note() -> None:
    assert "does not name its modality" in read_image(dicom(SLICE, Modality=None)).notes[0]


def test_burned_in_annotation_is_warned_about() -> None:
    assert "may be a name" in read_image(dicom(SLICE, BurnedInAnnotation="YES")).notes[0]
    one_of_many = volume_of([*series()[:-1], *series(BurnedInAnnotation="YES")[-1:]])
    assert "may be a name" in " ".join(map(str, one_of_many.notes))


def test_whole_series_of_another_modality_is_refused_once() -> None:
    (reading,) = read_files(series(Modality="CT"))
    assert isinstance(reading.content, UnsuitableImage)
    assert reading.files == tuple(range(22))


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")  # scanners write it none the less
# The last one contains "ARM".
@pytest.mark.parametrize(
    "word",
    ["ENCEPHALE", "TÊTE", "SCHÄDEL", "CEREBELLUM", "CIRCLEOFWILLIS", "UNDEFINED", "ROUTINE", "MRA", "HEADNECK",
     "PHARMACO"],
)  # fmt: skip
def test_word_that_names_no_other_part_of_the_body_is_no_reason_to_refuse(word: str) -> None:
    read_image(dicom(SLICE, BodyPartExamined=word, SpecificCharacterSet="ISO_IR 192"))


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")  # scanners write it none the less
@pytest.mark.parametrize("word", ["GENOU", "LSPINE", "WIRBELSÄULE", "ABDOMEN", "CORAZÓN", "NECK", "SHOULDER"])
def test_word_that_names_another_part_of_the_body_is_refused(word: str) -> None:
    with pytest.raises(UnsuitableImage, match="another part"):
        read_image(dicom(SLICE, BodyPartExamined=word, SpecificCharacterSet="ISO_IR 192"))


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [("1.2.840.10008.5.1.4.1.1.66", "raw data of a scanner"), ("1.2.840.10008.5.1.4.1.1.104.1", "a PDF document"),
     ("1.2.3", "a report, a directory")],
)  # fmt: skip
def test_file_without_an_image_is_told_what_it_is(sop_class: str, kind: str) -> None:
    content = dicom(SLICE, SOPClassUID=sop_class, Rows=None, Columns=None, PixelData=None)
    with pytest.raises(UnsuitableImage, match=f"holds no image: it is {kind}"):
        read_image(content)
