"""One image over HTTP, against the engine alone, the floor of the machine, and a tutorial's server."""

from benchmarks.engines.engine import OnePicture, OnnxPicture
from benchmarks.engines.floor import MatrixProduct
from benchmarks.plan import Plan
from benchmarks.rows import Finding
from benchmarks.servers import serving
from benchmarks.servers.posting import PREDICTIONS, TUTORIAL, WITH_HEATMAP, Client
from benchmarks.timing import Ratio, Sample, times_in_turn
from model.network.precision import AUTO, BFLOAT16, usable


def measure(plan: Plan) -> list[Finding]:
    """Measure everything in turn, in one loop; connections stay open, one request at a time."""
    taken, product = _take(plan)
    rate = taken["matrix product"].inverse(product.operations)
    floor = rate.inverse(plan.network.operations)
    answer, onnx = taken["answer"], taken["ONNX Runtime alone"]
    in_ms = {f"{name}, ms": sample.scaled(1000) for name, sample in taken.items() if name != "matrix product"}
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
        *(Finding.of_ratio("reduced", Ratio(taken[name], onnx)) for name in taken if name == BFLOAT16),
        Finding.of_ratio("picture", Ratio(answer, onnx), samples=in_ms, notes=notes),
        Finding.of_ratio(
            "picture-floor", Ratio(answer, floor), notes=(arithmetic,),
            samples={"floor, ms": floor.scaled(1000), "matrix product, GFLOP/s": rate.scaled(1e-9)},
            facts={"operations_per_picture": plan.network.operations},
        ),
        Finding.of_ratio(
            "tutorial", Ratio(taken["tutorial"], answer),
            notes=("It has its own gunicorn with one gthread worker, and calls keras.Model.predict and Grad-CAM.",),
        ),
    ]  # fmt: skip


def _take(plan: Plan) -> tuple[dict[str, Sample], MatrixProduct]:
    engine, onnx, product = OnePicture(plan.network), OnnxPicture(plan.network), MatrixProduct(plan.quick)
    with (
        serving.app(plan.network.models) as app,
        serving.tutorial(plan.network) as other,
    ):
        # In this order, reversed in every second round, answer and engine never come right behind
        # TensorFlow or the product, whose threads keep spinning for a while.
        actions = {
            "answer": Client(app.host, app.port, WITH_HEATMAP, [plan.picture]).post,
            "engine": engine.run,
            "answer without a heat map": Client(app.host, app.port, PREDICTIONS, [plan.picture]).post,
            "ONNX Runtime alone": onnx.run,
            "tutorial": Client(other.host, other.port, TUTORIAL, [plan.picture]).post,
            "matrix product": product.run,
        }
        if usable(AUTO) == BFLOAT16:
            actions[BFLOAT16] = OnePicture(plan.network, "bf16").run
        return times_in_turn(actions, plan.n_rounds), product
