"""DICOM slices, multi-frame files and series: pixels, order, refusals, and that nobody's name gets anywhere."""

import io
import logging
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import MPEG2MPML, JPEG2000Lossless

from model.errors import ImageError, TooManyPixels, UnreadableImage, UnsuitableImage, UnsupportedFormat
from model.reading.contents import MriImage, MriVolume
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from model.reading.orientation import BY_PERCENTILES, BY_WINDOW
from model.reading.signatures import is_dicom
from tests.support.heads import STORED, as_file, dicom, grey, head, series, upright

SLICE = head()[:, :, 11]
MR_SMALL = Path(get_testdata_file("MR_small.dcm")).read_bytes()


def pydicom_file(name: str) -> bytes:
    return Path(get_testdata_file(name)).read_bytes()


def volume_of(contents: list[bytes]) -> MriVolume:
    (reading,) = read_files(contents)
    assert isinstance(reading.content, MriVolume), reading.content
    return reading.content


# Recognised by content


@pytest.mark.parametrize("name", ["MR_small.dcm", "ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "rtstruct.dcm"])
def test_dicom_is_recognised_with_and_without_preamble(name: str) -> None:
    assert is_dicom(pydicom_file(name))


@pytest.mark.parametrize("content", [b"", b"\x08", bytes(200), b"\x89PNG\r\n\x1a\n" + bytes(200), b"\x5c\x01\x00\x00"])
def test_other_content_is_not_dicom(content: bytes) -> None:
    assert not is_dicom(content)


def test_dicom_whose_preamble_is_that_of_a_tiff_file_is_read_as_dicom() -> None:
    assert read_image(b"II*\x00" + MR_SMALL[4:]).format == "DICOM"


# Stored values to grey


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm", "MR_small_expb.dcm", "MR_small_padded.dcm",
    ],
)  # fmt: skip
def test_every_transfer_syntax_gives_the_same_slice(name: str) -> None:
    np.testing.assert_array_equal(read_image(pydicom_file(name)).pixels, read_image(MR_SMALL).pixels)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_of_the_file_is_applied_as_pydicom_does(function: str) -> None:
    content = dicom(SLICE, WindowCenter=300, WindowWidth=400, VOILUTFunction=function)
    expected = apply_voi_lut(SLICE, pydicom.dcmread(io.BytesIO(content)))
    expected = (expected + 32768.0) / 65535 * 255
    assert np.abs(read_image(content).pixels - expected).max() <= 0.51


def test_slice_without_window_is_stretched_between_its_percentiles() -> None:
    np.testing.assert_array_equal(read_image(dicom(SLICE)).pixels, grey(SLICE))


def test_window_that_leaves_no_picture_is_not_used() -> None:
    content = dicom(SLICE, WindowCenter=-5000, WindowWidth=10)
    np.testing.assert_array_equal(read_image(content).pixels, grey(SLICE))


def test_window_is_applied_to_rescaled_values() -> None:
    rescaled = dicom(SLICE, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=500, WindowWidth=800)
    plain = dicom((SLICE * 2 - 100).astype(np.int16), WindowCenter=500, WindowWidth=800)
    np.testing.assert_array_equal(read_image(rescaled).pixels, read_image(plain).pixels)


def test_monochrome1_dicom_is_inverted() -> None:
    inverted = dicom(SLICE, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_image(inverted).pixels, 255 - grey(SLICE))


def test_12_bits_with_an_overlay_above_them_and_16_bits_agree() -> None:
    twelve = (SLICE.astype(np.uint16)) | 0x8000
    content = dicom(twelve, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_image(content).pixels, grey(SLICE))


def test_signed_12_bit_values_keep_their_sign() -> None:
    signed = (SLICE - 400).astype(np.int16)
    content = dicom((signed & 0x0FFF).astype(np.int16), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_image(content).pixels, grey(signed))


def test_padding_is_black_and_does_not_count_for_the_window() -> None:
    padded = SLICE.copy()
    padded[:3] = -32000
    pixels = read_image(dicom(padded, PixelPaddingValue=-32000)).pixels
    np.testing.assert_array_equal(pixels[3:], grey(padded[3:]))
    assert pixels[:3].max() == 0


def test_oblong_pixels_are_resampled_to_squares() -> None:
    assert read_image(dicom(SLICE, PixelSpacing=[2, 1])).pixels.shape == (40, 24)
    assert read_image(dicom(SLICE, PixelSpacing=[1, 1.01])).pixels.shape == (20, 24)


def test_damaged_pixel_spacing_leaves_pixels_as_they_are() -> None:
    assert read_image(dicom(SLICE, PixelSpacing=[1e30, 1])).pixels.shape == (20, 24)


