"""Engines alone, on a ready array: only the network's own work."""

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import openvino
from numpy.typing import NDArray

from benchmarks.engines.network import ServedNetwork
from model.network.engine import graph_of

# As the app computes: model.network.engine says why.
PRECISION = "f32"
BATCH_SIZES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Setting:
    """How OpenVINO computes: images per pass, and passes at the same time."""

    batch_size: int
    n_streams: int


def ready_inputs(network: ServedNetwork, n: int) -> NDArray[np.float32]:
    """Return float32 (n, side, side, 1), 0..255, the same at every call."""
    return (np.random.default_rng(0).random((n, *network.input_shape), np.float32) * 255).astype(np.float32)


def compiled(network: ServedNetwork, batch_size: int, options: dict[str, str], channels_last: bool = False) -> Any:
    """Compile the network for passes of one size; options are OpenVINO's properties.

    channels_last: as the network is saved, instead of as the app runs it.
    """
    graph = graph_of(network.keras_network if channels_last else network.turned_network, batch_size)
    return openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": PRECISION, **options})


class OnePicture:
    """OpenVINO, one image per pass, all cores for it."""

    def __init__(self, network: ServedNetwork, precision: str = PRECISION) -> None:
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        self._request = compiled(network, 1, options).create_infer_request()
        self._request.set_input_tensor(openvino.Tensor(ready_inputs(network, 1)))

    def run(self) -> None:
        """Classify once."""
        self._request.infer()


class OnnxPicture:
    """ONNX Runtime with its own choice of threads, one image per pass."""

    def __init__(self, network: ServedNetwork) -> None:
        options = onnxruntime.SessionOptions()
        # Otherwise its threads would keep spinning while others are measured.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = onnxruntime.InferenceSession(network.onnx_file, options, providers=["CPUExecutionProvider"])
        self._inputs = {self._session.get_inputs()[0].name: ready_inputs(network, 1)}

    def run(self) -> None:
        """Classify once."""
        self._session.run(None, self._inputs)


class ManyPictures:
    """OpenVINO, batches one after the other on several streams."""

    def __init__(self, network: ServedNetwork, setting: Setting) -> None:
        self.setting = setting
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(setting.n_streams)}
        model = compiled(network, setting.batch_size, options)
        # One request waits behind each that computes, so that no stream ever does.
        self._requests = [model.create_infer_request() for _ in range(2 * setting.n_streams)]
        for request in self._requests:
            request.set_input_tensor(openvino.Tensor(ready_inputs(network, setting.batch_size)))

    def rate(self, seconds: float) -> float:
        """Return images per second, over at least so many seconds."""
        started = time.perf_counter()
        n_passes = 0
        while n_passes < 2 or time.perf_counter() - started < seconds:
            for request in self._requests:
                if n_passes >= len(self._requests):
                    request.wait()
                request.start_async()
                n_passes += 1
        for request in self._requests:
            request.wait()
        return n_passes * self.setting.batch_size / (time.perf_counter() - started)


def best_throughput(network: ServedNetwork, quick: bool) -> tuple[ManyPictures, dict[str, float]]:
    """Try batch sizes and streams; return the fastest engine, and images per second of each that was tried."""
    sizes, seconds = ((1, 4), 0.1) if quick else (BATCH_SIZES, 1.5)
    tried: dict[Setting, float] = {}
    for setting in [Setting(size, streams) for size in sizes for streams in sorted({1, os.cpu_count() or 1})]:
        engine = ManyPictures(network, setting)
        engine.rate(seconds / 5)
        tried[setting] = engine.rate(seconds)
    best = ManyPictures(network, max(tried, key=lambda setting: tried[setting]))
    best.rate(seconds / 5)
    return best, {f"batch {s.batch_size}, {s.n_streams} streams": rate for s, rate in tried.items()}
