"""Headers are paired with voxels by size, by name if known, and never by guessing."""

import gzip

import numpy as np
import pytest

from model.errors import UnsuitableImage
from model.reading.contents import MriVolume, Reading
from model.reading.many_files import by_series, read_files
from tests.support.formats.research import analyze, metaimage, zipped
from tests.support.heads import grey, head, nifti
from tests.support.images import GOOD

HEADER, VOXELS = analyze()
OTHER_HEADER, OTHER_VOXELS = analyze((2 * head()) % 1000)
SMALL_HEADER, SMALL_VOXELS = analyze(head()[:, :, 4:].copy())


def places(readings: list[Reading]) -> list[tuple[int, ...]]:
    return [reading.files for reading in readings if isinstance(reading.content, MriVolume)]


@pytest.mark.parametrize("turn", [1, -1])
def test_pair_is_one_volume_whatever_comes_first_and_in_between(turn: int) -> None:
    readings = read_files([HEADER, GOOD, VOXELS][::turn])
    assert [reading.files for reading in readings] == [(0, 2), (1,)]
    assert places(readings) == [(0, 2)]


def test_pairs_are_told_by_the_size_of_their_voxels() -> None:
    assert places(read_files([HEADER, SMALL_HEADER, SMALL_VOXELS, VOXELS])) == [(0, 3), (1, 2)]


def test_two_pairs_of_one_size_without_names_are_refused() -> None:
    readings = read_files([HEADER, VOXELS, OTHER_HEADER, OTHER_VOXELS])
    assert places(readings) == []
    assert "for several volumes, send a zip file" in str(readings[0].content)


def test_names_in_a_zip_file_tell_pairs_of_one_size_apart() -> None:
    packed = zipped({"b.img": OTHER_VOXELS, "a.img": VOXELS, "a.hdr": HEADER, "b.HDR": OTHER_HEADER})
    first, second = (reading.content for reading in read_files([packed]))
    np.testing.assert_array_equal(first.slices, grey((2 * head()[:, ::-1].transpose(2, 1, 0)) % 1000))
    np.testing.assert_array_equal(second.slices, grey(head()[:, ::-1].transpose(2, 1, 0)))


def test_header_never_takes_the_voxels_of_another_name() -> None:
    readings = read_files([zipped({"a.hdr": HEADER, "b.hdr": OTHER_HEADER, "b.img": OTHER_VOXELS})])
    assert sorted(type(reading.content).__name__ for reading in readings) == ["MriVolume", "UnsuitableImage"]


def test_compressed_and_padded_voxels_are_found() -> None:
    for voxels in (gzip.compress(VOXELS), VOXELS + bytes(512)):
        assert places(read_files([HEADER, voxels, nifti(compressed=True)])) == [(0, 1), (2,)]


def test_voxels_of_another_size_are_not_taken() -> None:
    readings = read_files([metaimage(data="head.raw"), SMALL_VOXELS])
    assert isinstance(readings[0].content, UnsuitableImage)


def test_files_of_one_name_are_read_together_where_one_is_a_header() -> None:
    names = ["s/a.hdr", "t/a.img", "s/a.img", "s/b.img", "s/c.img.gz", "s/c.HDR.gz"]
    assert by_series([b""] * len(names), names) == [[0, 2], [1], [3], [4, 5]]
