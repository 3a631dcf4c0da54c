"""Starting the app, and the memory that it then takes."""

import psutil

from benchmarks import serving
from benchmarks.plan import Plan
from benchmarks.posting import PREDICTIONS, Client
from benchmarks.rows import Finding
from benchmarks.serving import Server
from benchmarks.timing import Sample

_MB = 1e6


def measure(plan: Plan) -> list[Finding]:
    """Start the app some times; its files are in the system's cache from the second start on."""
    seconds, memory = list[float](), list[dict[str, float]]()
    for _ in range(plan.n_starts):
        with serving.app(plan.network.models) as app:
            seconds.append(app.seconds_to_ready)
            memory.append(memory_of(app, plan.picture))
    samples = {f"{name}, MB": Sample(tuple(once[name] for once in memory)) for name in memory[0]}
    return [
        Finding.of_sample("start", Sample(tuple(seconds)), notes=("From Popen of gunicorn to 200 from /readyz.",)),
        Finding.of_sample(
            "memory", samples["PSS when ready, MB"], samples=samples,
            notes=("PSS (proportional set size) of the worker and its children, which counts shared pages once.",),
        ),
    ]  # fmt: skip


def memory_of(app: Server, picture: bytes) -> dict[str, float]:
    """Give what the worker and its children take in MB: when ready, and after pictures to either model."""
    ready = {f"{name} when ready": value for name, value in _memory(app).items()}
    for route in [PREDICTIONS] * 3:
        Client(app.host, app.port, route, [picture]).post()
    return ready | {f"{name} after three pictures": value for name, value in _memory(app).items()}


def _memory(app: Server) -> dict[str, float]:
    parts = [process.memory_full_info() for process in app.worker_and_children()]
    return {
        # Only Linux tells PSS; elsewhere what no other process shares comes nearest.
        "PSS": sum(getattr(part, "pss", part.uss) for part in parts) / _MB,
        "RSS": sum(part.rss for part in parts) / _MB,
        "RSS of gunicorn's master": psutil.Process(app.process_id).memory_info().rss / _MB,
    }
