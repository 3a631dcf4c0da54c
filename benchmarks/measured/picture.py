"""One image over HTTP, against the engine alone, the floor of the machine, and two servers of the usual kind."""

import time
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.engines.engine import OnePicture, OnnxPicture
from benchmarks.engines.floor import MatrixProduct
from benchmarks.plan import Plan
from benchmarks.rows import Finding
from benchmarks.servers import serving
from benchmarks.servers.posting import PEER, PREDICTIONS, WITH_HEATMAP, Client, Route
from benchmarks.servers.serving import Server
from benchmarks.timing import Ratio, Sample, in_turn, seconds_of
from model.network.precision import AUTO, BFLOAT16, usable

_ANSWER, _ONNX, _PRODUCT = "answer", "ONNX Runtime alone", "matrix product"
_ANSWER_REDUCED = "answer in bfloat16"
# TensorFlow's, PyTorch's and NumPy's threads spin for some time after their work, and would slow down what comes next.
_SPINNING = ("tutorial", "pytorch", _PRODUCT)
_REST_SECONDS = 0.2
_PEERS = {
    "tutorial": "It has its own gunicorn with one gthread worker, and calls keras.Model.predict and Grad-CAM.",
    "pytorch": "The same network, which onnx2torch makes from its ONNX file, in float32, with PyTorch's own choice of "
    "threads. It has one uvicorn worker. The heat map is a class activation map of the same pass.",
}
_REDUCED = 'The app with BRAIN_MRI_PRECISION=bfloat16, and a heat map. The network alone: "engine in bfloat16" above.'


def measure(plan: Plan) -> list[Finding]:
    """Measure everything in turn, in one loop; connections stay open, one request at a time."""
    taken, product = _take(plan)
    rate = taken[_PRODUCT].inverse(product.operations)
    floor = rate.inverse(plan.network.operations)
    answer, onnx = taken[_ANSWER], taken[_ONNX]
    in_ms = {f"{name}, ms": sample.scaled(1000) for name, sample in taken.items() if name != _PRODUCT}
    notes = (
        f"One client sends POST {WITH_HEATMAP.path} with heatmap=yes and {len(plan.picture)} bytes; the connection",
        f"stays open. The network alone: OpenVINO on {plan.network.card.name}, one ready image per pass, in float32.",
    )
    gflop = plan.network.operations / 1e9
    arithmetic = (
        f"The bare arithmetic: {gflop:.2f} GFLOP of convolutions and dense layers. Its time (floor) is that of as many "
        f"operations in a float32 matrix product of side {product.side} (NumPy, median)."
    )
    return [
        Finding.of_ratio("engine", Ratio(taken["engine"], onnx), notes=("OpenVINO and ONNX Runtime in turn.",)),
        Finding.of_ratio("picture", Ratio(answer, onnx), samples=in_ms, notes=notes),
        Finding.of_ratio(
            "picture-floor", Ratio(answer, floor), notes=(arithmetic,),
            samples={"floor, ms": floor.scaled(1000), "matrix product, GFLOP/s": rate.scaled(1e-9)},
            facts={"operations_per_picture": plan.network.operations},
        ),
        *(Finding.of_ratio(name, Ratio(taken[name], answer), notes=(note,))
          for name, note in _PEERS.items() if name in taken),
        *(Finding.of_ratio("reduced", Ratio(taken[name], onnx), notes=(_REDUCED,))
          for name in taken if name == _ANSWER_REDUCED),
    ]  # fmt: skip


def _take(plan: Plan) -> tuple[dict[str, Sample], MatrixProduct]:
    product = MatrixProduct(plan.quick)
    with ExitStack() as servers:
        app = servers.enter_context(serving.app(plan.network.models))
        actions = {_ANSWER: _post(plan, app, WITH_HEATMAP), "engine": OnePicture(plan.network).run}
        if usable(AUTO) == BFLOAT16:
            reduced = servers.enter_context(serving.app(plan.network.models, PRECISION=BFLOAT16))
            actions[_ANSWER_REDUCED] = _post(plan, reduced, WITH_HEATMAP)
            actions["engine in bfloat16"] = OnePicture(plan.network, "bf16").run
        actions[_ONNX] = OnnxPicture(plan.network).run
        actions["answer without a heat map"] = _post(plan, app, PREDICTIONS)
        actions["tutorial"] = _post(plan, servers.enter_context(serving.tutorial(plan.network)), PEER)
        if serving.has_pytorch():
            actions["pytorch"] = _post(plan, servers.enter_context(serving.pytorch(plan.network)), PEER)
        actions[_PRODUCT] = product.run
        timers = {name: _timer(action, rests=name in _SPINNING) for name, action in actions.items()}
        return in_turn(timers, plan.n_rounds, n_warm_up=3), product


def _post(plan: Plan, server: Server, route: Route) -> Callable[[], object]:
    return Client(server.host, server.port, route, [plan.picture]).post


def _timer(action: Callable[[], object], rests: bool) -> Callable[[], float]:
    def measure() -> float:
        seconds = seconds_of(action)
        time.sleep(_REST_SECONDS if rests else 0)
        return seconds

    return measure
