"""`python -m model.sandbox.child BYTES`: a child of `model.sandbox.readers`, which reads files of strangers.

BYTES: its address space. Libraries take about 1 GB of it before anything is read.
"""

import os
import sys
import warnings
from typing import BinaryIO

from model.processes.core_dumps import forbid_core_dumps
from model.processes.memory import give_back_memory
from model.processes.pipes import OUT_OF_MEMORY, limit_memory, private_output, receive, send
from model.reading.many_files import read_files
from model.sandbox.messages import pack_readings, unpack_files

# After files that need more than this, memory is given back, which takes too long to be done after each image.
_LARGE_BYTES = 10_000_000


def serve() -> None:
    """Answer each message of files on standard input with what was read from them, on standard output."""
    warnings.simplefilter("ignore")
    forbid_core_dumps()
    limit_memory(int(sys.argv[1]))
    answers = private_output()
    try:
        while (n_bytes := _answer_one(answers)) is not None:
            if n_bytes > _LARGE_BYTES:
                give_back_memory()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _answer_one(answers: BinaryIO) -> int | None:
    """Answer the next message; return its length and its answer's in bytes, None where there was none."""
    message = receive(sys.stdin.buffer)
    if message is None:
        return None
    n_bytes = len(message)
    contents, limits = unpack_files(message)
    del message
    parts = pack_readings(read_files(contents, limits))
    send(answers, *parts)
    return n_bytes + sum(len(part) for part in parts)


if __name__ == "__main__":
    serve()
