"""Take times of things that are to be compared in turn, so that a machine that drifts does so for all of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sample:
    """Measured values in the order in which they were taken, of any one unit."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return float(np.median(self.values))

    @property
    def p95(self) -> float:
        """The 95th percentile."""
        return float(np.percentile(self.values, 95))

    def scaled(self, factor: float) -> "Sample":
        """Return the values in another unit."""
        return Sample(tuple(value * factor for value in self.values))

    def inverse(self, numerator: float = 1.0) -> "Sample":
        """Return the rates that belong to times, or the times that belong to rates."""
        return Sample(tuple(numerator / value for value in self.values))

    def to_json(self) -> dict[str, float]:
        """Return median, 95th percentile and number of values."""
        return {"median": self.median, "p95": self.p95, "n": len(self.values)}


@dataclass(frozen=True)
class Ratio:
    """Two samples that were taken in turn: the ratio of their medians, and that of each pair."""

    over: Sample
    under: Sample

    @property
    def value(self) -> float:
        """The ratio of the medians."""
        return self.over.median / self.under.median

    @property
    def p95(self) -> float:
        """The 95th percentile of the ratios of values that were taken one after the other."""
        return Sample(tuple(a / b for a, b in zip(self.over.values, self.under.values, strict=True))).p95


def seconds_of(action: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def in_turn(
    measures: Mapping[str, Callable[[], float]], n_rounds: int, n_warm_up: int = 1
) -> dict[str, Sample]:  # fmt: skip
    """Take one value of each kind per round, every second round in reverse order; the first rounds do not count."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for turn in range(n_warm_up + n_rounds):
        for name in list(measures)[:: -1 if turn % 2 else 1]:
            value = measures[name]()
            if turn >= n_warm_up:
                taken[name].append(value)
    return {name: Sample(tuple(values)) for name, values in taken.items()}


def times_in_turn(
    actions: Mapping[str, Callable[[], object]], n_rounds: int, n_warm_up: int = 3
) -> dict[str, Sample]:  # fmt: skip
    """Take the seconds of each call in turn."""
    return in_turn({name: _timer(action) for name, action in actions.items()}, n_rounds, n_warm_up)


def _timer(action: Callable[[], object]) -> Callable[[], float]:
    return lambda: seconds_of(action)
