"""Starting the app, and the memory that it then takes."""

import contextlib

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
    kind = "PSS" if all("PSS when ready" in once for once in memory) else "RSS"
    samples = {
        f"{name}, MB": Sample(tuple(once[name] for once in memory))
        for name in sorted(set.intersection(*map(set, memory)))
    }
    return [
        Finding.of_sample("start", Sample(tuple(seconds)), notes=("From Popen of gunicorn to 200 from /readyz.",)),
        Finding.of_sample(
            "memory", samples[f"{kind} when ready, MB"], samples=samples,
            notes=(f"{kind} of the worker and its children. PSS counts shared pages once, RSS in each process.",),
        ),
    ]  # fmt: skip


def memory_of(app: Server, picture: bytes) -> dict[str, float]:
    """Give what the worker and its children take in MB: when ready, and after some pictures."""
    ready = {f"{name} when ready": value for name, value in sizes_mb(app).items()}
    for route in [PREDICTIONS] * 3:
        Client(app.host, app.port, route, [picture]).post()
    return ready | {f"{name} after three pictures": value for name, value in sizes_mb(app).items()}


def sizes_mb(app: Server) -> dict[str, float]:
    """Give proportional and resident set sizes in MB; of processes that may not be read, the resident one alone."""
    processes = app.worker_and_children()
    sizes = {
        "RSS": sum(process.memory_info().rss for process in processes) / _MB,
        "RSS of gunicorn's master": psutil.Process(app.process_id).memory_info().rss / _MB,
    }
    # Only Linux tells PSS, and of processes that forbid core dumps only to root.
    with contextlib.suppress(psutil.AccessDenied, AttributeError):
        sizes["PSS"] = sum(process.memory_full_info().pss for process in processes) / _MB
    return sizes
