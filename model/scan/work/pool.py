"""Processes that survive their work: whoever crashes, runs out of memory or hangs is replaced, and its item reported.

Started with spawn, never with fork: a fork of a process in which OpenVINO or Keras run threads hangs.
"""

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

from model.processes.pipes import limit_memory
from model.scan.errors import ScanError

T = TypeVar("T")
R = TypeVar("R")
# An item that ended two processes would end a third.
TRIES = 2
# Items that a process has before it, so that it never waits for the next one.
_AHEAD = 4
# Importing numpy, Pillow and pydicom takes a second; on a busy machine with a cold disk far more.
_START_SECONDS = 120.0
# How often waiting threads look whether they are still wanted.
_LOOK_SECONDS = 0.2
_READY = b"ready"
_OUT_OF_MEMORY = 77


@dataclass(frozen=True)
class Crash:
    """What became of an item that ended its processes."""

    reason: str


@dataclass
class _Task(Generic[T]):
    item: T
    n_crashes: int = 0


@dataclass
class _Worker(Generic[T]):
    process: BaseProcess
    channel: Connection
    tasks: deque[_Task[T]] = field(default_factory=deque)
    # When the first of its tasks became the one in work.
    since: float = 0.0


class Pool(Generic[T, R]):
    """N processes that turn items into results. To be used in a `with` statement."""

    def __init__(
        self, make_work: Callable[[], Callable[[T], R]], n_processes: int, seconds_per_item: float, memory_bytes: int
    ) -> None:
        """Prepare to start processes; `make_work` is called in each of them and must be picklable.

        memory_bytes: address space of each process; beyond it, its item is given up, not the machine.
        """
        self._make_work, self._n_processes = make_work, n_processes
        self._seconds_per_item, self._memory_bytes = seconds_per_item, memory_bytes
        self._workers: list[_Worker[T]] = []
        self._is_closing = threading.Event()

    def __enter__(self) -> "Pool[T, R]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_closing.set()
        for worker in self._workers:
            _end(worker)
        self._workers.clear()

    def results(self, items: Iterable[T], n_waiting: int = 32) -> Iterator[tuple[T, R | Crash]]:
        """Give each item with its result, as they come; up to `n_waiting` results are worked out ahead.

        Raises:
            ScanError: processes end before they begin to work.
        """
        done: queue.Queue[Any] = queue.Queue(n_waiting)
        thread = threading.Thread(target=self._work_through, args=(iter(items), done), daemon=True)
        thread.start()
        while True:
            found = done.get()
            if found is None:
                break
            if isinstance(found, BaseException):
                raise found
            yield found
        thread.join()

    def _work_through(self, items: Iterator[T], done: "queue.Queue[Any]") -> None:
        """Run in a thread of its own, so that processes are served while the caller computes."""
        end: BaseException | None = None
        again: deque[_Task[T]] = deque()
        try:
            self._start_all()
            while self._hand_out(again, items):
                self._gather(again, done)
        except BaseException as error:  # noqa: BLE001 - raised again where the results are read
            end = error
        self._put(done, end)

    def _put(self, done: "queue.Queue[Any]", found: object) -> None:
        while not self._is_closing.is_set():
            with suppress(queue.Full):
                done.put(found, timeout=_LOOK_SECONDS)
                return

    def _hand_out(self, again: "deque[_Task[T]]", items: Iterator[T]) -> bool:
        """Give each process as much as it may have before it; tell whether anything is in work."""
        for n_before in range(_AHEAD):
            for worker in self._workers:
                if len(worker.tasks) <= n_before and not self._is_closing.is_set():
                    task = _next(again, items)
                    if task is None:
                        return any(w.tasks for w in self._workers)
                    if not worker.tasks:
                        worker.since = time.monotonic()
                    worker.tasks.append(task)
                    with suppress(OSError):  # it has crashed; that is seen when its answer is read
                        worker.channel.send(task.item)
        return not self._is_closing.is_set()

    def _gather(self, again: "deque[_Task[T]]", done: "queue.Queue[Any]") -> None:
        """Take the results that are there, and replace processes that ended or are overdue."""
        busy = [worker for worker in self._workers if worker.tasks]
        ready = wait([worker.channel for worker in busy], timeout=_LOOK_SECONDS)
        for worker in busy:
            if worker.channel in ready:
                try:
                    result = worker.channel.recv()
                except (EOFError, OSError):
                    self._replace(worker, _why(worker), again, done)
                    continue
                task = worker.tasks.popleft()
                worker.since = time.monotonic()
                self._put(done, (task.item, result))
            elif time.monotonic() - worker.since > self._seconds_per_item:
                self._replace(worker, f"took more than {self._seconds_per_item:.0f} s", again, done)

    def _replace(
        self, worker: _Worker[T], reason: str, again: "deque[_Task[T]]", done: "queue.Queue[Any]"
    ) -> None:  # fmt: skip
        """Blame the first task; those behind it were never begun."""
        _end(worker)
        culprit, *innocent = worker.tasks
        culprit.n_crashes += 1
        again.extend(innocent)
        if culprit.n_crashes < TRIES:
            again.append(culprit)
        else:
            self._put(done, (culprit.item, Crash(reason)))
        self._workers[self._workers.index(worker)] = self._start()

    def _start_all(self) -> None:
        if not self._workers:
            self._workers = [self._begin() for _ in range(self._n_processes)]
            for worker in self._workers:
                _wait_until_ready(worker)

    def _start(self) -> _Worker[T]:
        worker = self._begin()
        _wait_until_ready(worker)
        return worker

    def _begin(self) -> _Worker[T]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._make_work, self._memory_bytes), daemon=True, name="decoding"
        )
        process.start()
        # Held by the child alone, the pipe ends with it.
        theirs.close()
        return _Worker(process, ours)


def _next(again: "deque[_Task[T]]", items: Iterator[T]) -> _Task[T] | None:
    """Give tasks that a crash gave back before new ones."""
    if again:
        return again.popleft()
    for item in items:
        return _Task(item)
    return None


def _wait_until_ready(worker: _Worker[T]) -> None:
    try:
        if worker.channel.poll(_START_SECONDS) and worker.channel.recv() == _READY:
            return
    except (EOFError, OSError):
        pass
    reason = _why(worker)
    _end(worker)
    raise ScanError(
        f"Expected decoding processes to start. One did not: {reason}. Give them more memory (--decoder-memory-mb)."
    )


def _why(worker: _Worker[T]) -> str:
    """Say what ended a process, as far as its exit code tells."""
    worker.process.join(timeout=5)
    code = worker.process.exitcode
    if code == _OUT_OF_MEMORY:
        return "needs more memory than a decoding process may have"
    if code is not None and code < 0:
        return f"ended its decoding process by signal {signal.Signals(-code).name}"
    return f"ended its decoding process with exit code {code}"


def _end(worker: _Worker[T]) -> None:
    worker.process.kill()
    worker.process.join()
    worker.channel.close()


def _serve(channel: Connection, make_work: Callable[[], Callable[[T], R]], memory_bytes: int) -> None:
    """Work in the child until the pipe ends, as it does with the parent, however that went."""
    # Ctrl-C and a job's end reach the whole group; the parent decides what is still finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    limit_memory(memory_bytes)
    with suppress(EOFError, OSError):
        work = make_work()
        channel.send(_READY)
        while True:
            item = cast(T, channel.recv())
            try:
                result = work(item)
            except MemoryError:
                os._exit(_OUT_OF_MEMORY)
            channel.send(result)
