"""A client socket with one deadline for the whole request instead of one per byte."""

import errno
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# A request or answer that makes progress gets another second for this many bytes (2 Mbit/s).
BYTES_PER_EXTRA_SECOND = 250_000
# A request that waited for a thread gets at least this long: what the client sent is already here.
LEAST_SECONDS = 0.5
# How long a client may take to close after the answer, as in gunicorn.
GOODBYE_SECONDS = 2.0
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
# Sent in pieces of this size, to know in between how much the client has taken.
_BYTES_AT_ONCE = 262_144


class GuardedSocket(socket.socket):
    """A connected socket. Its client has some seconds to send a request, and as many to take the answer.

    Neither counts the time that the server takes in between. A client that is too slow is answered 408, unless an
    answer has begun, and the connection ends as if the client had reset it.
    """

    _receive_until: float
    _left_to_send: float
    _has_answered: bool
    _is_over: bool = False

    @classmethod
    def of(cls, other: socket.socket) -> "GuardedSocket":
        """Take over a connection; the other object is closed to it."""
        timeout = other.gettimeout()
        guarded = cls(fileno=other.detach())
        guarded.settimeout(timeout)
        return guarded

    def begin_request(self, seconds: float) -> None:
        """Start the clock, at the first byte of each request."""
        self._receive_until = time.monotonic() + seconds
        self._left_to_send = seconds
        self._has_answered = False

    def look_at_request(self) -> None:
        """Note that a thread handles the request now; it may have waited for one past its deadline."""
        self._receive_until = max(self._receive_until, time.monotonic() + LEAST_SECONDS)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive as usual, but never past the request's deadline."""
        if self._is_over:
            return b""
        with self._at_most(self._receive_until - time.monotonic()):
            received = super().recv(size, flags)
        self._receive_until += len(received) / BYTES_PER_EXTRA_SECOND
        return received

    def sendall(self, content: Any, flags: int = 0, /) -> None:
        """Send as usual; all calls for one answer share its deadline."""
        left = memoryview(content)
        while left:
            left = left[self._send_some(left[:_BYTES_AT_ONCE], flags) :]

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a small file as `sendall` does."""
        file.seek(offset)
        content = file.read(-1 if count is None else count)
        self.sendall(content)
        return len(content)

    def _send_some(self, content: memoryview, flags: int) -> int:
        if self._is_over:
            raise BrokenPipeError(errno.EPIPE, "the client was too slow")
        self._has_answered = True
        started = time.monotonic()
        with self._at_most(self._left_to_send):
            n_sent = self.send(content, flags)
        self._left_to_send += n_sent / BYTES_PER_EXTRA_SECOND - (time.monotonic() - started)
        return n_sent

    def say_goodbye(self) -> None:
        """Wait in this thread until the client has the answer; gunicorn would wait in its only main loop."""
        until = time.monotonic() + GOODBYE_SECONDS
        with suppress(OSError):
            self.shutdown(socket.SHUT_WR)
            while not self._is_over and (left := until - time.monotonic()) > 0:
                self.settimeout(left)
                self._is_over = not super().recv(4096)
        self._is_over = True

    @contextmanager
    def _at_most(self, seconds: float) -> Iterator[None]:
        """Limit the wait inside; a late client counts as a reset connection, which gunicorn handles.

        A shorter timeout that gunicorn has set holds, and stays gunicorn's to handle.
        """
        before = self.gettimeout()
        if before is not None and before < seconds:
            yield
            return
        try:
            # Zero would mean not to wait, and raise another error.
            self.settimeout(max(seconds, 0.001))
            yield
            self.settimeout(before)
        except TimeoutError as error:
            self._refuse()
            raise ConnectionResetError(errno.ECONNRESET, "the client was too slow") from error

    def _refuse(self) -> None:
        self._is_over = True
        with suppress(OSError):
            self.setblocking(False)
            if not self._has_answered:
                self.send(_TOO_SLOW)
            self.shutdown(socket.SHUT_RDWR)
