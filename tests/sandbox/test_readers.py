"""Files are read in separate processes, whose failures affect nothing else."""

import math
import re
import threading
import time
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from model.errors import Busy, TooManyPixels
from model.reading.contents import Limits, MriImage, MriVolume, Reading
from model.reading.many_files import read_files
from model.sandbox.messages import pack_files, pack_readings, unpack_files, unpack_readings
from model.sandbox.readers import SECONDS, DecoderFailed, Readers
from tests.support.heads import nifti, series
from tests.support.images import GOOD, OTHER_KINDS, drawn_slice, encoded
from tests.support.samples import TOP

LIMITS = Limits()
# What tests/support/misbehaving/clumsy_reader.py does with a file of each beginning.
CRASH, ABORT, LEAVE, HANG, BABBLE, EXHAUST = b"crash", b"abort", b"leave", b"hang", b"babble", b"exhaust"


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    readers = Readers()
    yield readers
    readers.close()


@pytest.fixture
def clumsy() -> Iterator[Readers]:
    readers = Readers(n_at_once=1, seconds=60, program="tests.support.misbehaving.clumsy_reader")
    yield readers
    readers.close()


def assert_same(received: list[Reading], expected: list[Reading]) -> None:
    assert [(reading.files, reading.members) for reading in received] == [(r.files, r.members) for r in expected]
    for one, other in zip(received, expected, strict=True):
        mine, theirs = one.content, other.content
        assert type(mine) is type(theirs)
        if isinstance(mine, MriImage):
            np.testing.assert_array_equal(mine.pixels, theirs.pixels)
        elif isinstance(mine, MriVolume):
            np.testing.assert_array_equal(mine.slices, theirs.slices)
            assert mine.plane == theirs.plane
            assert mine.spacing_mm == theirs.spacing_mm or math.isnan(mine.spacing_mm) == math.isnan(theirs.spacing_mm)
        else:
            assert mine.sentence.said_in(spoken) == theirs.sentence.said_in(spoken)
            continue
        assert (mine.format, mine.notes, mine.steps) == (theirs.format, theirs.notes, theirs.steps)
        assert [note.template for note in mine.notes] == [note.template for note in theirs.notes]


def spoken(template: str) -> str:
    return f"In another language: {template}"


def mixed_files() -> list[bytes]:
    two_pictures = encoded(drawn_slice(), "PNG", save_all=True, append_images=[])
    return [GOOD, b"", *series(), OTHER_KINDS["PDF"], nifti(), two_pictures, GOOD[:80]]


def test_reader_gives_what_reading_here_gives(readers: Readers) -> None:
    assert_same(readers.read(mixed_files(), LIMITS), read_files(mixed_files(), LIMITS))


def test_reader_keeps_the_limits(readers: Readers) -> None:
    (reading,) = readers.read([GOOD], Limits(max_pixels=100))
    assert isinstance(reading.content, TooManyPixels)


def test_packed_readings_are_unpacked_as_they_were() -> None:
    readings = read_files(mixed_files(), LIMITS)
    assert_same(unpack_readings(bytearray(b"".join(pack_readings(readings)))), readings)


def test_packed_files_are_unpacked_as_they_were() -> None:
    contents = [b"a\nb", b"", bytes(range(256))]
    message = bytearray(b"".join(pack_files(contents, Limits(1, 2, 3))))
    assert unpack_files(message) == (contents, Limits(1, 2, 3))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (CRASH, "by signal SIGSEGV"),
        (ABORT, "by signal SIGABRT"),
        (LEAVE, "with exit code 3"),
        (BABBLE, "decoding process"),
        (EXHAUST, "needs more memory"),
    ],
)
def test_file_over_which_the_reader_ends_is_refused_and_the_next_is_read(
    clumsy: Readers, kind: bytes, why: str
) -> None:
    (refused,) = clumsy.read([kind], LIMITS)
    assert isinstance(refused.content, DecoderFailed)
    assert why in refused.content.why
    (reading,) = clumsy.read([GOOD], LIMITS)
    assert isinstance(reading.content, MriImage)


def test_file_over_which_the_reader_hangs_is_given_up_in_time(clumsy: Readers) -> None:
    clumsy.seconds = 2
    (refused,) = clumsy.read([HANG], LIMITS)
    assert isinstance(refused.content, DecoderFailed)
    assert refused.content.why == "took more than 2 s"
    clumsy.seconds = 60
    assert isinstance(clumsy.read([GOOD], LIMITS)[0].content, MriImage)


def test_only_the_file_over_which_the_reader_ends_is_refused(clumsy: Readers) -> None:
    slices = series()
    readings = clumsy.read([GOOD, CRASH, *slices, GOOD], LIMITS)
    assert [(reading.files, type(reading.content)) for reading in readings] == [
        ((0,), MriImage),
        ((1,), DecoderFailed),
        (tuple(range(2, 2 + len(slices))), MriVolume),
        ((2 + len(slices),), MriImage),
    ]


def test_who_finds_all_readers_taken_is_told_so(clumsy: Readers) -> None:
    clumsy.seconds = 2
    holding = threading.Thread(target=clumsy.read, args=([HANG], LIMITS))
    holding.start()
    time.sleep(0.5)  # so that it holds the only child
    clumsy.seconds = 0.2
    with pytest.raises(Busy):
        clumsy.read([GOOD], LIMITS)
    holding.join(10)


def test_many_threads_each_get_their_own_pictures(readers: Readers) -> None:
    failures: list[str] = []

    def ask(grey: int) -> None:
        mine = encoded(np.full((30 + grey, 40), grey, np.uint8))
        for _ in range(10):
            (reading,) = readers.read([mine], LIMITS)
            if not isinstance(reading.content, MriImage) or not (reading.content.pixels == grey).all():
                failures.append(f"{grey} got another image")

    threads = [threading.Thread(target=ask, args=(grey,)) for grey in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_closed_readers_leave_no_process() -> None:
    readers, before = Readers(), psutil.Process().children()
    readers.read([GOOD], LIMITS)
    (child,) = set(psutil.Process().children()) - set(before)
    readers.close()
    assert not child.is_running()


def test_reader_gives_up_before_the_proxy_does() -> None:
    proxy = re.search(r"proxy_read_timeout (\d+)s;", (TOP / "deploy" / "nginx.conf").read_text(encoding="utf-8"))
    assert proxy
    assert int(proxy[1]) - 10 >= SECONDS
