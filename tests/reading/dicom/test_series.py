"""Single slices and frames become volumes in the order of their places."""

import io

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from model.errors import UnreadableImage, UnsuitableImage
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from tests.support.heads import as_file, dicom, grey, head, pydicom_file, series, upright, volume_of


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


@pytest.mark.parametrize(("degrees", "n_volumes"), [(0.8, 1), (2.0, 2)])
def test_slices_that_are_tilted_make_a_volume_of_their_own_and_rounded_directions_do_not(
    degrees: float, n_volumes: int
) -> None:
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    tilted = series(ImageOrientationPatient=[1, 0, 0, 0, float(cosine), float(sine)])
    assert len(read_files([*series()[:11], *tilted[11:]])) == n_volumes


def test_several_images_of_each_place_become_a_volume_each_with_a_note() -> None:
    echoes = [*series(InstanceNumber=1), *series(InstanceNumber=2, RescaleSlope=-1)]
    first, second = (reading.content for reading in read_files(echoes[::-1]))
    volumes = sorted((first, second), key=lambda volume: volume.slices.mean())
    np.testing.assert_array_equal(volumes[0].slices, grey(upright("axial")))
    np.testing.assert_array_equal(volumes[1].slices, grey(-upright("axial")))
    assert all("same places" in volume.notes[0] for volume in volumes)


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


def test_slices_that_all_claim_one_place_are_put_in_order_by_their_numbers() -> None:
    place = {"ImagePositionPatient": [0, 0, 5], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    files = [
        dicom(pixels, InstanceNumber=i, SeriesInstanceUID="1.2.3", **place) for i, pixels in enumerate(upright("axial"))
    ]
    volume = volume_of(files[::-1])
    np.testing.assert_array_equal(volume.slices, grey(upright("axial")))
    assert "claim the same place" in volume.notes[0]


def test_file_that_was_sent_twice_is_one_slice_of_both_places() -> None:
    files = series()
    (reading,) = read_files([*files, files[3]])
    assert reading.files == tuple(range(len(files) + 1))
    np.testing.assert_array_equal(reading.content.slices, grey(upright("axial")))


def test_slices_that_were_exported_twice_with_other_headers_are_one_volume() -> None:
    whole = numbered(PatientName="A")
    (reading,) = read_files([*whole, *numbered(PatientName="B")])
    assert (len(reading.files), len(reading.content.slices)) == (44, 22)
    assert "same places" not in " ".join(map(str, reading.content.notes))


def test_slices_of_several_sizes_in_a_series_are_noted() -> None:
    small = [dicom(pixels[::2, ::2], SeriesInstanceUID="1.2.3") for pixels in upright("axial")[:4]]
    readings = read_files([*series(), *small])
    assert [len(reading.content.slices) for reading in readings] == [22, 4]
    assert all("slices of several sizes" in reading.content.notes[0] for reading in readings)
    assert "sizes" not in notes_of(series())


def test_gap_in_one_of_two_orientations_is_noted_there_alone() -> None:
    readings = read_files([*numbered(stored="coronal"), *numbered()[:8], *numbered()[11:]])
    notes = {reading.content.plane: " ".join(map(str, reading.content.notes)) for reading in readings}
    assert "with gaps between them. Missing there: about 3" in notes["axial"]
    assert "gaps" not in notes["coronal"]


def notes_of(contents: list[bytes]) -> str:
    return " ".join(map(str, volume_of(contents).notes))


def numbered(spacing_mm: float = 5.0, **elements: object) -> list[bytes]:
    """Write the head as a whole series of 22 slices with their numbers."""
    files = series(spacing_mm=spacing_mm, **elements)
    datasets = [pydicom.dcmread(io.BytesIO(file)) for file in files]
    for i, dataset in enumerate(datasets):
        dataset.InstanceNumber = i + 1
    return [as_file(dataset) for dataset in datasets]


def test_whole_series_has_no_note_on_missing_slices() -> None:
    assert notes_of(numbered()) == ""
    assert notes_of(numbered(ImagesInAcquisition=22)) == ""


def test_gap_in_a_series_is_noted_with_the_number_of_slices_that_are_missing() -> None:
    whole = numbered()
    assert "19 slices were received, with gaps between them. Missing there: about 3." in notes_of(
        [*whole[:8], *whole[11:]]
    )
    assert "21 slices were received, with gaps between them. Missing there: about 1." in notes_of(
        [*whole[:8], *whole[9:]]
    )


def test_gap_in_the_numbers_of_a_series_without_places_is_noted() -> None:
    whole = numbered(ImagePositionPatient="")
    assert notes_of(whole) == ""
    assert "19 slices were received, with gaps between them. Missing there: about 3." in notes_of(
        [*whole[:8], *whole[11:]]
    )


def test_series_without_its_first_half_says_which_slices_came() -> None:
    assert "Slices 12 to 22 of the series" in notes_of(numbered()[11:])


def test_series_without_its_second_half_says_that_less_than_a_brain_came() -> None:
    assert "cover 55 mm" in notes_of(numbered()[:11])


def test_series_that_says_how_many_images_it_has_is_held_to_that() -> None:
    assert "20 slices were received; the files say that the acquisition has 22" in notes_of(
        numbered(ImagesInAcquisition=22)[:20]
    )
