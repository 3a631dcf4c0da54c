"""The facts shown of a file are numbers, codes and known words, never a possible name."""

import pytest

from model.reading.contents import Limits
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from tests.support.heads import SLICE, dicom


def facts(**elements: object) -> list[str]:
    return [str(fact) for fact in read_image(dicom(SLICE, **elements)).facts]


def test_sequence_echo_field_thickness_and_pixels_are_told() -> None:
    said = facts(
        ScanningSequence=["SE", "IR"], EchoTime=90, RepetitionTime=8000.5, MagneticFieldStrength=1.5, SliceThickness=5,
        PixelSpacing=[0.5, 0.5],
    )  # fmt: skip
    assert said == [
        "Sequence: spin echo.", "Sequence: inversion recovery.", "Field strength: 1.5 T.",
        "Echo time 90.0 ms, repetition time 8000.5 ms.", "Slice thickness: 5.0 mm.", "Pixels: 0.5 × 0.5 mm.",
    ]  # fmt: skip


def test_only_known_words_of_a_description_are_repeated() -> None:
    said = facts(SeriesDescription="Müller, Anna *01.02.1960 t2_flair ax 3D")
    assert said == ["Known words of the series description: T2 FLAIR AX 3D."]


@pytest.mark.parametrize(
    "elements",
    [{}, {"SeriesDescription": "Anna Müller"}, {"MagneticFieldStrength": 15000}, {"SliceThickness": ""},
     {"ScanningSequence": "MULLER"}],
)  # fmt: skip
def test_nothing_is_told_of_what_is_missing_impossible_or_unknown(elements: dict[str, object]) -> None:
    assert facts(**elements) == []


def test_a_damaged_fact_does_not_cost_the_image() -> None:
    text, number = b"\x08\x00\x3e\x10LO", b"\x08\x00\x3e\x10FD"
    whole = dicom(SLICE, SeriesDescription="T1W")
    assert whole.count(text) == 1
    (damaged,) = read_files([whole.replace(text, number)], Limits(max_pixels=1_000_000))
    assert damaged.content.facts == ()
