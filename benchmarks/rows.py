"""The table of what is measured, with limits set before measuring."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.timing import Ratio, Sample

LOWER, HIGHER = "at most", "at least"


@dataclass(frozen=True)
class Row:
    """One figure.

    name: as `--only` takes it; must, aim: limits in `unit`; `better` says on which side.
    """

    name: str
    title: str
    unit: str
    better: str
    must: float
    aim: float

    def verdict(self, value: float) -> str:
        """Return which of the limits a value meets."""
        if self._keeps(value, self.aim):
            return "aim"
        return "must" if self._keeps(value, self.must) else "missed"

    def _keeps(self, value: float, bound: float) -> bool:
        return value <= bound if self.better == LOWER else value >= bound


ROWS = (
    Row("picture", "A JPEG over HTTP, with probabilities and heat map, over the engine alone", "×", LOWER, 1.3, 1.15),
    Row("picture-floor", "The same over the floor of the machine", "×", LOWER, 1.8, 1.4),
    Row("tutorial", "A tutorial's Flask view with TensorFlow, over the same", "×", HIGHER, 3, 5),
    Row("throughput", "Images per second for 8 clients, over the engine's best", "×", HIGHER, 0.85, 0.95),
    Row("start", "From the start of the process to readiness, both models", "s", LOWER, 8, 3),
    Row("memory", "Memory of a ready worker and its children, both models", "MB", LOWER, 800, 500),
    Row("decoding", "Reading and preprocessing of a JPEG of 512 × 512 pixels", "ms", LOWER, 8, 4),
    Row("volume", "Slices per second of a volume of 155, over the engine's best", "×", HIGHER, 0.85, 0.95),
    Row("size", "What serving needs on disk, models included", "MB", LOWER, 650, 500),
    Row("pipeline", "Training images made per second, over what the network takes", "×", HIGHER, 2, 5),
)  # fmt: skip
BY_NAME = {row.name: row for row in ROWS}


@dataclass(frozen=True)
class Finding:
    """What was found for a row.

    value, p95: in the row's unit; samples: what it was made of, each with its unit in its name; notes: how it was
    measured; facts: further values for the JSON file.
    """

    row: str
    value: float
    p95: float
    samples: dict[str, Sample] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_ratio(cls, row: str, ratio: Ratio, **more: Any) -> "Finding":
        """Return the finding of a ratio."""
        return cls(row, ratio.value, ratio.p95, **more)

    @classmethod
    def of_sample(cls, row: str, sample: Sample, **more: Any) -> "Finding":
        """Return the finding of a row that is no ratio."""
        return cls(row, sample.median, sample.p95, **more)

    def to_json(self) -> dict[str, Any]:
        """Return value, bounds, verdict and what the value was made of."""
        row = BY_NAME[self.row]
        return {
            "title": row.title, "unit": row.unit, "value": self.value, "p95": self.p95, "better": row.better,
            "must": row.must, "aim": row.aim, "verdict": row.verdict(self.value),
            "samples": {name: sample.to_json() for name, sample in self.samples.items()},
            "notes": list(self.notes), **self.facts,
        }  # fmt: skip
