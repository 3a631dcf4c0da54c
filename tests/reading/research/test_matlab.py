"""MATLAB 7.3 files: Cheng's image, with limits, and nothing outside the file."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from model.errors import ImageError, TooManyPixels, UnreadableImage, UnsuitableImage
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from tests.support.formats.research import matlab
from tests.support.heads import SLICE, grey


def test_image_is_shown_as_matlab_shows_it() -> None:
    image = read_image(matlab())
    assert image.format == "MATLAB"
    np.testing.assert_array_equal(image.pixels, grey(SLICE.T))


def test_file_of_another_program_reads_the_same() -> None:
    np.testing.assert_array_equal(read_image(matlab()[512:]).pixels, grey(SLICE.T))


def test_older_version_is_named() -> None:
    with pytest.raises(UnsuitableImage, match="older version"):
        read_image(matlab(version=b"5.0"))


def test_file_without_an_image_says_where_one_is_looked_for() -> None:
    with pytest.raises(UnsuitableImage, match=r"cjdata\.image"):
        read_image(matlab(np.zeros((3, 4, 5))))


def test_size_is_refused_before_decoding() -> None:
    with pytest.raises(TooManyPixels):
        read_image(matlab(), max_pixels=100)


@pytest.mark.parametrize("kind", ["external link", "external values", "soft link", "virtual"])
def test_no_other_file_is_opened(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["image"] = np.full((40, 40), 7, np.int16)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        group = file.create_group("cjdata")
        if kind == "external link":
            group["image"] = h5py.ExternalLink(str(secret), "/image")
        elif kind == "soft link":
            group["image"] = h5py.SoftLink("/cjdata/other")
        elif kind == "external values":
            group.create_dataset("image", (40, 40), np.int16, external=[(str(secret), 0, 3200)])
        else:
            layout = h5py.VirtualLayout((40, 40), np.int16)
            layout[:] = h5py.VirtualSource(str(secret), "image", shape=(40, 40))
            group.create_virtual_dataset("image", layout)
    with pytest.raises(ImageError):
        read_image(b"MATLAB 7.3 MAT-file" + buffer.getvalue()[19:])


def test_chunk_of_any_size_is_not_decompressed() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        file.create_dataset(
            "cjdata/image", (40, 40), np.int16, chunks=(20_000, 20_000), maxshape=(None, None), compression="gzip"
        )
    with pytest.raises(UnreadableImage):
        read_image(b"MATLAB 7.3 MAT-file" + buffer.getvalue()[19:])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_off_file_gives_no_picture(share: float) -> None:
    with pytest.raises(UnreadableImage):
        read_image(matlab()[: int(share * len(matlab()))])


def test_any_damage_ends_as_a_picture_or_an_image_error() -> None:
    random = np.random.default_rng(23)
    for _ in range(300):
        content = bytearray(matlab())
        for _ in range(3):
            content[int(random.integers(512, len(content)))] = int(random.integers(256))
        assert len(read_files([bytes(content)])) == 1
