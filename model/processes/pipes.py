"""What a process and its child need: messages, a length as eight bytes and then the bytes; and a limit on memory."""

import contextlib
import os
import struct
import sys
from typing import Any, BinaryIO

_LENGTH = struct.Struct("<Q")
# What a pipe holds by default, 64 kB, makes two processes take turns over an image.
_PIPE_BYTES = 1 << 20
# More than any file or answer; beyond it, a child has lost its way.
_MAX_MESSAGE_BYTES = 2_000_000_000
# Exit code of a process that reached its memory limit.
OUT_OF_MEMORY = 77


def send(stream: BinaryIO | Any, *parts: bytes | memoryview) -> None:
    """Send one message made of these parts."""
    stream.write(_LENGTH.pack(sum(len(part) for part in parts)))
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: BinaryIO | Any) -> bytearray | None:
    """Return the next message; None at the end of the stream, or where the message would be longer than any is."""
    length = stream.read(_LENGTH.size)
    if len(length) < _LENGTH.size:
        return None
    expected = _LENGTH.unpack(length)[0]
    if expected > _MAX_MESSAGE_BYTES:
        return None
    message = bytearray(expected)
    return message if _fill(stream, memoryview(message)) else None


def _fill(stream: Any, rest: memoryview) -> bool:
    while rest:
        n_bytes = stream.readinto(rest)
        if not n_bytes:
            return False
        rest = rest[n_bytes:]
    return True


def widen(*streams: BinaryIO | Any) -> None:
    """Let pipes hold a whole image, where the system can do that and permits it."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        for stream in streams:
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def limit_memory(n_bytes: int) -> None:
    """Bound the address space of this process, where that can be done."""
    # Only Unix has the module, and not all of them this limit.
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))


def private_output() -> BinaryIO:
    """Return the stream of standard output, and send what libraries print there to standard error from now on."""
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return stream
