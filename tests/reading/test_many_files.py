"""Several files at once: order, series among images, zip archives, and limits."""

import hashlib
import io
import struct
import zipfile

import numpy as np
import pytest

from model.answers.certainty import UNCERTAIN
from model.answers.prediction import Prediction
from model.card import WEIGHTS_FOLDER
from model.errors import EmptyFile, TooManyFiles, TooManyPixels, UnreadableImage, UnsupportedFormat
from model.network.classifier import Classifier
from model.reading.archives import name_in
from model.reading.contents import Limits, MriImage, MriVolume, Reading
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from tests.support.heads import dicom, head, nifti, series
from tests.support.images import encoded
from tests.support.samples import SAMPLES

# Largest difference of one slice's probabilities between formats: JPEG at quality 95 changes grey levels by a few, and
# so does scaling the range of DICOM and NIfTI. Between two classes the effect on probabilities is larger.
TOLERANCE = 0.02
TOLERANCE_IF_UNCERTAIN = 0.05


def png(value: int = 0) -> bytes:
    return encoded(np.random.default_rng(value).integers(0, 255, (40, 30), np.uint8), "PNG")


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def kinds(readings: list[Reading]) -> list[tuple[tuple[int, ...], str]]:
    return [(reading.files, type(reading.content).__name__) for reading in readings]


def test_pictures_series_and_bad_files_come_back_by_their_first_file() -> None:
    slices = series()
    contents = [b"", slices[1], png(), slices[0], b"text", nifti(), *slices[2:], png()[:200]]
    n = len(contents)
    assert kinds(read_files(contents)) == [
        ((0,), "EmptyFile"),
        ((1, 3, *range(6, n - 1)), "MriVolume"),
        ((2,), "MriImage"),
        ((4,), "UnsupportedFormat"),
        ((5,), "MriVolume"),
        ((n - 1,), "UnreadableImage"),
    ]


def test_nothing_gives_nothing() -> None:
    assert read_files([]) == []


def test_picture_reads_as_it_does_alone() -> None:
    (reading,) = read_files([png()])
    assert isinstance(reading.content, MriImage)
    np.testing.assert_array_equal(reading.content.pixels, read_image(png()).pixels)


def test_name_in_a_zip_says_nothing_about_the_format() -> None:
    (reading,) = read_files([zipped({"a.jpg": series()[0]})])
    assert reading.content.format == "DICOM"


# Archives


def test_series_in_a_zip_is_read_as_if_given_one_by_one() -> None:
    slices = series()
    packed = zipped({f"IMG{i:04}": content for i, content in enumerate(slices[::-1])})
    (reading,) = read_files([packed])
    assert reading.files == (0,)
    assert isinstance(reading.content, MriVolume)
    (given,) = read_files(slices)
    np.testing.assert_array_equal(reading.content.slices, given.content.slices)


def test_series_half_in_a_zip_names_both_places() -> None:
    slices = series()
    packed = zipped({str(i): content for i, content in enumerate(slices[1:])})
    assert kinds(read_files([slices[0], packed])) == [((0, 1), "MriVolume")]


def test_pictures_of_a_zip_stay_in_its_order_and_place() -> None:
    packed = zipped({"b.png": png(1), "a.png": png(2)})
    first, second, third = read_files([packed, png(3)])
    assert [first.files, second.files, third.files] == [(0,), (0,), (1,)]
    np.testing.assert_array_equal(first.content.pixels, read_image(png(1)).pixels)


def test_hidden_files_folders_and_dicomdir_are_left_out() -> None:
    packed = zipped({
        ".DS_Store": b"x", "__MACOSX/._a.png": b"x", "folder/": b"", "CD/DICOMDIR": b"x", ".git/a.png": b"x",
        "CD/a.png": png(),
    })  # fmt: skip
    assert kinds(read_files([packed])) == [((0,), "MriImage")]


