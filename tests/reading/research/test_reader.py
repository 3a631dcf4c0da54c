"""MGH, Analyze, NRRD and MetaImage: the same head gives the same upright slices, with the checks of NIfTI."""

import gzip
import tracemalloc
import zlib

import numpy as np
import pytest

from model.errors import ImageError, TooManyPixels, UnreadableImage, UnsuitableImage
from model.reading.contents import Limits, MriImage, MriVolume
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from model.reading.orientation import ORIENTATION_NOTE
from model.reading.research.reader import read_volume
from tests.support.formats.research import analyze, metaimage, mgh, nifti_pair, nrrd
from tests.support.heads import grey, head, upright

MAX_PIXELS = 1_000_000
FILES = {
    "mgh": [mgh()], "mgz": [mgh(compressed=True)], "nifti pair": [*nifti_pair()],
    "analyze, sagittal as stored": [*analyze(head().transpose(1, 2, 0)[::-1].copy(), orient=2)],
    "nrrd": [nrrd()], "gzipped nrrd": [nrrd(encoding="gzip")], "nrrd in RAS": [
        nrrd(space="RAS", space_directions="(-1,0,0) (0,-1,0) (0,0,3)")],
    "nhdr": [nrrd(detached="head.raw"), head().tobytes("F")],
    "mha": [metaimage()], "compressed mha": [metaimage(compressed=True)],
    "mhd": [metaimage(data="head.raw"), head().tobytes("F")],
    "zraw": [metaimage(data="head.zraw", compressed=True), zlib.compress(head().tobytes("F"))],
}  # fmt: skip
ALONE = {name: files[0] for name, files in FILES.items() if len(files) == 1}


def read(*contents: bytes) -> MriVolume:
    (reading,) = read_files(contents)
    assert isinstance(reading.content, MriVolume), reading.content
    assert reading.files == tuple(range(len(contents)))
    return reading.content


@pytest.mark.parametrize("name", sorted(set(FILES) - {"analyze, sagittal as stored"}))
def test_volume_of_any_format_is_turned_upright(name: str) -> None:
    volume = read(*FILES[name])
    assert (volume.plane, volume.spacing_mm, volume.notes) == ("axial", pytest.approx(3), ())
    np.testing.assert_array_equal(volume.slices, grey(upright("axial")))


def test_analyze_goes_by_its_byte_of_orientation() -> None:
    volume = read(*FILES["analyze, sagittal as stored"])
    assert (volume.plane, volume.notes) == ("sagittal", ())
    np.testing.assert_array_equal(volume.slices, grey(upright("sagittal")))


@pytest.mark.parametrize(
    "files",
    [
        analyze(head()[:, ::-1].copy()),
        [nrrd(space="")],
        [metaimage(Offset="0 0 0")],
    ],
    ids=["analyze", "nrrd", "mha"],
)
def test_missing_orientation_is_said(files: list[bytes]) -> None:
    volume = read(*files)
    assert volume.notes == (ORIENTATION_NOTE,)
    np.testing.assert_array_equal(volume.slices, grey(upright("axial")))


def test_directions_turn_the_axes() -> None:
    turned = head().transpose(2, 0, 1).copy()
    for content in (
        nrrd(turned, space_directions="(0,0,3) (1,0,0) (0,1,0)"),
        metaimage(turned, TransformMatrix="0 0 1 1 0 0 0 1 0", ElementSpacing="3 1 1"),
    ):
        np.testing.assert_array_equal(read(content).slices, grey(upright("axial")))


@pytest.mark.parametrize("last", [True, False])
def test_sequences_of_a_file_are_volumes_wherever_their_axis_stands(last: bool) -> None:
    sets = np.stack([head(), 2 * head() % 1000], axis=3 if last else 0)
    vectors = ["(1,0,0)", "(0,1,0)", "(0,0,3)"]
    directions = " ".join([*vectors, "none"] if last else ["none", *vectors])
    for content in [nrrd(sets, space_directions=directions)] + ([] if last else [
        metaimage(sets, ElementNumberOfChannels="2", DimSize="20 24 22")]):  # fmt: skip
        first, second = (reading.content for reading in read_files([content]))
        np.testing.assert_array_equal(first.slices, grey(upright("axial")))
        np.testing.assert_array_equal(second.slices, grey(2 * upright("axial") % 1000))


