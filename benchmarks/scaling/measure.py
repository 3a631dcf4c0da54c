"""Measure the engine and the scan on one and on two cores, their memory, and how long a scan takes to start."""

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measured.start import sizes_mb
from benchmarks.plan import PICTURE
from benchmarks.scaling.figures import add_figures
from benchmarks.scaling.processes import own_module, run_scan
from benchmarks.scaling.tree import make_tree
from benchmarks.servers import serving
from benchmarks.servers.posting import PREDICTIONS, Client
from model.card import WEIGHTS_FOLDER
from model.scan.listing.inputs import Shard
from model.scan.listing.sources import list_units

_BATCHES = (1, 8, 32)
_N_LISTED = 100_000
_N_POSTED = 30


def run(options: argparse.Namespace) -> None:
    """Measure, print and keep."""
    measure(options.pictures, options.files, options.runs, options.ray_files, options.figures)


def run_memory(options: argparse.Namespace) -> None:
    """Measure memory, print and keep."""
    measure_memory(options.pictures, options.files, options.figures)


def measure(pictures: Path, n_files: int, n_runs: int, n_ray: int, figures: Path) -> None:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as folder:
        many = Path(folder) / "many"
        make_tree(pictures, many, n_files)
        engine = {f"{cores} cores, batch {batch}": _engine(many, cores, batch, n_runs)
                  for cores, batch in itertools.product(_cores(), _BATCHES)}  # fmt: skip
        scan = {f"{cores} cores, batch {batch}": _scan(many, n_files, cores, n_runs, "--batch", str(batch))
                for cores, batch in itertools.product(_cores(), _BATCHES)}  # fmt: skip
        found: dict[str, Any] = {"n_files": n_files, "engine": engine, "scan": scan}
        found |= _conclusions(engine, scan)
        if n_ray:
            found["ray"] = _ray(pictures, n_ray, Path(folder) / "for_ray")
        found["files_listed_per_second"] = _listing(Path(folder) / "listed")
        found["serving"] = _serving()
    add_figures(figures, "measure", found)


def _cores() -> list[int]:
    return [n for n in (1, 2) if n <= len(os.sched_getaffinity(0))]


def _engine(pictures: Path, n_cores: int, batch: int, n_runs: int) -> dict[str, float]:
    runs = [
        json.loads(own_module("benchmarks.scaling.engine", str(pictures), str(batch), n_cores=n_cores))
        for _ in range(n_runs)
    ]
    return {
        name: statistics.median(run[name] for run in runs) for name in ("slices_per_second", "cpu_seconds_per_slice")
    }


def _scan(tree: Path, n_files: int, n_cores: int, n_runs: int, *arguments: str) -> dict[str, float]:
    """Return medians of several scans."""
    runs = [run_scan(tree, n_cores, *arguments) for _ in range(n_runs)]
    return {
        "slices_per_second": statistics.median(run.slices_per_second for run in runs),
        "cpu_seconds_per_slice": statistics.median(run.cpu_seconds for run in runs) / n_files,
        "seconds_to_start_and_end": statistics.median(run.seconds - n_files / run.slices_per_second for run in runs),
    }


def _ray(pictures: Path, n_files: int, folder: Path) -> dict[str, Any]:
    """Return one scan by Ray per number of cores, and how much longer it takes on all of them than the plain scan."""
    make_tree(pictures, folder, n_files, seed=2)
    by_cores = {cores: run_scan(folder, cores, "--engine", "ray") for cores in _cores()}
    plain = run_scan(folder, max(_cores()))
    return {
        "n_files": n_files,
        "slices_per_second": {f"{cores} cores": run.slices_per_second for cores, run in by_cores.items()},
        "seconds": {f"{cores} cores": run.seconds for cores, run in by_cores.items()},
        "plain_seconds": plain.seconds,
        "plain_slices_per_second": plain.slices_per_second,
        "time_over_plain": by_cores[max(_cores())].seconds / plain.seconds,
    }


def _conclusions(engine: dict[str, Any], scan: dict[str, Any]) -> dict[str, Any]:
    """Return the fit over the number of cores, how it scales, and the scan as a share of the engine."""
    best = {cores: max(scan[f"{cores} cores, batch {b}"]["slices_per_second"] for b in _BATCHES) for cores in _cores()}
    alone = {
        cores: max(engine[f"{cores} cores, batch {b}"]["slices_per_second"] for b in _BATCHES) for cores in _cores()
    }  # fmt: skip
    cores = np.array(list(best), float)
    # Through zero: no cores, no slices.
    slope = float(cores @ np.array(list(best.values())) / (cores @ cores))
    last = max(best)
    return {
        "slices_per_core_second": slope,
        "scaling_from_1_core": best[last] / best[1],
        "share_of_engine": best[last] / alone[last],
    }


def _listing(folder: Path) -> float:
    for i in range(_N_LISTED):
        place = folder / f"{i // 1000:03}"
        if i % 1000 == 0:
            place.mkdir(parents=True)
        (place / f"{i:06}").touch()
    started = time.monotonic()
    n = sum(len(unit.files) for unit in list_units([str(folder)], Shard(0, 2), str(folder / "out")))
    assert 0 < n < _N_LISTED
    return _N_LISTED / (time.monotonic() - started)


def _serving() -> dict[str, float]:
    """Serve the app, post one image some times, one after the other, and look at its memory (PSS)."""
    with serving.app(WEIGHTS_FOLDER) as app:
        loaded, client = sizes_mb(app), Client(app.host, app.port, PREDICTIONS, [PICTURE.read_bytes()])
        started = time.monotonic()
        for _ in range(_N_POSTED):
            client.post()
        rate, working = _N_POSTED / (time.monotonic() - started), sizes_mb(app)
    return {
        "seconds_until_ready": app.seconds_to_ready, "loaded_mb": loaded["PSS"], "working_mb": working["PSS"],
        "pictures_per_second": rate,
    }  # fmt: skip


def measure_memory(pictures: Path, sizes: Sequence[int], figures: Path) -> None:
    """Print and keep the largest memory of a scan's processes on archives of several sizes, in files."""
    found = {}
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            make_tree(pictures, Path(folder), n, seed=1)
            run = run_scan(Path(folder), max(_cores()))
        found[str(n)] = {"parent_mb": run.parent_mb, "decoder_mb": run.decoder_mb}
    first, last = (found[str(n)] for n in (sizes[0], sizes[-1]))
    add_figures(figures, "memory", {"by_files": found, "growth": last["parent_mb"] / first["parent_mb"]})
