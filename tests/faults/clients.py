"""Clients: one that sends and waits, and slow ones that hold connections open."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.server import Server

BOUNDARY = "boundary"
# A test's note for the fault table: row, what was done, what was seen.
Record = Callable[[str, str, str], None]


@dataclass(frozen=True)
class Reply:
    """A reply. status: 0 if no answer came, with the reason in `problem`; seconds: since connecting."""

    status: int
    seconds: float
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str = ""
    # When the request was begun, by the monotonic clock.
    began: float = 0.0

    def json(self) -> Any:
        """Read the body as JSON."""
        return json.loads(self.body)


def upload_body(*contents: bytes, name: str = "slice.png") -> bytes:
    """Return the multipart body of an upload."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    return b"".join(head + content + b"\r\n" for content in contents) + f"--{BOUNDARY}--\r\n".encode()


def request_bytes(method: str, path: str, body: bytes = b"") -> bytes:
    """Return a whole request that closes its connection."""
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{kind}\r\n".encode() + body


def prediction(*contents: bytes) -> bytes:
    """Return a whole request for predictions."""
    return request_bytes("POST", "/api/v1/predictions", upload_body(*contents))


async def ask(server: Server, request: bytes, timeout_seconds: float = 60) -> Reply:
    """Send a request on a new connection, and read the whole answer."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(timeout_seconds):
            raw = await _exchange(server, request)
    except (OSError, EOFError, TimeoutError) as error:
        return Reply(0, time.monotonic() - began, problem=type(error).__name__, began=began)
    return _parse(raw, began)


async def _exchange(server: Server, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        # A server that refuses early may close before everything was sent, but its answer is still readable.
        with suppress(ConnectionError):
            writer.write(request)
            await writer.drain()
        return await reader.read(-1)
    finally:
        writer.transport.abort()


def _parse(raw: bytes, began: float) -> Reply:
    seconds = time.monotonic() - began
    head, _, body = raw.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    if not status_line.startswith("HTTP/"):
        return Reply(0, seconds, problem="no answer", began=began)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if len(body) < int(headers.get("content-length", 0)):
        return Reply(0, seconds, problem="cut off", began=began)
    return Reply(int(status_line.split()[1]), seconds, headers, body, began=began)


@dataclass
class SlowClient:
    """A client that sends a beginning, then a byte each `every_seconds`, until the server closes.

    lived_seconds: how long it was tolerated; answer: what it was told.
    """

    beginning: bytes
    drip: bytes = b"x"
    every_seconds: float = 5.0
    lived_seconds: float = 0.0
    answer: bytes = b""
    # nginx limits the connections of one address: slow clients use another address of this machine.
    address: str = "127.0.0.1"

    async def run(self, server: Server, at_most_seconds: float) -> None:
        """Connect, and stay as long as the server lets it."""
        began = time.monotonic()
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(server.host, server.port, local_addr=(self.address, 0))
            try:
                await self._stay(reader, writer, began + at_most_seconds)
            finally:
                writer.transport.abort()
        self.lived_seconds = time.monotonic() - began

    async def _stay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until: float) -> None:
        writer.write(self.beginning)
        while (left := until - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self.every_seconds, left)):
                    self.answer += await reader.read(1000)
                    # An answer ends the connection: there is nothing more to read.
                    return
            writer.write(self.drip)


IDLE = (b"", b"")
HEADER = (b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"a")
BODY = (
    f"POST /api/v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
    f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n--{BOUNDARY}\r\n".encode(),
    b"a",
)
STALLED = (BODY[0], b"")
