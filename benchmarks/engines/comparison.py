"""`python -m benchmarks engines`: engines and options compared, and how each changes the answers."""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from benchmarks.engines.engine import compiled
from benchmarks.engines.network import ServedNetwork
from benchmarks.plan import SAMPLES, Plan
from benchmarks.report.page import engines_table
from benchmarks.rows import CHANNELS_LAST, LATENCY, REDUCED
from benchmarks.run import run_other
from benchmarks.servers.processes import on_tensorflow
from benchmarks.timing import times_in_turn
from model.network.classifier import Classifier
from model.preprocessing import preprocess
from model.reading.one_file import read_image

_BATCH = 8
_N_PICTURES = 200
Inputs = NDArray[np.float32]
Passes = Callable[[Inputs], NDArray[np.float32]]


@dataclass(frozen=True)
class Engine:
    """A way to run the network: from float32 (n, side, side, 1), 0..255, to float32 (n, n_classes).

    rate: images per second over at least some seconds, in batches of _BATCH, in the engine's fastest mode.
    """

    name: str
    passes: Passes
    rate: Callable[[Inputs, float], float]


def measure(plan: Plan, pictures: Path) -> dict[str, Any]:
    """Return a row per engine: times of one image in ms, images per second, and differences in the answers."""
    inputs = _inputs(plan, pictures)
    reference = _reference(plan.network, inputs)
    every = _engines(plan.network, quick=plan.quick)
    one = inputs[:1]
    times = times_in_turn({engine.name: _one_pass(engine, one) for engine in every}, plan.n_rounds)
    batch = np.resize(inputs, (_BATCH, *inputs.shape[1:]))
    rows = []
    for engine in every:
        given = np.concatenate([engine.passes(inputs[i : i + 1]) for i in range(len(inputs))])
        changed = int((given.argmax(axis=1) != reference.argmax(axis=1)).sum())
        rows.append({
            "engine": engine.name, "one_picture_ms": times[engine.name].scaled(1000).to_json(),
            "pictures_per_second": engine.rate(batch, plan.block_seconds),
            "largest_difference": float(np.abs(given - reference).max()), "n_changed_classes": changed,
        })  # fmt: skip
    return {"n_pictures": len(inputs), "batch_size": _BATCH, "engines": rows}


def _one_pass(engine: Engine, one: Inputs) -> Callable[[], object]:
    return lambda: engine.passes(one)


def _inputs(plan: Plan, pictures: Path) -> Inputs:
    """Preprocess the shipped samples and, of a folder of folders, some images spread evenly."""
    others = sorted(pictures.rglob("*.jpg")) if pictures.is_dir() and not plan.quick else []
    chosen = [*sorted(SAMPLES.glob("*.jpg")), *others[:: max(1, len(others) // _N_PICTURES)][:_N_PICTURES]]
    side = plan.network.card.input_size_px
    return np.stack([preprocess(read_image(file).pixels, side).pixels for file in chosen])[..., None].astype(np.float32)


def _reference(network: ServedNetwork, inputs: Inputs) -> NDArray[np.float32]:
    """Return the answers of Keras on TensorFlow, which trained the network."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "inputs.npy")
        np.save(file, inputs)
        return np.array(on_tensorflow("benchmarks.engines.reference", network.file.resolve(), file), np.float32)


def _engines(network: ServedNetwork, quick: bool) -> list[Engine]:
    cores = os.cpu_count() or 1
    options: dict[str, dict[str, str]] = {
        LATENCY: {"PERFORMANCE_HINT": "LATENCY"},
        f"THROUGHPUT, {cores} streams": {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(cores)},
        REDUCED: {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16"},
        f"THROUGHPUT, {cores} streams, bfloat16": {
            "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(cores), "INFERENCE_PRECISION_HINT": "bf16",
        },
        "LATENCY, 1 thread": {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": "1"},
        "THROUGHPUT, 1 stream": {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": "1"},
    }  # fmt: skip
    if quick:
        options = dict(list(options.items())[:2])
    return [
        _of_app(network),
        _of_openvino(network, CHANNELS_LAST, options[LATENCY], channels_last=True),
        *(_of_openvino(network, name, chosen) for name, chosen in options.items()),
        *(_of_onnx(network, threads) for threads in sorted({1, cores})),
        *(_of_litert(network, threads) for threads in sorted({1, cores})),
    ]


def _of_app(network: ServedNetwork) -> Engine:
    classifier = Classifier.load(network.models / f"{network.card.name}.json")

    def passes(inputs: Inputs) -> NDArray[np.float32]:
        return classifier.predict_inputs(inputs.astype(np.uint8)).probabilities

    return _one_behind_the_other("The app: Classifier.predict_inputs", passes)


def _of_openvino(network: ServedNetwork, name: str, options: Mapping[str, str], channels_last: bool = False) -> Engine:
    model = compiled(network, 1, dict(options), channels_last)
    request = model.create_infer_request()

    def passes(inputs: Inputs) -> NDArray[np.float32]:
        given: NDArray[np.float32] = request.infer([inputs])[0].copy()
        return given

    def rate(batch: Inputs, seconds: float) -> float:
        queue = openvino.AsyncInferQueue(compiled(network, len(batch), dict(options), channels_last))
        return _rate(lambda: queue.start_async([batch]), queue.wait_all, len(batch), seconds)

    return Engine(f"OpenVINO, {name}", passes, rate)


def _of_onnx(network: ServedNetwork, threads: int) -> Engine:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Otherwise its threads would keep spinning while others are measured.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(network.onnx_file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _one_behind_the_other(
        f"ONNX Runtime, threads: {threads}", lambda inputs: session.run(None, {name: inputs})[0]
    )


def _of_litert(network: ServedNetwork, threads: int) -> Engine:
    interpreter = Interpreter(str(network.litert_file), num_threads=threads)
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()

    def passes(inputs: Inputs) -> NDArray[np.float32]:
        if tuple(interpreter.get_input_details()[0]["shape"]) != inputs.shape:
            interpreter.resize_tensor_input(given["index"], inputs.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], inputs)
        interpreter.invoke()
        probabilities: NDArray[np.float32] = interpreter.get_tensor(taken["index"])
        return probabilities

    interpreter.allocate_tensors()
    return _one_behind_the_other(f"LiteRT, threads: {threads}", passes)


def _one_behind_the_other(name: str, passes: Passes) -> Engine:
    def rate(batch: Inputs, seconds: float) -> float:
        passes(batch)
        return _rate(lambda: passes(batch), lambda: None, len(batch), seconds)

    return Engine(name, passes, rate)


def _rate(start: Callable[[], object], finish: Callable[[], object], n: int, seconds: float) -> float:
    """Return images per second of batches of n, run one after the other for some seconds."""
    began, n_started = time.perf_counter(), 0
    while n_started < 2 or time.perf_counter() - began < seconds:
        start()
        n_started += 1
    finish()
    return n_started * n / (time.perf_counter() - began)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the images whose answers are compared."""
    parser.add_argument(
        "--pictures", type=Path, default=Path("../shared/data/sartaj/Training"), metavar="DIR",
        help="JPEGs in folders, of which some are classified too, if it is there",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Measure, and write the table."""
    run_other(options, "engines", lambda plan: measure(plan, options.pictures), engines_table)
