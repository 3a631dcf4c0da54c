"""One image over HTTP, against the engine alone, the floor of the machine, and a tutorial's server."""

from benchmarks.engines.engine import OnePicture, OnnxPicture
from benchmarks.engines.floor import MatrixProduct
from benchmarks.plan import Plan
from benchmarks.rows import Finding
from benchmarks.servers import serving
from benchmarks.servers.posting import PREDICTIONS, TUTORIAL, WITH_HEATMAP, Client
from benchmarks.timing import Ratio, Sample, times_in_turn


def measure(plan: Plan) -> list[Finding]:
    """Measure everything in turn, in one loop; connections stay open, one request at a time."""
    taken, product = _take(plan)
    rate = taken["matrix product"].inverse(product.operations)
    floor = rate.inverse(plan.network.operations)
    answer = taken["answer"]
    in_ms = {f"{name}, ms": sample.scaled(1000) for name, sample in taken.items() if name != "matrix product"}
    notes = (
        f"POST {WITH_HEATMAP.path} with heatmap=yes, of {len(plan.picture)} bytes, by one client over a connection",
        f"that stays open. Engine: OpenVINO on {plan.network.card.name}, one image per pass, float32, on an array",
        "that lies ready.",
    )
    gflop = plan.network.operations / 1e9
    how = f"{gflop:.2f} GFLOP of convolutions and dense layers, at the rate of a float32 product of matrices of side "
    return [
        Finding.of_ratio("picture", Ratio(answer, taken["engine"]), samples=in_ms, notes=notes),
        Finding.of_ratio(
            "picture-floor", Ratio(answer, floor), notes=(how + f"{product.side} (NumPy): the median is used.",),
            samples={"floor, ms": floor.scaled(1000), "matrix product, GFLOP/s": rate.scaled(1e-9)},
            facts={"operations_per_picture": plan.network.operations},
        ),
        Finding.of_ratio(
            "tutorial", Ratio(taken["tutorial"], answer),
            notes=("Its own gunicorn with one gthread worker; keras.Model.predict, Grad-CAM by a gradient tape.",),
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
        return times_in_turn(actions, plan.n_rounds), product
