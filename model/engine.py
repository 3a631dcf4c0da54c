"""Run a loaded network on ready inputs, as directly as its backend allows, and take the passes of threads in turn."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import Busy
from model.lean_keras import import_keras

Arrays = list[NDArray[np.float32]]
Run = Callable[[NDArray[np.float32]], Arrays]


def run_of(network: Any) -> Run:
    """Give a function from float32 inputs, (n, height, width, 1), to the network's outputs, each (n, ...), new arrays.

    On OpenVINO it is the compiled network alone: Keras's predict costs several milliseconds around each pass, and the
    Keras network, whose weights are then in memory twice, can be dropped. One thread may use it at a time.
    """
    if import_keras().backend.backend() != "openvino":
        return lambda inputs: [np.asarray(output) for output in network.predict(inputs, verbose=0)]
    # Keras compiles on the first pass and keeps what it compiled, with a free number of pictures.
    network.predict(np.zeros((1, *network.input_shape[1:]), np.float32), verbose=0)
    request = network.ov_compiled_model.create_infer_request()
    indices = range(len(network.outputs))

    def run(inputs: NDArray[np.float32]) -> Arrays:
        results = request.infer([inputs], share_inputs=True, share_outputs=True)
        # They lie in the request's own memory, which its next pass overwrites.
        return [np.array(results[i]) for i in indices]

    return run


class Turns:
    """Lets threads run passes one after the other, in the order in which they came.

    A pass uses all cores, and pictures gain next to nothing from sharing one: the first is answered soonest this way.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_taken = False
        self._began: float | None = None

    @property
    def seconds_running(self) -> float:
        """How long the pass that is running has taken so far; 0 where none is."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def __call__(self, inputs: NDArray[np.float32], timeout_seconds: float | None = None) -> Arrays:
        """Run a pass when all that came before are done.

        Raises:
            Busy: it was not this one's turn after so many seconds.
        """
        self._await_turn(timeout_seconds)
        self._began = time.monotonic()
        try:
            return self._run(inputs)
        finally:
            self._began = None
            self._pass_on()

    def _await_turn(self, timeout_seconds: float | None) -> None:
        called = threading.Event()
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return
            self._waiting.append(called)
        if called.wait(timeout_seconds):
            return
        with self._lock:
            # Called in the moment between: the turn is this one's, and it is late by nothing.
            if called.is_set():
                return
            self._waiting.remove(called)
        raise Busy

    def _pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False
