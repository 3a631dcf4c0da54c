"""Run a loaded network on ready inputs, as directly as its backend allows."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model import BACKEND
from model.network.keras_import import import_keras
from model.network.layout import channels_first
from model.network.precision import BFLOAT16, FLOAT32

# As OpenVINO spells them.
_HINTS = {FLOAT32: "f32", BFLOAT16: "bf16"}
Arrays = list[NDArray[np.float32]]
Run = Callable[[NDArray[np.float32]], Arrays]


@dataclass(frozen=True)
class Engine:
    """Ways to run one network, on float32 inputs, (1, height, width, 1), to its outputs, each (1, ...), new arrays.

    alone: all cores for one pass, for the shortest time per image. beside: each with its share
    of the cores, to be used at the same time, for more images per second. One thread may use each at a
    time, and none of `beside` while `alone` runs, or they take the cores from each other.
    takes_batches: whether a pass takes any number of images.
    """

    alone: Run
    beside: tuple[Run, ...] = ()
    takes_batches: bool = False


def engine_of(network: Any, has_beside: bool = True, n_threads: int | None = None, precision: str = FLOAT32) -> Engine:
    """Make the engine of a Keras network or of an openvino.Model; `beside` costs as much memory again.

    On OpenVINO it is the compiled graph, in float32 unless asked for less: on processors that can, OpenVINO computes in
    bfloat16 by default, and probabilities then differ by 0.001 and more between machines. The Keras network, whose
    weights are then in memory twice, can be dropped. n_threads: for a pass, instead of one per core; OpenVINO alone.
    """
    if BACKEND != "openvino":
        return Engine(lambda inputs: [np.asarray(o) for o in network.predict(inputs, verbose=0)], takes_batches=True)
    openvino: Any = importlib.import_module("openvino")
    # Threads that are tied to cores wait for those on which this process reads and draws, while others are free.
    config = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "ENABLE_CPU_PINNING": False}
    if n_threads:
        config["INFERENCE_NUM_THREADS"] = n_threads
    graph = network if isinstance(network, openvino.Model) else graph_of(channels_first(network))
    if not has_beside:
        return Engine(_run(openvino.compile_model(graph, "CPU", {**config, "PERFORMANCE_HINT": "LATENCY"})))
    # Two cores are kept busy by one pass after the other: streams would gain 4 % there, and cost 180 MB.
    n_streams = n_cores() if n_cores() > 2 else 1
    if n_streams > 1:
        fold(graph)
    alone = openvino.compile_model(graph, "CPU", {**config, "PERFORMANCE_HINT": "LATENCY"})
    beside = openvino.compile_model(graph, "CPU", {**config, "NUM_STREAMS": n_streams}) if n_streams > 1 else alone
    # One request waits behind each that computes: a thread of Python takes its time to notice that it is its turn.
    return Engine(_run(alone), tuple(_run(beside) for _ in range(2 * n_streams)))


def n_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def graph_of(network: Any, n_images: int = 1) -> Any:
    """Trace the network into OpenVINO's graph for so many images in a pass, all in memory.

    `network.export` makes the same graph, but writes it: 84 MB, where the container has 64 MB of /tmp.
    """
    openvino: Any = importlib.import_module("openvino")
    keras = import_keras()
    # A fixed number of images is faster than a free one, and several go one by one as fast as in a batch.
    shape = [n_images, *network.input_shape[1:]]
    given = importlib.import_module("openvino.opset16").parameter(shape, openvino.Type.f32)
    outputs = keras.tree.flatten(network(keras.ops.convert_to_tensor(given.output(0))))
    return openvino.Model([output.output for output in outputs], [given])


def fold(graph: Any) -> None:
    """Compute the weights as OpenVINO wants them: shared by what is compiled, not computed by each."""
    passes: Any = importlib.import_module("openvino.passes")
    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())
    folding.run_passes(graph)


def _run(compiled: Any) -> Run:
    request = compiled.create_infer_request()

    def run(inputs: NDArray[np.float32]) -> Arrays:
        results = request.infer([inputs], share_inputs=True, share_outputs=True)
        # They lie in the request's own memory, which its next pass overwrites.
        return [np.array(results[i]) for i in range(len(compiled.outputs))]

    return run
