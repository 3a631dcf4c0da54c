"""`python -m benchmarks profile`: where a worker spends its time, by stages of an answer, seen by py-spy."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.plan import Plan
from benchmarks.report.page import profile_tables
from benchmarks.report.stages import count, own_function_of, stage_of
from benchmarks.run import run_other
from benchmarks.servers import serving
from benchmarks.servers.posting import WITH_HEATMAP, Client
from benchmarks.servers.processes import ChildError

_SAMPLES_PER_SECOND = 200
_QUICK_SECONDS = 2
# Smaller shares are left out.
LEAST_SHARE = 0.005


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add how long to watch."""
    parser.add_argument("--seconds", type=int, default=20, help="how long the worker is watched")


def run(options: argparse.Namespace) -> None:
    """Post images while the worker is watched; write the share of each stage, and of the functions in it."""
    run_other(options, "profile", lambda plan: measure(plan, options.seconds), profile_tables)


def measure(plan: Plan, seconds: int) -> dict[str, Any]:
    """Return the shares of stages and of functions in the time of the worker and the processes below it."""
    seconds = _QUICK_SECONDS if plan.quick else seconds
    lines = folded_stacks(plan, seconds)
    return {
        "seconds": seconds, "samples_per_second": _SAMPLES_PER_SECOND,
        "stages": shares(count(lines, stage_of)), "functions": shares(count(lines, own_function_of)),
    }  # fmt: skip


def shares(counts: Counter[str]) -> dict[str, float]:
    """Return what has at least LEAST_SHARE of the samples, the largest first."""
    total = counts.total()
    return {kind: n / total for kind, n in counts.most_common() if n / total >= LEAST_SHARE}


def folded_stacks(plan: Plan, seconds: int) -> list[str]:
    """Return one line per stack that was seen in the worker or its children, with how often it was seen.

    Raises:
        ChildError: py-spy may not inspect the worker.
    """
    with serving.app(plan.network.models) as app, tempfile.TemporaryDirectory() as folder:
        client, file = Client(app.host, app.port, WITH_HEATMAP, [plan.picture]), Path(folder, "stacks.txt")
        client.post()
        stop = threading.Event()
        posting = threading.Thread(target=_post_until, args=(client, stop))
        posting.start()
        try:
            _watch(app.worker().pid, seconds, file)
        finally:
            stop.set()
            posting.join()
        return file.read_text(encoding="utf-8").splitlines()


def _post_until(client: Client, stop: threading.Event) -> None:
    while not stop.is_set():
        client.post()


def _watch(process_id: int, seconds: int, file: Path) -> None:
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or "py-spy"
    done = subprocess.run(
        [program, "record", "--pid", str(process_id), "--subprocesses", "--format", "raw", "--output", str(file),
         "--duration", str(seconds), "--rate", str(_SAMPLES_PER_SECOND), "--nonblocking"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode or not file.is_file():
        raise ChildError(
            f"py-spy cannot inspect the worker: {done.stderr.strip()[-500:]} Run this as root, or allow ptrace."
        )
