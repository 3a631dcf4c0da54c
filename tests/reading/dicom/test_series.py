"""Single slices and frames become volumes in the order of their places."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from model.errors import UnreadableImage, UnsuitableImage
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from tests.support.heads import dicom, grey, head, pydicom_file, series, upright, volume_of


def test_series_without_positions_is_ordered_by_instance_number() -> None:
    slices = head().transpose(2, 1, 0)
    contents = [dicom(pixels, SeriesInstanceUID="1.2", InstanceNumber=i) for i, pixels in enumerate(slices)]
    volume = volume_of(contents[::-1])
    np.testing.assert_array_equal(volume.slices, grey(slices))
    assert volume.plane == ""
    assert np.isnan(volume.spacing_mm)


def test_two_series_and_two_orientations_of_one_become_volumes_of_their_own() -> None:
    contents = [*series("axial", "1.1"), *series("coronal", "1.2"), *series("axial", "1.2")]
    readings = read_files(contents)
    assert [reading.content.plane for reading in readings] == ["axial", "coronal", "axial"]
    assert [len(reading.files) for reading in readings] == [22, 24, 22]


def test_several_pictures_of_each_place_become_one_volume_with_a_note() -> None:
    echoes = [*series(InstanceNumber=1), *series(InstanceNumber=2, RescaleSlope=0.1)]
    volume = volume_of(echoes[::-1])
    np.testing.assert_array_equal(volume.slices, grey(upright("axial")))
    assert "same places" in volume.notes[0]


def enhanced(reverse: bool = True) -> bytes:
    """Write the head as an enhanced multi-frame file, its frames in the order from head to foot."""
    slices = head().transpose(2, 1, 0)
    places = range(len(slices))[::-1] if reverse else range(len(slices))
    shared, frames = Dataset(), []
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([Dataset()]), Sequence([Dataset()])
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence[0].PixelSpacing = [1, 1]
    for place in places:
        frame, position, values = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, 2 * place]
        values.RescaleSlope, values.RescaleIntercept = 2, -10
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = Sequence([position]), Sequence([values])
        frames.append(frame)
    return dicom(
        slices[list(places)], SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames), PatientName="CANARY",
    )  # fmt: skip


def test_enhanced_multi_frame_file_is_ordered_by_the_frames_positions() -> None:
    volume = volume_of([enhanced()])
    np.testing.assert_array_equal(volume.slices, grey(upright("axial")))
    assert (volume.plane, volume.spacing_mm) == ("axial", 2.0)


def test_multi_frame_file_without_positions_keeps_its_order() -> None:
    volume = volume_of([pydicom_file("SC_rgb_rle_2frame.dcm")])
    assert (len(volume.slices), volume.plane) == (2, "")


def test_volume_is_refused_where_one_slice_is_expected() -> None:
    with pytest.raises(UnsuitableImage, match="volume of 22 slices"):
        read_image(enhanced())


def test_damaged_slice_is_refused_alone_and_the_others_make_a_volume() -> None:
    contents = series()
    contents[5] = contents[5][:-100]
    volume, refusal = read_files(contents)
    assert len(volume.content.slices) == 21
    assert (refusal.files, type(refusal.content)) == ((5,), UnreadableImage)
