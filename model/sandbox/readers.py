"""Read files of strangers in processes of their own: what crashes, hangs or fills the memory there ends a child alone.

`model.sandbox.child` is that child. The parent waits for a bounded time, and starts another when one ended; it never
has the libraries that read.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

from model.errors import Busy, ImageError
from model.processes.pipes import receive, send, widen
from model.reading.contents import Limits, Reading
from model.sandbox.messages import pack_files, unpack_readings
from model.sentences import Sentence

# A child gives up what it was asked no later than this: below the minute for which the proxy waits for an answer.
SECONDS = 45.0
# How late an overdue child is noticed at most.
_WATCH_SECONDS = 0.25
_TOP = Path(__file__).parents[2]


class DecoderFailed(ImageError):
    """Reading the file crashed, or took too long or too much memory."""

    code = "decoder_failed"


class _Watch:
    """Ends processes that are overdue. One thread for all calls: one more for each would cost as much as a picture."""

    def __init__(self) -> None:
        self._deadlines: dict[subprocess.Popen[bytes], float] = {}
        self._lock = threading.Lock()
        self._is_watching = False

    @contextlib.contextmanager
    def until(self, deadline: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """End the process if this block is still running at the deadline, in seconds of time.monotonic()."""
        with self._lock:
            self._deadlines[process] = deadline
            if not self._is_watching:
                self._is_watching = True
                threading.Thread(target=self._watch, name="reader-watch", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                del self._deadlines[process]

    def _watch(self) -> None:
        """Look now and then, since most calls are over long before their deadline; stop when there is none."""
        while True:
            time.sleep(_WATCH_SECONDS)
            with self._lock:
                if not self._deadlines:
                    self._is_watching = False
                    return
                overdue = [process for process, deadline in self._deadlines.items() if deadline < time.monotonic()]
            for process in overdue:
                _kill(process)


class _Child:
    """One process, asked by one thread at a time."""

    def __init__(self, program: str, watch: _Watch) -> None:
        self._watch = watch
        self._process = subprocess.Popen(
            [sys.executable, "-m", program], cwd=_TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, bufsize=-1, start_new_session=True,
        )  # fmt: skip
        widen(self._process.stdin, self._process.stdout)
        # Whoever forgets this object ends the process.
        self.end = weakref.finalize(self, _end, self._process)

    def ask(self, contents: Sequence[bytes], limits: Limits, deadline: float) -> list[Reading] | None:
        """Give what is read from files; None, and no more process, where it ended over them or took too long."""
        with self._watch.until(deadline, self._process), contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            send(self._process.stdin, *pack_files(contents, limits))
            message = receive(self._process.stdout)
            if message is not None:
                return unpack_readings(message)
        self.end()
        return None


class Readers:
    """Child processes that read files, started when first needed, some at a time. Safe to use from several threads."""

    def __init__(self, n_at_once: int = 2, seconds: float = SECONDS, program: str = "model.sandbox.child") -> None:
        """Allow so many children, each so much time per call; `program` is the module that they run."""
        self._seconds, self._program = seconds, program
        self._free: list[_Child | None] = [None] * n_at_once
        self._lock, self._watch = threading.Lock(), _Watch()
        self._n_free = threading.Semaphore(n_at_once)

    def start(self) -> None:
        """Start the first child now, so that the first files need not wait for it."""
        with self._lock:
            if self._free and not any(self._free):
                self._free[-1] = _Child(self._program, self._watch)

    def read(self, contents: Sequence[bytes], limits: Limits) -> list[Reading]:
        """Give what `read_files` gives; a file over which a child ends is refused with DecoderFailed.

        Raises:
            Busy: all children were in use for as long as one call may take.
        """
        deadline = time.monotonic() + self._seconds
        if not self._n_free.acquire(timeout=self._seconds):
            raise Busy
        try:
            readings = self._ask(contents, limits, deadline)
            return self._read_without_culprits(contents, limits, deadline) if readings is None else readings
        finally:
            self._n_free.release()

    def close(self) -> None:
        """End the children that are not in use."""
        with self._lock:
            for child in self._free:
                if child:
                    child.end()
            self._free = [None] * len(self._free)

    def _ask(self, contents: Sequence[bytes], limits: Limits, deadline: float) -> list[Reading] | None:
        with self._lock:
            child = self._free.pop()
        try:
            child = child or _Child(self._program, self._watch)
            readings = child.ask(contents, limits, deadline)
        finally:
            with self._lock:
                # The one used last is used next: it is warm.
                self._free.append(child if child and child.end.alive else None)
        return readings

    def _read_without_culprits(self, contents: Sequence[bytes], limits: Limits, deadline: float) -> list[Reading]:
        """Find the files over which a child ends by reading each alone, then read the others together."""
        if len(contents) == 1:
            return [Reading((0,), _failed())]
        good = [i for i, content in enumerate(contents) if self._ask([content], limits, deadline) is not None]
        readings = self._ask([contents[i] for i in good], limits, deadline) if good else []
        if readings is None:
            good, readings = [], []
        refused = [Reading((i,), _failed()) for i in range(len(contents)) if i not in good]
        placed = [Reading(tuple(good[i] for i in reading.files), reading.content) for reading in readings]
        return sorted([*refused, *placed], key=lambda reading: reading.files[0])


def _failed() -> DecoderFailed:
    return DecoderFailed(
        Sentence(
            "Expected a picture that can be read in a short time. Reading this one failed or took too long. "
            "Open it in a viewer, export it again, and retry."
        )
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a child and its own children."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()


def _end(process: subprocess.Popen[bytes]) -> None:
    _kill(process)
    with contextlib.suppress(OSError, ValueError):
        process.communicate()