def test_files_of_a_zip_are_told_apart_by_their_place_in_it_and_their_hash() -> None:
    contents = {"folder/": b"", ".hidden": b"x", "b.png": png(1), "folder/a.png": png(2)}
    packed = zipped(contents)
    readings = read_files([png(3), packed])
    assert [[m.place for m in reading.members] for reading in readings] == [[], [2], [3]]
    assert readings[2].members[0].sha256 == hashlib.sha256(png(2)).hexdigest()
    assert name_in(packed, readings[2].members[0].place) == "folder/a.png"


def test_other_files_of_a_zip_are_refused_together() -> None:
    packed = zipped({"viewer.exe": b"MZ", "read.me": b"text", "a.png": png(), "autorun.inf": b"[autorun]"})
    refusal, picture = read_files([packed])
    assert isinstance(picture.content, MriImage)
    assert isinstance(refusal.content, UnsupportedFormat)
    assert "left out: 3" in str(refusal.content)


def test_zip_in_a_zip_is_refused() -> None:
    (reading,) = read_files([zipped({"inner.zip": zipped({"a.png": png()})})])
    assert isinstance(reading.content, UnsupportedFormat)
    assert "another zip file" in str(reading.content)


@pytest.mark.parametrize("content", [zipped({}), zipped({"folder/": b"", ".hidden": b"x"})])
def test_zip_without_files_is_empty(content: bytes) -> None:
    assert kinds(read_files([content])) == [((0,), "EmptyFile")]
    assert EmptyFile.code == "empty_file"


def test_encrypted_zip_is_refused_with_what_to_do() -> None:
    packed = bytearray(zipped({"a.png": png()}))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(signature) + place] |= 1
    (reading,) = read_files([bytes(packed)])
    assert isinstance(reading.content, UnreadableImage)
    assert "without a password" in str(reading.content)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_of_unusual_compression_is_refused(compression: int) -> None:
    assert kinds(read_files([zipped({"a.png": png()}, compression)])) == [((0,), "UnreadableImage")]


def test_zip_bomb_is_refused_by_what_it_claims() -> None:
    bomb = zipped({"a": bytes(50_000_000)})
    (reading,) = read_files([bomb], Limits(max_voxels=1_000_000))
    assert isinstance(reading.content, TooManyPixels)


def test_zip_bomb_that_claims_to_be_small_is_refused() -> None:
    bomb = bytearray(zipped({"a": bytes(5_000_000)}))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", bomb, bomb.index(signature) + place, 1000)
    (reading,) = read_files([bytes(bomb)], Limits(max_voxels=1_000_000))
    assert isinstance(reading.content, UnreadableImage | TooManyPixels)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_cut_off_zip_is_unreadable(share: float) -> None:
    packed = zipped({"a.png": png()})
    assert kinds(read_files([packed[: int(share * len(packed))], png()]))[0] == ((0,), "UnreadableImage")


def test_damaged_entry_of_a_zip_makes_it_unreadable() -> None:
    packed = bytearray(zipped({"a.png": png()}))
    packed[100] ^= 0xFF
    assert kinds(read_files([bytes(packed)])) == [((0,), "UnreadableImage")]


# Limits


def test_zip_of_more_files_than_allowed_is_refused_whole() -> None:
    packed = zipped({f"{i}.png": png() for i in range(4)})
    (reading,) = read_files([packed], Limits(max_files=3))
    assert isinstance(reading.content, TooManyFiles)
    assert "at most 3 files" in str(reading.content)


def test_zip_of_many_more_entries_than_allowed_is_refused_before_its_directory_is_read() -> None:
    packed = zipped({f".{i}": b"" for i in range(20)})
    assert kinds(read_files([packed], Limits(max_files=3))) == [((0,), "TooManyFiles")]


def test_zip_of_few_files_among_hidden_ones_is_read() -> None:
    hidden = {f"__MACOSX/._{i}": b"" for i in range(6)}
    packed = zipped({"a.png": png(1), "b.png": png(2), **hidden})
    assert [type(r.content).__name__ for r in read_files([packed], Limits(max_files=2))] == ["MriImage"] * 2


