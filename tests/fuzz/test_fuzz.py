"""Every damaged file, in every format, is either read or refused with an ImageError."""

import warnings
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from model.errors import ImageError
from model.reading.contents import Limits, MriImage, MriVolume
from model.reading.many_files import read_files
from tests.fuzz.seeds import seeds

LIMITS = Limits(max_pixels=1_000_000, max_voxels=1_000_000, max_files=5)
CRASHES = sorted(path for path in (Path(__file__).parent / "crashes").iterdir() if path.suffix != ".md")


def assert_read_or_refused(content: bytes) -> None:
    for reading in read_files([content], LIMITS):
        assert isinstance(reading.content, MriImage | MriVolume | ImageError)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Change up to eight bytes, early ones more often; then possibly cut off, repeat or insert a piece."""
    changed = bytearray(content)
    places = st.one_of(st.integers(0, min(len(content), 600) - 1), st.integers(0, len(content) - 1))
    for place, value in draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        changed[place] = value
    start, end = sorted((draw(st.integers(0, len(changed))), draw(st.integers(0, len(changed)))))
    match draw(st.sampled_from(["keep", "keep", "cut", "repeat", "insert"])):
        case "cut":
            del changed[start:end]
        case "repeat":
            changed[end:end] = changed[start : min(end, start + 1000)]
        case "insert":
            changed[start:start] = draw(st.binary(max_size=50))
    return bytes(changed)


def read_damaged(name: str, n_times: int) -> None:
    @settings(
        max_examples=n_times, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(content=damaged(seeds()[name]))
    def is_read_or_refused(content: bytes) -> None:
        assert_read_or_refused(content)

    with warnings.catch_warnings():
        # Hypothesis warns that tests under coverage are slow; warnings from decoders do not matter here.
        warnings.simplefilter("error")
        is_read_or_refused()


@pytest.mark.parametrize("name", seeds())
def test_seed_is_read(name: str) -> None:
    readings = read_files([seeds()[name]], LIMITS)
    assert next(reading.files for reading in readings) == (0,)


def test_there_are_thirty_seeds() -> None:
    assert len(seeds()) >= 30


@pytest.mark.parametrize("name", seeds())
def test_damaged_file_is_read_or_refused(name: str) -> None:
    read_damaged(name, 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", seeds())
def test_much_damaged_file_is_read_or_refused(name: str) -> None:
    read_damaged(name, 200)


def test_files_that_once_broke_a_decoder_are_read_or_refused() -> None:
    for path in CRASHES:
        assert_read_or_refused(path.read_bytes())
