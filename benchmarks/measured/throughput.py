"""Several clients at once against the best that the engine does."""

from benchmarks.plan import PICTURE, Plan
from benchmarks.rows import Finding
from benchmarks.servers import serving
from benchmarks.servers.clients import Load, clients
from benchmarks.servers.posting import PREDICTIONS
from benchmarks.timing import Ratio, Sample, in_turn

N_CLIENTS = 8


def measure(plan: Plan) -> list[Finding]:
    """Take images per second of app and engine in turn; the clients share the machine with the app."""
    engine, loads = plan.best_engine, list[Load]()
    with (
        serving.app(plan.network.models) as app,
        clients(app, PICTURE, N_CLIENTS) as running,
    ):

        def app_rate() -> float:
            loads.append(running.post_for(plan.block_seconds))
            return loads[-1].rate

        taken = in_turn({"app": app_rate, "engine": lambda: engine.rate(plan.block_seconds)}, plan.n_blocks)
    ratio = Ratio(taken["app"], taken["engine"])
    waited = Sample(tuple(seconds * 1000 for load in loads[1:] for seconds in load.seconds))
    setting = engine.setting
    return [
        Finding.of_ratio(
            "throughput", ratio,
            samples={"app, images/s": taken["app"], "engine, images/s": taken["engine"], "answer, ms": waited},
            notes=(
                f"{N_CLIENTS} clients in one process send POST {PREDICTIONS.path}; connections stay open. "
                f"The network alone: batches of {setting.batch_size}, {setting.n_streams} streams. "
                f"{sum(load.n_refused for load in loads)} requests were refused (503).",
            ),
            facts={"engine_pictures_per_second_tried": plan.throughputs_tried},
        )
    ]  # fmt: skip
