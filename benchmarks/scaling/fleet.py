"""Simulate a fleet of machines that fail, scanning 10^8 slices: how long it takes, and what failures cost."""

import argparse
import random
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scaling.figures import add_figures, read_figures

N_SLICES = 100_000_000
MACHINES = (10, 100, 1000)
# Hours that a machine works before it fails or is taken away: bought machines, rented ones, pre-emptible ones.
HOURS_BETWEEN_FAILURES = (720.0, 24.0, 4.0)
# Cores of a machine: what the figures were measured on.
_CORES = 2
# Until a scheduler has noticed and found another machine; not measured, Kubernetes waits five minutes for a lost node.
_REPLACEMENT_SECONDS = 300.0
_CHECKPOINT_SECONDS = 30.0
_N_PLAYED = 5


@dataclass(frozen=True)
class Fleet:
    """Machines that share an archive by --shard i/N, one shard each.

    start_seconds: until the first slice, including listing the whole archive again, as every shard does.
    """

    n_slices: int
    n_machines: int
    hours_between_failures: float
    slices_per_second: float
    start_seconds: float


def run(options: argparse.Namespace) -> None:
    """Simulate all fleets with the measured figures; print and keep."""
    simulate(options.figures)


def simulate(figures: Path) -> None:
    """Simulate all fleets with the measured figures; print and keep."""
    measured = read_figures(figures).get("measure")
    if not measured:
        raise SystemExit("There are no measured figures yet. Run: python -m benchmarks.scaling measure")
    found = [_played(n, hours, measured) for n in MACHINES for hours in HOURS_BETWEEN_FAILURES]
    add_figures(figures, "simulate", {"n_slices": N_SLICES, "n_played": _N_PLAYED, "fleets": found})


def _played(n_machines: int, hours: float, measured: dict[str, Any]) -> dict[str, Any]:
    rate = _CORES * measured["slices_per_core_second"]
    listing = N_SLICES / measured["files_listed_per_second"]
    # All machines read the same listing; the usual batch's start, from measured runs.
    start = measured["scan"]["2 cores, batch 8"]["seconds_to_start_and_end"] + listing
    fleet = Fleet(N_SLICES, n_machines, hours, rate, start)
    plays = [play(fleet, random.Random(seed)) for seed in range(_N_PLAYED)]
    ideal = N_SLICES / n_machines / rate
    seconds = statistics.mean(play["seconds"] for play in plays)
    return {
        "machines": n_machines, "hours_between_failures": hours, "hours": seconds / 3600,
        "hours_without_failures_and_listing": ideal / 3600,
        "failures": statistics.mean(play["failures"] for play in plays),
        "share_of_time_that_scans": statistics.mean(play["busy"] for play in plays),
    }  # fmt: skip


def play(fleet: Fleet, chance: random.Random) -> dict[str, float]:
    """Return the time until the last shard is done, the number of failures, and the share of all time that scanned."""
    each = fleet.n_slices / fleet.n_machines / fleet.slices_per_second
    times, n_failures = [], 0
    for _ in range(fleet.n_machines):
        seconds, failures = _shard(each, fleet, chance)
        times.append(seconds)
        n_failures += failures
    return {"seconds": max(times), "failures": n_failures, "busy": each * fleet.n_machines / sum(times)}


def _shard(work_seconds: float, fleet: Fleet, chance: random.Random) -> tuple[float, int]:
    """Work, fail at random, lose what was not written, start again."""
    clock, left, n_failures = 0.0, work_seconds, 0
    while True:
        until_failure = chance.expovariate(1 / (3600 * fleet.hours_between_failures))
        if until_failure >= fleet.start_seconds + left:
            return clock + fleet.start_seconds + left, n_failures
        worked = max(0.0, until_failure - fleet.start_seconds)
        left -= worked - worked % _CHECKPOINT_SECONDS
        clock += until_failure + _REPLACEMENT_SECONDS
        n_failures += 1