def test_one_slice_is_an_image() -> None:
    for content in (
        mgh(head()[:, :, 11:12]),
        nrrd(head()[:, :, 11], space_directions="", space="", space_origin=""),
        metaimage(head()[:, :, 11], NDims="2", TransformMatrix="1 0 0 1", Offset="0 0", ElementSpacing="1 1"),
    ):
        image = read_image(content)
        assert isinstance(image, MriImage)
        np.testing.assert_array_equal(image.pixels, grey(head()[:, :, 11].T))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (nrrd(encoding="raw").replace(b"encoding: raw", b"encoding: ascii"), "not read here"),
        (nrrd(detached="LIST"), "not read here"),
        (metaimage(data="slice%03d.raw 1 22 1"), "not read here"),
        (metaimage(BinaryData="False"), "not read here"),
        (
            nrrd(np.zeros((3, 8, 8), np.uint8), kinds="RGB-color domain domain", space_directions=""),
            "instead of grey values",
        ),
        (
            metaimage(np.zeros((3, 8, 8, 8), np.uint8), ElementNumberOfChannels="3", DimSize="8 8 8"),
            "instead of grey values",
        ),
        (mgh(np.zeros((4, 5, 6, 9))), "4 x 5 x 6 x 9"),
        (analyze()[0], "Send both files together"),
        (nrrd(detached="head.raw"), "Send both files together"),
        (metaimage(data="head.raw"), "Send both files together"),
    ],
)
def test_what_is_not_read_is_named(content: bytes, said: str) -> None:
    (reading,) = read_files([content])
    assert isinstance(reading.content, UnsuitableImage)
    assert said in str(reading.content)


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9, 0.99])
def test_cut_off_file_gives_no_picture(name: str, share: float) -> None:
    (reading,) = read_files([ALONE[name][: int(share * len(ALONE[name]))]])
    assert isinstance(reading.content, ImageError)
    if share >= 0.5:
        assert "cut off or damaged" in str(reading.content)


@pytest.mark.parametrize(
    "content",
    [
        nrrd().replace(b"20 24 22", b"9999 9999 9999"),
        metaimage().replace(b"20 24 22", b"9999 9999 9999"),
        metaimage(compressed=True).replace(b"20 24 22", b"500 500 500"),
        gzip.compress(mgh()[:4] + (500).to_bytes(4) * 3 + mgh()[16:]),
        analyze()[0][:42] + b"\x00\x70" * 3 + analyze()[0][48:],
    ],
)
def test_size_that_a_header_claims_is_refused_before_decoding(content: bytes) -> None:
    with pytest.raises(TooManyPixels):
        read_volume(content, MAX_PIXELS)


@pytest.mark.parametrize(
    "bomb",
    [
        gzip.compress(mgh() + bytes(200_000_000), 1),
        nrrd(encoding="gzip") + gzip.compress(bytes(200_000_000), 1),
        metaimage(compressed=True)[:-2000] + zlib.compress(bytes(200_000_000), 1),
    ],
    ids=["mgz", "nrrd", "mha"],
)
def test_bomb_behind_a_small_header_is_not_inflated(bomb: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(UnreadableImage):
        read_volume(bomb, MAX_PIXELS)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_free_text_gets_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    named = [
        mgh() + b"CANARY" * 20,
        nrrd(content="CANARY", name_="= CANARY"),
        nrrd(content="CANARY")[:300],
        metaimage(Comment="CANARY"),
        metaimage(Comment="CANARY")[:200],
        metaimage(data="CANARY.raw"),
    ]
    for content in named:
        (reading,) = read_files([content])
        assert "CANARY" not in f"{reading.content!r} {vars(reading.content)} {caplog.text}"


@pytest.mark.parametrize("name", ALONE)
def test_any_damage_ends_as_a_picture_or_an_image_error(name: str) -> None:
    random = np.random.default_rng(22)
    for _ in range(100):
        content = bytearray(ALONE[name])
        content[int(random.integers(min(400, len(content))))] = int(random.integers(256))
        (reading, *_) = read_files([bytes(content)], Limits(max_voxels=100_000))
        assert isinstance(reading.content, MriImage | MriVolume | ImageError)
