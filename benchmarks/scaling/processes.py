"""Run a scan on some cores, and look at its memory meanwhile."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from model.scan.table.parts import arrow

_LOOK_SECONDS = 0.5
# Often enough to see a rate, and seldom enough not to be one.
_CHECKPOINT_SECONDS = 1.0
_FEWEST_PARTS = 5


@dataclass(frozen=True)
class Run:
    """What a scan took. seconds: by the clock; cpu_seconds: of all processes that it waited for, starting included.

    slices_per_second: from the first part that was written to the last, so that starting and merging do not count;
    parent_mb, decoder_mb: the largest memory of the first process and of the largest decoding process.
    """

    seconds: float
    cpu_seconds: float
    slices_per_second: float
    parent_mb: float
    decoder_mb: float


def run_scan(source: Path, n_cores: int, *arguments: str) -> Run:
    """Scan into a folder that is removed afterwards; exit code 1, for damaged files, is expected."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        often = ["--out", str(out), "--checkpoint-seconds", str(_CHECKPOINT_SECONDS)]
        command = [sys.executable, "-m", "model", "scan", str(source), *often, *arguments]
        started, before = time.monotonic(), os.times()
        with (Path(folder) / "log").open("w+") as log:
            scanning = subprocess.Popen(command, stderr=log, preexec_fn=lambda: use_cores(n_cores))
            watch = _Watch(scanning.pid)
            watch.start()
            code = scanning.wait()
            seconds, after = time.monotonic() - started, os.times()
            watch.join()
            if code not in (0, 1):
                log.seek(0)
                raise SystemExit(f"Expected a scan to end. Exit code {code}: {log.read()[-2000:]}")
        cpu_seconds = after.children_user + after.children_system - before.children_user - before.children_system
        return Run(seconds, cpu_seconds, _rate(out / "parts"), watch.parent_mb, watch.decoder_mb)


def _rate(parts: Path) -> float:
    """Return rows per second between the first part and the last, by the time at which each was written."""
    files = sorted(parts.glob("*.parquet"))
    n_rows = [arrow().parquet.read_metadata(file).num_rows for file in files]
    seconds = files[-1].stat().st_mtime - files[0].stat().st_mtime
    if len(files) < _FEWEST_PARTS:
        raise SystemExit(f"The scan must take at least {_FEWEST_PARTS} s. Add --files.")
    return float(sum(n_rows[1:]) / seconds)


def use_cores(n_cores: int) -> None:
    """Keep this process and its children to the first so many of the cores that it may use."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])


class _Watch(threading.Thread):
    """Looks at a process and its children until it ends. Memory is PSS: pages that several share count in parts."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self.parent_mb = self.decoder_mb = 0.0

    def run(self) -> None:
        # The first that has ended in between ends this look, or all of it.
        while self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
            with contextlib.suppress(psutil.Error):
                self.parent_mb = max(self.parent_mb, _memory_mb(self._process))
                self.decoder_mb = max([self.decoder_mb, *map(_memory_mb, self._process.children())])
            time.sleep(_LOOK_SECONDS)


def _memory_mb(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 2**20


def own_module(*arguments: str, n_cores: int) -> str:
    """Run `python -m` on some cores, and give what it prints."""
    done: Sequence[str] = [sys.executable, "-m", *arguments]
    return subprocess.run(
        done, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: use_cores(n_cores)
    ).stdout  # fmt: skip
