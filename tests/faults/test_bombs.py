"""A2, A8, A12: uploads that are, or become, too large, seen from outside: status, time and memory."""

import asyncio
import struct
import time
import zlib
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from tests.faults.clients import BOUNDARY, Record, Reply, ask, prediction
from tests.support.images import png_that_claims
from tests.support.server import Server

HEAD = f"POST /api/v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
PART = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n\r\n'.encode()


async def peak_during(server: Server, request: bytes) -> tuple[Reply, float]:
    """Send a request. Return the answer, and the server's largest growth meanwhile in megabytes."""
    before = peak = server.rss_mb()
    asked = asyncio.create_task(ask(server, request, 60))
    while not asked.done():
        peak = max(peak, server.rss_mb())
        await asyncio.sleep(0.01)
    return asked.result(), peak - before


def chunked(content: bytes) -> bytes:
    pieces = [content[i : i + 65_536] for i in range(0, len(content), 65_536)]
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"


def over_the_limit(is_chunked: bool) -> bytes:
    content = PART + bytes(65_000_000)
    if is_chunked:
        return f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked(content)
    return f"{HEAD}Content-Length: {len(content)}\r\n\r\n".encode() + content


def deflated_bomb() -> bytes:
    """Return 16 MB of a DICOM file that would inflate to 16 GB."""
    whole = Path(get_testdata_file("image_dfl.dcm")).read_bytes()
    # Behind the preamble, the prefix and the element that gives their length: the file meta. DICOM PS3.10, 7.1.
    meta = whole[: 144 + int.from_bytes(whole[140:144], "little")]
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # PixelData, of the largest length that there is, and zeros; the last piece repeats.
    beginning = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFE)
    start = deflate.compress(beginning) + deflate.flush(zlib.Z_FULL_FLUSH)
    piece = deflate.compress(bytes(1_000_000)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return meta + start + piece * (16_000_000 // len(piece))


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_a2_upload_over_the_limit_grows_no_memory(server: Server, record: Record, is_chunked: bool) -> None:
    reply, grown = asyncio.run(peak_during(server, over_the_limit(is_chunked)))
    record(
        "A2", f"65 MB {'in chunks' if is_chunked else 'with Content-Length'} on a socket, where 60 MB are the limit",
        f"{reply.status or reply.problem} after {reply.seconds:.2f} s, memory grew by {grown:.0f} MB at most",
    )  # fmt: skip
    assert reply.status == 413
    assert grown < (150 if is_chunked else 20)


@pytest.mark.parametrize("side_px", [9_000, 12_000, 20_000])
def test_a8_png_that_claims_many_pixels_is_refused_by_its_header(server: Server, record: Record, side_px: int) -> None:
    request = prediction(png_that_claims(side_px))
    reply, grown = asyncio.run(peak_during(server, request))
    record(
        "A8", f"{len(request)} bytes of PNG that claim {side_px} × {side_px} pixels",
        f"{reply.status} {reply.json()['code']} after {1000 * reply.seconds:.0f} ms, memory grew by {grown:.0f} MB",
    )  # fmt: skip
    assert (reply.status, reply.json()["code"]) == (422, "too_many_pixels")
    assert grown < 50


def test_a12_deflated_dicom_bomb_is_refused_without_inflating_it(server: Server, record: Record) -> None:
    started = time.monotonic()
    content = deflated_bomb()
    # The first DICOM file loads what reads them.
    asyncio.run(ask(server, prediction(content[:1_000]), 60))
    reply, grown = asyncio.run(peak_during(server, prediction(content)))
    record(
        "A12", f"{len(content) / 1e6:.0f} MB of deflated DICOM that would become 16 GB",
        f"{reply.status} {reply.json()['code']} after {reply.seconds:.2f} s, memory grew by {grown:.0f} MB",
    )  # fmt: skip
    assert reply.status in {415, 422}
    # The upload itself, as it came and while it is parsed.
    assert grown < 50 + 2 * len(content) / 1e6
    assert time.monotonic() - started < 60
