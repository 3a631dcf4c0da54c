"""NIfTI files of any orientation, scaling and header, whole and damaged."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.testing import data_path

from model.errors import ImageError, TooManyPixels, UnreadableImage, UnsuitableImage, UnsupportedFormat
from model.reading.contents import Limits, MriImage, MriVolume
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from model.reading.orientation import ORIENTATION_NOTE
from model.reading.research.reader import read_volume
from model.reading.signatures import VolumeFormat, volume_format
from tests.support.heads import grey, head, nifti, upright

MAX_PIXELS = 1_000_000


def read(content: bytes) -> MriVolume:
    (volume,) = read_volume(content, MAX_PIXELS)
    assert isinstance(volume, MriVolume)
    return volume


def changed(content: bytes, offset: int, layout: str, *values: float) -> bytes:
    """Overwrite a field of a NIfTI-1 header."""
    return content[:offset] + struct.pack(layout, *values) + content[offset + struct.calcsize(layout) :]


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("compressed", [False, True])
def test_nifti_is_recognised_by_its_header(kind: type, compressed: bool) -> None:
    content = nifti(kind=kind, compressed=compressed)
    assert volume_format(content) is VolumeFormat.NIFTI
    np.testing.assert_array_equal(read(content).slices, grey(upright("axial")))


@pytest.mark.parametrize(
    "content", [b"", b"\x5c\x01\x00\x00" + bytes(400), gzip.compress(b"hello" * 100, mtime=0), b"\x1f\x8b" + bytes(50)]
)
def test_other_content_is_not_nifti(content: bytes) -> None:
    assert volume_format(content) is None


def test_big_endian_file_reads_the_same() -> None:
    image = nibabel.Nifti1Image.from_bytes(nifti())
    header = image.header.as_byteswapped(">")
    swapped = nibabel.Nifti1Image(np.asarray(image.dataobj), None, header).to_bytes()
    assert swapped[:4] == b"\x00\x00\x01\x5c"
    np.testing.assert_array_equal(read(swapped).slices, grey(upright("axial")))


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "LPI", "LPS", "PSR", "ILA", "SRA", "AIR"])
@pytest.mark.parametrize(
    ("plane", "spacing_mm"),
    [("axial", (1, 1, 3)), ("coronal", (1, 3, 1)), ("sagittal", (3, 1, 1)), ("axial", (1, 1, 1))],
)
def test_any_orientation_gives_the_same_upright_slices_of_the_plane_of_acquisition(
    orientation: str, plane: str, spacing_mm: tuple[float, float, float]
) -> None:
    volume = read(nifti(orientation, spacing_mm))
    assert volume.plane == plane
    assert volume.spacing_mm == pytest.approx(spacing_mm[["sagittal", "coronal", "axial"].index(plane)])
    np.testing.assert_array_equal(volume.slices, grey(upright(plane)))


@pytest.mark.parametrize(("spacing_mm", "plane"), [(1.05, "axial"), (1.2, "sagittal")])
def test_volume_is_cut_across_another_axis_only_where_its_voxels_are_clearly_longer(
    spacing_mm: float, plane: str
) -> None:
    assert read(nifti(spacing_mm=(spacing_mm, 1, 1))).plane == plane


def test_oblong_pixels_are_resampled_to_squares() -> None:
    assert read(nifti(spacing_mm=(1, 2, 4))).slices.shape == (22, 48, 20)


def test_slope_and_intercept_change_no_grey_level() -> None:
    scaled = changed(nifti(), 112, "<2f", -2.0, 50.0)
    np.testing.assert_array_equal(read(scaled).slices, grey(-2.0 * upright("axial") + 50))


def test_nan_and_infinity_are_black() -> None:
    values = head().astype(np.float32)
    values[10, 12, 11], values[10, 12, 12] = np.nan, np.inf
    slices = read(nifti(values=values)).slices
    assert slices[11, 12, 10] == slices[12, 12, 10] == 0
    assert slices.max() == 255


def test_one_slice_is_an_image_whichever_axis_it_lies_across() -> None:
    for values, plane in ((head()[:, :, 11:12], "axial"), (head()[:, 12:13], "coronal"), (head()[10:11], "sagittal")):
        image = read_image(nifti(values=values, compressed=True))
        assert isinstance(image, MriImage)
        assert image.format == "NIfTI"
        middle = {"axial": 11, "coronal": 12, "sagittal": 9}[plane]
        np.testing.assert_array_equal(image.pixels, grey(upright(plane)[middle]))


def test_volume_is_refused_where_one_slice_is_expected() -> None:
    with pytest.raises(UnsuitableImage, match="volume of 22 slices"):
        read_image(nifti())


@pytest.mark.parametrize("n_sequences", [1, 2, 4])
def test_each_sequence_of_a_4d_file_is_a_volume_of_its_own(n_sequences: int) -> None:
    stored = np.stack([head()[::-1, ::-1] * (i + 1) % 1000 for i in range(n_sequences)], axis=3)
    readings = read_files([nibabel.Nifti1Image(stored, np.diag([1.0, 1, 1.01, 1])).to_bytes()])
    assert [reading.files for reading in readings] == [(0,)] * n_sequences
    for i, reading in enumerate(readings):
        np.testing.assert_array_equal(reading.content.slices, grey(upright("axial") * (i + 1) % 1000))
        assert (f"Sequence {i + 1} of {n_sequences}" in "".join(reading.content.notes)) == (n_sequences > 1)


def test_4d_file_of_more_than_sequences_is_refused_with_its_shape() -> None:
    times = nibabel.Nifti1Image(np.zeros((4, 5, 6, 9), np.int16), np.eye(4)).to_bytes()
    with pytest.raises(UnsuitableImage, match="4 x 5 x 6 x 9"):
        read_volume(times, MAX_PIXELS)


def test_voxels_follow_the_header_where_the_offset_says_zero() -> None:
    np.testing.assert_array_equal(read(changed(nifti(), 108, "<f", 0)).slices, grey(upright("axial")))


def test_qform_is_used_where_the_sform_is_empty() -> None:
    image = nibabel.Nifti1Image.from_bytes(nifti("LPI"))
    image.set_qform(image.affine, code=1)
    emptied = changed(image.to_bytes(), 280, "<12f", *[0.0] * 12)
    np.testing.assert_array_equal(read(emptied).slices, grey(upright("axial")))


@pytest.mark.parametrize("axis", [0, 1])
def test_odd_axis_of_an_array_without_orientation_counts_the_slices(axis: int) -> None:
    stack = upright("axial")[8:12]
    volume = read(nibabel.Nifti1Image(np.moveaxis(stack, 0, axis), np.eye(4)).to_bytes())
    np.testing.assert_array_equal(volume.slices, grey(stack))
    assert volume.notes == (ORIENTATION_NOTE,)


@pytest.mark.parametrize("n_labels", [1, 6])
def test_label_map_is_named_as_such(n_labels: int) -> None:
    labels = np.kron(np.arange(8).reshape(2, 2, 2) % (n_labels + 1), np.ones((10, 10, 10))).astype(np.int16)
    with pytest.raises(UnsuitableImage, match="label map"):
        read(nifti(values=labels))


def test_nibabels_own_volume_is_read() -> None:
    volume = read((Path(data_path) / "anatomical.nii").read_bytes())
    assert (volume.slices.shape, volume.plane, volume.spacing_mm) == ((25, 41, 33), "axial", 2.0)


def test_missing_orientation_is_said() -> None:
    unknown = changed(nifti(), 252, "<2h", 0, 0)
    assert read(unknown).notes == (ORIENTATION_NOTE,)


@pytest.mark.parametrize(
    "name", ["functional.nii", "example_nifti2.nii.gz", "nifti1.hdr", "analyze.hdr", "row_major.dconn.nii"]
)
def test_what_is_no_volume_is_refused(name: str) -> None:
    with pytest.raises(UnsuitableImage):
        read_image(Path(data_path) / name)


@pytest.mark.parametrize("name", ["tiny.mnc", "minc2_1_scale.mnc"])
def test_minc_is_unsupported(name: str) -> None:
    with pytest.raises(UnsupportedFormat):
        read_image(Path(data_path) / name)


@pytest.mark.parametrize("dtype", [[("R", "u1"), ("G", "u1"), ("B", "u1")], np.complex64])
def test_colours_and_complex_numbers_are_refused(dtype: object) -> None:
    content = nibabel.Nifti1Image(np.zeros((8, 8, 8), dtype), np.eye(4)).to_bytes()
    with pytest.raises(UnsuitableImage, match="instead of grey values"):
        read_volume(content, MAX_PIXELS)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("compressed", [False, True])
def test_cut_off_file_gives_no_picture(share: float, compressed: bool) -> None:
    content = nifti(compressed=compressed)
    (reading,) = read_files([content[: int(share * len(content))]])
    assert isinstance(reading.content, UnreadableImage | UnsupportedFormat)


def test_flipped_bit_in_a_compressed_volume_is_found() -> None:
    content = bytearray(nifti(compressed=True))
    content[-6] ^= 1
    with pytest.raises(UnreadableImage):
        read(bytes(content))


def test_members_of_a_gzip_file_are_joined() -> None:
    content = nifti()
    joined = gzip.compress(content[:5000]) + gzip.compress(content[5000:])
    np.testing.assert_array_equal(read(joined).slices, read(content).slices)


@pytest.mark.parametrize("shape", [(10_000, 10_000, 10_000), (32_767, 32_767, 1), (500, 500, 500)])
@pytest.mark.parametrize("compressed", [False, True])
def test_size_that_a_header_claims_is_refused_before_decoding(shape: tuple[int, int, int], compressed: bool) -> None:
    content = changed(nifti(), 42, "<3h", *shape)
    with pytest.raises(TooManyPixels):
        read_volume(gzip.compress(content) if compressed else content, MAX_PIXELS)


def test_gzip_bomb_behind_a_small_header_is_not_inflated() -> None:
    bomb = gzip.compress(nifti() + bytes(200_000_000), 1)
    tracemalloc.start()
    with pytest.raises(UnreadableImage):
        read(bomb)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("offset", [1e9, 3e38, -5.0, float("nan")])
def test_voxels_outside_of_the_file_are_unreadable(offset: float) -> None:
    with pytest.raises(UnreadableImage):
        read(changed(nifti(), 108, "<f", offset))


def test_affine_without_a_third_axis_is_unreadable() -> None:
    with pytest.raises(UnreadableImage):
        read(changed(nifti(), 312, "<4f", 0, 0, 0, 0))


def test_affine_of_impossible_size_is_unreadable() -> None:
    with pytest.raises(UnreadableImage):
        read(changed(nifti(), 280, "<4f", 3e38, 3e38, 3e38, 0))


def test_free_text_of_the_header_gets_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for content in (changed(nifti(), 148, "6s", b"CANARY"), changed(nifti()[:900], 148, "6s", b"CANARY")):
        (reading,) = read_files([content])
        assert "CANARY" not in f"{reading.content!r} {vars(reading.content)} {caplog.text}"


def test_any_damage_to_a_file_ends_as_a_picture_or_an_image_error() -> None:
    random = np.random.default_rng(21)
    n_refused = 0
    for i in range(300):
        content = bytearray(nifti() if i % 2 else nifti(compressed=True))
        content[int(random.integers(352 if i % 2 else len(content)))] = int(random.integers(256))
        if i % 3 == 0:
            del content[int(random.integers(len(content))) :]
        (reading,) = read_files([bytes(content)], Limits(max_voxels=100_000))
        n_refused += isinstance(reading.content, ImageError)
    assert n_refused > 100
