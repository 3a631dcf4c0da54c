"""Decode compressed DICOM pixels in a process of their own.

gdcm and the decoders in it are written in C++. Of randomly damaged JPEG-LS files some abort the whole process, and
others ask for gigabytes of memory: here that ends a child, not the server. `python -m model.reading.dicom.decoder` is
that child. `model.sandbox.readers` cannot take its place: a reader has one deadline for all files of a series, so that
one file that hangs would cost the others, and `python -m model` and training read in their own process.
"""

import contextlib
import io
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEGExtended12Bit, JPEGLosslessSV1

from model.errors import ImageError
from model.processes.core_dumps import forbid_core_dumps
from model.processes.pipes import limit_memory, private_output, receive, send
from model.reading.dicom.header import PIXEL_TAGS, damage_translated, damaged, read_dataset, with_usual_values

# Time limit for one file. The largest that is let through, 64 million voxels, takes some seconds.
SECONDS_PER_FILE = 20
# Address space of the child, in bytes: libraries take about 1 GB of it before anything is decoded.
MAX_MEMORY_BYTES = 4_000_000_000


class Decoder:
    """A child process, started when needed and restarted after a file crashes it. Use it in a `with` statement."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def pixels(self, content: bytes) -> NDArray[Any]:
        """Decode all pixels of a DICOM file; colours as red, green and blue.

        Raises:
            UnreadableImage: they are damaged, or decoding took too long or too much memory.
        """
        child = self._child or self._start()
        overdue = threading.Timer(SECONDS_PER_FILE, child.kill)
        overdue.start()
        try:
            answer = _ask(child, content)
        finally:
            overdue.cancel()
        if answer is None:
            self._end()
        if not answer:
            raise damaged()
        decoded: NDArray[Any] = np.load(io.BytesIO(answer), allow_pickle=False)
        return decoded

    def _start(self) -> subprocess.Popen[bytes]:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "model.reading.dicom.decoder"],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._child

    def _end(self) -> None:
        if self._child:
            self._child.kill()
            with contextlib.suppress(OSError):
                self._child.communicate()
        self._child = None


def _ask(child: subprocess.Popen[bytes], content: bytes) -> bytearray | None:
    """Send a file and return the answer, None if the child ended over it."""
    if not (child.stdin and child.stdout):
        return None
    try:
        send(child.stdin, content)
        return receive(child.stdout)
    except OSError:
        return None


def _serve() -> None:
    """Answer each file on standard input with its pixels as .npy on standard output."""
    warnings.simplefilter("ignore")
    forbid_core_dumps()
    limit_memory(MAX_MEMORY_BYTES)
    answers = private_output()
    while (content := receive(sys.stdin.buffer)) is not None:
        send(answers, _decoded(bytes(content)))


def _decoded(content: bytes) -> bytes:
    buffer = io.BytesIO()
    try:
        with damage_translated():
            dataset = read_dataset(content, PIXEL_TAGS)
            with_usual_values(dataset)
            if dataset.file_meta.TransferSyntaxUID == JPEGExtended12Bit:
                # pydicom's plug-in refuses 12 bits under this name. gdcm goes by the codestream, whatever it is called.
                dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
            np.save(buffer, pixel_array(dataset), allow_pickle=False)
    except ImageError:
        return b""
    return buffer.getvalue()


if __name__ == "__main__":
    _serve()
