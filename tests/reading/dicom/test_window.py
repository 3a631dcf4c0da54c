"""From stored values to grey levels."""

import io

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut
from pydicom.sequence import Sequence

from model.card import WEIGHTS_FOLDER
from model.network.classifier import load_classifier
from model.reading.one_file import read_image
from model.reading.orientation import BY_PERCENTILES, BY_WINDOW
from tests.support.heads import (
    SLICE,
    dicom,
    grey,
    series,
    upright,
    volume_of,
)
from tests.support.samples import TOP

TESTING = TOP.parent / "shared" / "data" / "sartaj" / "Testing"


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_of_the_file_is_applied_as_pydicom_does(function: str) -> None:
    content = dicom(SLICE, WindowCenter=300, WindowWidth=400, VOILUTFunction=function)
    expected = apply_voi_lut(SLICE, pydicom.dcmread(io.BytesIO(content)))
    expected = (expected + 32768.0) / 65535 * 255
    assert np.abs(read_image(content).pixels - expected).max() <= 0.51


def test_slice_without_window_is_stretched_between_its_percentiles() -> None:
    np.testing.assert_array_equal(read_image(dicom(SLICE)).pixels, grey(SLICE))


@pytest.mark.parametrize("as_bytes", [True, False])
def test_negative_with_a_table_that_turns_it_round_is_read_as_viewers_show_it(as_bytes: bool) -> None:
    negative = (1000 - SLICE).astype(np.uint16)
    table = Dataset()
    table.LUTDescriptor = [1001, 0, 16]
    entries = np.arange(1001)[::-1] * 60
    table.add_new(
        "LUTData", "OW" if as_bytes else "US", entries.astype("<u2").tobytes() if as_bytes else entries.tolist()
    )
    image = read_image(dicom(negative, VOILUTSequence=Sequence([table])))
    np.testing.assert_allclose(image.pixels.astype(int), grey(SLICE).astype(int), atol=1)
    window = {"WindowCenter": 450, "WindowWidth": 900}
    windowed = read_image(dicom(SLICE, VOILUTSequence=Sequence([table]), **window)).pixels
    np.testing.assert_array_equal(windowed, read_image(dicom(SLICE, **window)).pixels)


# The last three make a tenth of the head white, make air a dark grey, and spread all values over 73 levels.
@pytest.mark.parametrize(
    ("center", "width"),
    [(-5000, 10), (40, 80), (128, 256), (32768, 65535), (0, 4000), (185, 370), (250, 700), (700, 1400)],
)
def test_window_that_does_not_fit_the_pixels_is_not_used_and_said_so(center: int, width: int) -> None:
    content = dicom(SLICE, WindowCenter=center, WindowWidth=width)
    assert "does not fit" in read_image(content).notes[-1]
    np.testing.assert_array_equal(read_image(content).pixels, grey(SLICE))


@pytest.mark.slow
@pytest.mark.skipif(not TESTING.is_dir(), reason="the data set is not at ../shared/data")
@pytest.mark.parametrize(("center", "width"), [(128, 256), (40, 80), (32768, 65535), (127, 255), (400, 1500)])
def test_answers_of_40_slices_stay_under_a_window_of_a_placeholder_or_of_another_modality(
    center: int, width: int
) -> None:
    classifier = load_classifier(WEIGHTS_FOLDER / "xception.json")
    files = sorted(TESTING.rglob("*.jpg"))
    slices = [read_image(file).pixels.astype(np.int16) * 16 for file in files[:: len(files) // 40][:40]]
    plain = classifier.predict([read_image(dicom(values)) for values in slices])
    stored = classifier.predict(
        [read_image(dicom(values, WindowCenter=center, WindowWidth=width)) for values in slices]
    )  # fmt: skip
    assert len(slices) == 40
    assert sum(one.answer == other.answer for one, other in zip(plain, stored, strict=True)) >= 38


def test_window_is_applied_to_rescaled_values() -> None:
    rescaled = dicom(SLICE, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=500, WindowWidth=800)
    plain = dicom((SLICE * 2 - 100).astype(np.int16), WindowCenter=500, WindowWidth=800)
    np.testing.assert_array_equal(read_image(rescaled).pixels, read_image(plain).pixels)


def test_monochrome1_dicom_is_inverted() -> None:
    inverted = dicom(SLICE, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_image(inverted).pixels, 255 - grey(SLICE))


def test_padding_is_black_and_does_not_count_for_the_window() -> None:
    padded = SLICE.copy()
    padded[:3] = -32000
    pixels = read_image(dicom(padded, PixelPaddingValue=-32000)).pixels
    np.testing.assert_array_equal(pixels[3:], grey(padded[3:]))
    assert pixels[:3].max() == 0


def test_series_with_one_window_uses_it_and_with_several_uses_percentiles() -> None:
    same = volume_of(series(WindowCenter=300, WindowWidth=601))
    np.testing.assert_array_equal(same.slices, np.rint(np.clip(upright("axial") + 0.5, 0, 600) / 600 * 255))
    several = [*series(WindowCenter=300, WindowWidth=601)[:11], *series(WindowCenter=90, WindowWidth=99)[11:]]
    np.testing.assert_array_equal(volume_of(several).slices, grey(upright("axial")))
    # Both say which one was used.
    assert same.steps[0] == BY_WINDOW
    assert volume_of(several).steps[0] == BY_PERCENTILES
    assert "axial" in same.steps[1]


@pytest.mark.parametrize(
    "elements",
    [
        {"PixelPaddingValue": 2000},
        {"PixelPaddingValue": 1900, "PixelPaddingRangeLimit": 2100},
        {"PixelPaddingValue": 2100, "PixelPaddingRangeLimit": 1900},
    ],
)
def test_padding_is_black_and_takes_no_part_in_the_grey_levels(elements: dict[str, int]) -> None:
    padded = SLICE.copy()
    padded[:3] = 2000
    expected = np.where(padded == 2000, 0, SLICE)
    assert (
        np.abs(read_image(dicom(padded, **elements)).pixels[3:].astype(int) - grey(SLICE[3:])[:].astype(int)).max() <= 2
    )
    assert read_image(dicom(padded, **elements)).pixels[expected == 0].max() == 0


def test_presentation_that_says_inverse_is_inverted() -> None:
    np.testing.assert_array_equal(
        read_image(dicom(SLICE, PresentationLUTShape="INVERSE")).pixels,
        read_image(dicom(SLICE, PhotometricInterpretation="MONOCHROME1")).pixels,
    )