def test_coloured_secondary_capture_becomes_grey_with_notes() -> None:
    image = read_image(pydicom_file("SC_rgb_rle.dcm"))
    assert image.pixels.shape == (100, 100)
    assert ["secondary capture" in image.notes[0], "coloured" in image.notes[1]] == [True, True]


def test_all_codings_of_one_coloured_picture_become_the_same_grey() -> None:
    names = ["SC_rgb_rle.dcm", "SC_rgb_gdcm_KY.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_rle_16bit.dcm"]
    first, *others = (read_image(pydicom_file(name)).pixels.astype(int) for name in names)
    assert max(np.abs(first - other).mean() for other in others) < 2


# Series and multi-frame files


@pytest.mark.parametrize("stored", STORED)
def test_shuffled_series_becomes_one_upright_volume(stored: str) -> None:
    contents = series(stored, spacing_mm=1.5)
    order = np.random.default_rng(1).permutation(len(contents))
    volume = volume_of([contents[i] for i in order])
    plane = stored.split(",")[0]
    np.testing.assert_array_equal(volume.slices, grey(upright(plane)))
    assert (volume.plane, volume.format, volume.spacing_mm) == (plane, "DICOM", pytest.approx(1.5))


def test_lone_slice_is_upright_too() -> None:
    image = read_image(series("axial, head first prone", WindowCenter=300, WindowWidth=600)[11])
    pixels = read_image(series("axial", WindowCenter=300, WindowWidth=600)[11]).pixels
    np.testing.assert_array_equal(image.pixels, pixels)


def test_series_without_positions_is_ordered_by_instance_number() -> None:
    slices = head().transpose(2, 1, 0)
    contents = [dicom(pixels, SeriesInstanceUID="1.2", InstanceNumber=i) for i, pixels in enumerate(slices)]
    volume = volume_of(contents[::-1])
    np.testing.assert_array_equal(volume.slices, grey(slices))
    assert volume.plane == ""
    assert np.isnan(volume.spacing_mm)


def test_series_with_one_window_uses_it_and_with_several_uses_percentiles() -> None:
    same = volume_of(series(WindowCenter=300, WindowWidth=601))
    np.testing.assert_array_equal(same.slices, np.rint(np.clip(upright("axial") + 0.5, 0, 600) / 600 * 255))
    several = [*series(WindowCenter=300, WindowWidth=601)[:11], *series(WindowCenter=90, WindowWidth=99)[11:]]
    np.testing.assert_array_equal(volume_of(several).slices, grey(upright("axial")))
    # And both say which it was.
    assert same.steps[0] == BY_WINDOW
    assert volume_of(several).steps[0] == BY_PERCENTILES
    assert "axial" in same.steps[1]


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


# Refusals


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
    assert "does not say" in read_image(dicom(SLICE, Modality=None)).notes[0]


def test_burned_in_annotation_is_warned_about() -> None:
    assert "may be a name" in read_image(dicom(SLICE, BurnedInAnnotation="YES")).notes[0]


def test_whole_series_of_another_modality_is_refused_once() -> None:
    (reading,) = read_files(series(Modality="CT"))
    assert isinstance(reading.content, UnsuitableImage)
    assert reading.files == tuple(range(22))


def test_damaged_slice_is_refused_alone_and_the_others_make_a_volume() -> None:
    contents = series()
    contents[5] = contents[5][:-100]
    volume, refusal = read_files(contents)
    assert len(volume.content.slices) == 21
    assert (refusal.files, type(refusal.content)) == ((5,), UnreadableImage)


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


def test_syntax_without_decoder_is_named_with_what_to_do() -> None:
    dataset = pydicom.dcmread(io.BytesIO(MR_SMALL))
    dataset.file_meta.TransferSyntaxUID = MPEG2MPML
    dataset.PixelData = pydicom.encaps.encapsulate([bytes(100)])
    dataset["PixelData"].is_undefined_length = True
    with pytest.raises(UnsupportedFormat, match=r"MPEG2 .*Export it uncompressed"):
        read_image(as_file(dataset, MPEG2MPML))


def test_codestream_larger_than_the_header_says_is_refused_before_decoding() -> None:
    dataset = pydicom.dcmread(get_testdata_file("MR_small_jp2klossless.dcm"))
    (stream,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    bomb = stream[:8] + (60_000).to_bytes(4, "big") * 2 + stream[16:]
    dataset.PixelData = pydicom.encaps.encapsulate([bomb])
    with pytest.raises(UnreadableImage):
        read_image(as_file(dataset, JPEG2000Lossless))


# Whose picture it is


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
