"""A reader like model.sandbox.child that fails on some files, like a faulty decoder."""

import ctypes
import os
import sys
import time
from collections.abc import Sequence

import model.sandbox.child
from model.reading.contents import Limits, Reading
from model.reading.many_files import read_files


def read_clumsily(contents: Sequence[bytes], limits: Limits) -> list[Reading]:
    """Read files; crash, abort, leave, hang, babble or take all memory if a file begins with that word."""
    for content in contents:
        match bytes(content):
            case b"crash":
                ctypes.string_at(0)
            case b"abort":
                os.abort()
            case b"leave":
                os._exit(3)
            case b"hang":
                time.sleep(3600)
            case b"babble":
                os.write(3, b"\0" * 4096)
                sys.exit(0)
            case b"exhaust":
                bytearray(1 << 33)
    return read_files(contents, limits)


if __name__ == "__main__":
    model.sandbox.child.read_files = read_clumsily
    model.sandbox.child.serve()
