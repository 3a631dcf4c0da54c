"""Read untrusted files in separate processes: a crash, hang or lack of memory ends only a child.

`model.sandbox.child` is that child, for the service and the scan alike. The parent waits for a bounded time, and starts
another when one ended; it never has the libraries that read.

The threat: a file may take over the child that decodes it. So a child gets bytes, never a path or an address, and what
it answers is unpacked without pickle (`model.sandbox.messages`): it can say something wrong about files, no more.
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
from dataclasses import replace
from pathlib import Path

from model.errors import Busy, ImageError
from model.processes.pipes import OUT_OF_MEMORY, receive, send, widen
from model.reading.contents import Limits, Reading
from model.sandbox.messages import pack_files, unpack_readings
from model.sentences import Sentence

# Time limit for one request to a child; must stay below the proxy's 60 s.
SECONDS = 45.0
# Address space of a child: about 1 GB for libraries, and several times the 64 MB of the largest volume of a request.
MAX_MEMORY_BYTES = 3_000_000_000
# How late an overdue child is noticed at most.
_WATCH_SECONDS = 0.25
# How long a child may take to end that has closed its pipe: then it is known what ended it.
_END_SECONDS = 2.0
_TOP = Path(__file__).parents[2]


_SENTENCE = Sentence("Reading this file failed or took too long. Open it in a viewer and export it again.")


class DecoderFailed(ImageError):
    """Reading the file crashed, or took too long or too much memory.

    why: what became of the child, to follow "it", as in "took more than 45 s".
    """

    code = "decoder_failed"

    def __init__(self, why: str) -> None:
        super().__init__(_SENTENCE)
        self.why = why


class _Watch:
    """Ends processes that are overdue. One thread for all calls: one more for each would cost as much as an image."""

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
        """Check from time to time, since most calls end long before their deadline; stop when there is none."""
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
    """One process, used by one thread at a time."""

    def __init__(self, command: Sequence[str], log: int | None, watch: _Watch) -> None:
        self._watch = watch
        self._process = subprocess.Popen(
            command,
            cwd=_TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=-1,
            start_new_session=True,
        )
        widen(self._process.stdin, self._process.stdout)
        # Whoever forgets this object ends the process.
        self.end = weakref.finalize(self, _end, self._process)

    def ask(self, contents: Sequence[bytes], limits: Limits, deadline: float) -> list[Reading]:
        """Return what is read from files.

        Raises:
            DecoderFailed: the process ended over them or took too long. It is gone.
        """
        started = time.monotonic()
        with self._watch.until(deadline, self._process), contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            send(self._process.stdin, *pack_files(contents, limits))
            message = receive(self._process.stdout)
            if message is not None:
                return unpack_readings(message)
        is_overdue = time.monotonic() > deadline
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        code = self._process.returncode
        self.end()
        raise DecoderFailed(f"took more than {deadline - started:.0f} s" if is_overdue else _what_ended(code))


class Readers:
    """Child processes that read files, started when first needed, some at a time. Safe to use from several threads."""

    def __init__(
        self,
        n_at_once: int = 2,
        seconds: float = SECONDS,
        memory_bytes: int = MAX_MEMORY_BYTES,
        program: str = "model.sandbox.child",
        log: int | None = subprocess.DEVNULL,
    ) -> None:
        """Allow so many children, each so much time per call and so much memory.

        program: the module that they run. log: where their standard error goes; None for that of this process.
        """
        self.seconds, self._log = seconds, log
        self._command = [sys.executable, "-m", program, str(memory_bytes)]
        self._free: list[_Child | None] = [None] * n_at_once
        self._lock, self._watch = threading.Lock(), _Watch()
        self._n_free = threading.Semaphore(n_at_once)

    def start(self) -> None:
        """Start the first child now, so the first files need not wait."""
        with self._lock:
            if self._free and not any(self._free):
                self._free[-1] = self._child()

    def read(self, contents: Sequence[bytes], limits: Limits) -> list[Reading]:
        """Return what `read_files` gives; a file over which a child ends is refused with DecoderFailed.

        Raises:
            Busy: all children were in use for as long as one call may take.
        """
        deadline = time.monotonic() + self.seconds
        if not self._n_free.acquire(timeout=self.seconds):
            raise Busy
        try:
            return self._ask(contents, limits, deadline)
        except DecoderFailed as failure:
            if len(contents) == 1:
                return [Reading((0,), failure)]
            return self._read_without_culprits(contents, limits, deadline)
        finally:
            self._n_free.release()

    def close(self) -> None:
        """End the children that are not in use."""
        with self._lock:
            for child in self._free:
                if child:
                    child.end()
            self._free = [None] * len(self._free)

    def _child(self) -> _Child:
        return _Child(self._command, self._log, self._watch)

    def _ask(self, contents: Sequence[bytes], limits: Limits, deadline: float) -> list[Reading]:
        with self._lock:
            child = self._free.pop()
        try:
            child = child or self._child()
            return child.ask(contents, limits, deadline)
        finally:
            with self._lock:
                # The one used last is used next: it is warm.
                self._free.append(child if child and child.end.alive else None)

    def _read_without_culprits(self, contents: Sequence[bytes], limits: Limits, deadline: float) -> list[Reading]:
        """Find the files over which a child ends by reading each alone, then read the others together."""
        culprits: dict[int, DecoderFailed] = {}
        for i, content in enumerate(contents):
            try:
                self._ask([content], limits, deadline)
            except DecoderFailed as failure:
                culprits[i] = failure
        good = [i for i in range(len(contents)) if i not in culprits]
        try:
            readings = self._ask([contents[i] for i in good], limits, deadline) if good else []
        except DecoderFailed as failure:
            culprits, readings = dict.fromkeys(range(len(contents)), failure), []
        refused = [Reading((i,), failure) for i, failure in culprits.items()]
        placed = [replace(reading, files=tuple(good[i] for i in reading.files)) for reading in readings]
        return sorted([*refused, *placed], key=lambda reading: reading.files[0])


def _what_ended(code: int | None) -> str:
    """Return what the exit code of a child that ended over a file tells; None for one that only babbled."""
    if code is None:
        return "made its decoding process send what cannot be read"
    if code == OUT_OF_MEMORY:
        return "needs more memory than a decoding process may have"
    how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return f"ended its decoding process {how}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a child and its own children."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()


def _end(process: subprocess.Popen[bytes]) -> None:
    _kill(process)
    with contextlib.suppress(OSError, ValueError):
        process.communicate()