def test_files_beyond_the_limit_are_refused_together() -> None:
    assert kinds(read_files([png()] * 4, Limits(max_files=2))) == [
        ((0,), "MriImage"),
        ((1,), "MriImage"),
        ((2, 3), "TooManyFiles"),
    ]


def test_volumes_beyond_the_limit_of_voxels_are_refused_and_earlier_ones_read() -> None:
    n_voxels = head().size
    contents = [*series(uid="1.1"), *series(uid="1.2"), nifti()]
    readings = read_files(contents, Limits(max_voxels=2 * n_voxels))
    assert [type(r.content).__name__ for r in readings] == ["MriVolume", "MriVolume", "TooManyPixels"]
    readings = read_files(contents, Limits(max_voxels=n_voxels))
    assert [type(r.content).__name__ for r in readings] == ["MriVolume", "TooManyPixels", "TooManyPixels"]


def test_pictures_of_a_zip_count_as_voxels_and_others_do_not() -> None:
    limits = Limits(max_voxels=40 * 30 + 10)
    packed = zipped({"a.png": png(1), "b.png": png(2)})
    assert [type(r.content).__name__ for r in read_files([packed], limits)] == ["MriImage", "TooManyPixels"]
    assert [type(r.content).__name__ for r in read_files([png(1), png(2)], limits)] == ["MriImage", "MriImage"]


# The same slice in every format


@pytest.fixture(scope="module")
def published() -> Classifier:
    return Classifier.load(WEIGHTS_FOLDER / "xception.json")


def formats_of(pixels: np.ndarray) -> list[bytes]:
    """Write a slice, uint8, as DICOM of 12 bits, NIfTI, 16-bit PNG and JPEG; the first is the lossless original."""
    deep = pixels.astype(np.uint16) * 16
    return [
        encoded(pixels, "PNG"),
        dicom(deep, BitsStored=12, HighBit=11),
        nifti(values=deep.T[..., None]),
        encoded(pixels.astype(np.uint16) * 257, "PNG"),
        encoded(pixels, "JPEG", quality=95),
    ]


def predictions_by_format(published: Classifier, name: str) -> list[Prediction]:
    readings = list(read_files(formats_of(read_image(SAMPLES / f"{name}.jpg").pixels)))
    assert [reading.content.format for reading in readings] == ["PNG", "DICOM", "NIfTI", "PNG", "JPEG"]
    return published.predict([reading.content for reading in readings])


@pytest.mark.parametrize("name", ["glioma", "meningioma", "no_tumor", "pituitary"])
def test_one_slice_gets_the_same_class_and_answer_in_every_format(published: Classifier, name: str) -> None:
    predictions = predictions_by_format(published, name)
    assert len({(prediction.predicted_class, prediction.answer) for prediction in predictions}) == 1


# Scaling the range of the deep formats changes this slice by 2.6 grey levels on average, and xception 3.1.1, which is
# unclear about it, by 0.083.
MOVES = pytest.param("no_tumor", marks=pytest.mark.xfail(strict=True, reason="xception 3.1.1 moves by 0.083"))


@pytest.mark.parametrize("name", ["glioma", "meningioma", MOVES, "pituitary"])
def test_one_slice_gets_the_same_probabilities_in_every_format(published: Classifier, name: str) -> None:
    first, *others = predictions_by_format(published, name)
    tolerance = TOLERANCE_IF_UNCERTAIN if first.answer == UNCERTAIN else TOLERANCE
    for other in others:
        np.testing.assert_allclose(other.probabilities, first.probabilities, atol=tolerance)


def test_folders_that_are_written_with_backslashes_are_passed_over() -> None:
    slice_ = encoded(head()[:, :, 11].astype(np.uint8))
    (reading,) = read_files([zipped({"study\\": b"", "study\\series\\": b"", "study\\series\\1.png": slice_})])
    assert isinstance(reading.content, MriImage)
