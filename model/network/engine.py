"""Run a loaded network on ready inputs, as directly as its backend allows, and take the passes of threads in turn."""

import importlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import Busy
from model.network.keras_import import import_keras

Arrays = list[NDArray[np.float32]]
Run = Callable[[NDArray[np.float32]], Arrays]
# Threads that are tied to cores wait for those on which this process reads and draws, while others are free.
_CONFIG = {"ENABLE_CPU_PINNING": False}


@dataclass(frozen=True)
class Engine:
    """Ways to run one network, on float32 inputs, (n, height, width, 1), to its outputs, each (n, ...), new arrays.

    alone: with all cores for one pass, so that one picture is answered as soon as can be. beside: each with its share
    of the cores, to be used at the same time, which answers more pictures per second. One thread may use each at a
    time, and none of `beside` while `alone` runs, or they take the cores from each other.
    """

    alone: Run
    beside: tuple[Run, ...] = ()


def engine_of(network: Any, has_beside: bool = True) -> Engine:
    """Make the engine of a Keras network, of one that was never run; `beside` costs as much memory again.

    On OpenVINO it is the compiled network: Keras's predict costs several milliseconds around each pass, and the Keras
    network, whose weights are then in memory twice, can be dropped.
    """
    if import_keras().backend.backend() != "openvino":
        return Engine(lambda inputs: [np.asarray(output) for output in network.predict(inputs, verbose=0)])
    n_streams = n_cores() if has_beside else 1
    options: list[dict[str, Any]] = [{"PERFORMANCE_HINT": "LATENCY"}]
    if n_streams > 1:
        options.append({"NUM_STREAMS": n_streams})
    alone, *streamed = _compile(network, options)
    n_outputs = len(network.outputs)
    # One request waits behind each that computes: a thread of Python takes its time to notice that it is its turn.
    n_requests = 2 * n_streams
    beside = [_run(compiled.create_infer_request(), n_outputs) for compiled in streamed for _ in range(n_requests)]
    return Engine(_run(alone.create_infer_request(), n_outputs), tuple(beside))


def n_cores() -> int:
    """Give how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _compile(network: Any, options: Sequence[dict[str, Any]]) -> list[Any]:
    """Compile the network with each of several options of OpenVINO; what they are compiled from is in memory once."""
    openvino: Any = importlib.import_module("openvino")
    passes: Any = importlib.import_module("openvino.passes")
    compile_model = openvino.compile_model
    found: list[Any] = []

    def compile_with_options(model: Any, device: str) -> Any:
        # A fixed number of pictures is faster than a free one, and several go one by one as fast as in a batch.
        model.reshape([1, *network.input_shape[1:]])
        # Weights as OpenVINO wants them are computed once here, and shared by what is compiled, not computed by each.
        folding = passes.Manager()
        folding.register_pass(passes.ConstantFolding())
        folding.run_passes(model)
        config = {**compile_model.keywords["config"], **_CONFIG}
        found.extend(compile_model(model, device, config={**config, **chosen}) for chosen in options)
        return found[0]

    openvino.compile_model = compile_with_options
    try:
        # Keras compiles on the first pass, and takes no options for it.
        network.predict(np.zeros((1, *network.input_shape[1:]), np.float32), verbose=0)
    finally:
        openvino.compile_model = compile_model
    return found


def _run(request: Any, n_outputs: int) -> Run:
    def run_one(inputs: NDArray[np.float32]) -> Arrays:
        results = request.infer([inputs], share_inputs=True, share_outputs=True)
        # They lie in the request's own memory, which its next pass overwrites.
        return [np.array(results[i]) for i in range(n_outputs)]

    def run(inputs: NDArray[np.float32]) -> Arrays:
        if len(inputs) == 1:
            return run_one(inputs)
        each = [run_one(one[None]) for one in inputs]
        return [np.concatenate(outputs) for outputs in zip(*each, strict=True)]

    return run


@dataclass(eq=False)
class _Waiting:
    called: threading.Event = field(default_factory=threading.Event)
    run: Run | None = None


class Turns:
    """Gives threads the engine in the order in which they came: to one alone, to several beside each other."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._free = list(engine.beside)
        # When each pass that is running began.
        self._running: dict[Run, float] = {}

    @property
    def seconds_running(self) -> float:
        """How long the pass that is running the longest has taken so far; 0 where none is."""
        with self._lock:
            return max((time.monotonic() - began for began in self._running.values()), default=0.0)

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
        """Call as many of those who wait as can run now; the lock is held."""
        while self._waiting and (run := self._next_run()):
            self._running[run] = time.monotonic()
            first = self._waiting.popleft()
            first.run = run
            first.called.set()

    def _next_run(self) -> Run | None:
        """Give what the next pass may run on, None where it must wait."""
        if self._engine.alone in self._running:
            return None
        if not self._running and (len(self._waiting) == 1 or not self._free):
            return self._engine.alone
        return self._free.pop() if self._free else None

    def _end(self, run: Run) -> None:
        del self._running[run]
        if run is not self._engine.alone:
            self._free.append(run)
