"""Turns at the network, and how long each caller waits."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.errors import Busy
from model.network.engine import Arrays, Engine, Run


@dataclass(eq=False)
class _Waiting:
    called: threading.Event = field(default_factory=threading.Event)
    run: Run | None = None


class Turns:
    """Lets threads use the engine in order of arrival: one alone, several in parallel."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self.engine, self._clock = engine, clock
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._free = list(engine.beside)
        # When each pass that is running began.
        self._running: dict[Run, float] = {}

    @property
    def seconds_running(self) -> float:
        """How long the longest running pass has taken so far; 0 if none is running."""
        with self._lock:
            return max((self._clock() - began for began in self._running.values()), default=0.0)

    def __call__(self, inputs: NDArray[np.float32], timeout_seconds: float | None = None) -> Arrays:
        """Run a pass when its turn has come.

        Raises:
            Busy: it was not this one's turn after so many seconds.
        """
        run = self._await_turn(timeout_seconds)
        try:
            return run(inputs)
        finally:
            with self._lock:
                self._end(run)
                self._call_next()

    def _await_turn(self, timeout_seconds: float | None) -> Run:
        mine = _Waiting()
        with self._lock:
            self._waiting.append(mine)
            self._call_next()
        mine.called.wait(timeout_seconds)
        with self._lock:
            if mine.run is None:
                self._waiting.remove(mine)
                raise Busy
            return mine.run

    def _call_next(self) -> None:
        """Wake as many waiting threads as can run now; the lock is held."""
        while self._waiting and (run := self._next_run()):
            self._running[run] = self._clock()
            first = self._waiting.popleft()
            first.run = run
            first.called.set()

    def _next_run(self) -> Run | None:
        """Return what the next pass may run on; None where it must wait."""
        if self.engine.alone in self._running:
            return None
        if not self._running and (len(self._waiting) == 1 or not self._free):
            return self.engine.alone
        return self._free.pop() if self._free else None

    def _end(self, run: Run) -> None:
        del self._running[run]
        if run is not self.engine.alone:
            self._free.append(run)


class Patience:
    """How long an image may wait for the network: from now, or from when a thread has taken it up."""

    def __init__(self, seconds: float | None, from_now: bool) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds if seconds is not None and from_now else None

    def seconds_left(self) -> float | None:
        """Return how long this image may wait; None for as long as it takes.

        Raises:
            Busy: no time is left.
        """
        if self._until is None:
            return self._seconds
        left = self._until - time.monotonic()
        if left <= 0:
            raise Busy
        return left
