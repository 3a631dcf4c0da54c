"""Starting the app, and its memory."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import psutil

from benchmarks.plan import Plan
from benchmarks.rows import Finding
from benchmarks.servers import serving
from benchmarks.servers.posting import PREDICTIONS, Client
from benchmarks.servers.serving import Server
from benchmarks.timing import Sample

_MB = 1e6
_N_CLIENTS = 4


def measure(plan: Plan) -> list[Finding]:
    """Start the app some times, after a start that does not count: it writes bytecode and fills the system's cache."""
    with serving.app(plan.network.models):
        pass
    seconds, memory = list[float](), list[dict[str, float]]()
    for _ in range(plan.n_starts):
        with serving.app(plan.network.models) as app:
            seconds.append(app.seconds_to_ready)
            memory.append(_memory_of(app, plan.picture))
    samples = {f"{name}, MB": Sample(tuple(once[name] for once in memory)) for name in memory[0]}
    kind = "PSS" if any(name.startswith("PSS") for name in samples) else "RSS"
    note = (
        f"{kind}, after several clients sent images at once, so that every child process runs. PSS counts shared pages "
        "once, RSS in each process."
    )
    return [
        Finding.of_sample(
            "start",
            Sample(tuple(seconds)),
            notes=("From starting gunicorn until /readyz answers 200. One start before the others does not count.",),
        ),
        Finding.of_sample("memory", samples[f"{kind} after images, MB"], samples=samples, notes=(note,)),
    ]


def _memory_of(app: Server, picture: bytes) -> dict[str, float]:
    """Return what the worker and its children take in MB: when ready, and after images."""
    ready = {f"{name} when ready": value for name, value in sizes_mb(app).items()}
    with ThreadPoolExecutor(_N_CLIENTS) as pool:
        for answer in [
            pool.submit(Client(app.host, app.port, PREDICTIONS, [picture]).post) for _ in range(2 * _N_CLIENTS)
        ]:
            answer.result()
    return ready | {f"{name} after images": value for name, value in sizes_mb(app).items()}


def sizes_mb(app: Server) -> dict[str, float]:
    """Return proportional and resident set sizes in MB; of processes that may not be read, the resident one alone."""
    processes = app.worker_and_children()
    sizes = {
        "RSS": sum(process.memory_info().rss for process in processes) / _MB,
        "RSS of gunicorn's master": psutil.Process(app.process_id).memory_info().rss / _MB,
    }
    # Only Linux tells PSS, and of processes that forbid core dumps only to root.
    with contextlib.suppress(psutil.AccessDenied, AttributeError):
        sizes["PSS"] = sum(process.memory_full_info().pss for process in processes) / _MB
    return sizes
