"""The table of what is measured, with limits set before measuring."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.timing import Ratio, Sample

LOWER, HIGHER = "at most", "at least"
NOT_MEASURED = "not measured. It needs {}."
_BFLOAT16 = "a processor that computes in bfloat16"
# What serving with PyTorch needs. In no lock: PyTorch's package for Linux brings gigabytes for graphics cards.
PYTORCH_PACKAGES = ("torch", "fastapi", "uvicorn", "python-multipart", "onnx2torch")
_PYTORCH = f"the packages {', '.join(PYTORCH_PACKAGES)}, which no list of this project installs"

# Options of OpenVINO that the comparison of engines names, and the page's table of gains reads.
LATENCY, CHANNELS_LAST, REDUCED = "LATENCY", "LATENCY, channels last as saved", "LATENCY, bfloat16"


@dataclass(frozen=True)
class Row:
    """One figure.

    name: as `--only` takes it; must, aim: limit and goal in `unit`; `better` says on which side. needs: what not every
    machine has; without it the row is left out.
    """

    name: str
    title: str
    unit: str
    better: str
    must: float
    aim: float
    needs: str = ""

    def verdict(self, value: float) -> str:
        """Return which of the limits a value meets."""
        if self._keeps(value, self.aim):
            return "aim"
        return "must" if self._keeps(value, self.must) else "missed"

    def _keeps(self, value: float, bound: float) -> bool:
        return value <= bound if self.better == LOWER else value >= bound


ROWS = (
    Row("engine", "The network alone, compared with the same on ONNX Runtime", "×", LOWER, 1, 0.9),
    Row("picture", "A JPEG over HTTP with its heat map, compared with ONNX Runtime alone", "×", LOWER, 1.25, 1.15),
    Row("picture-floor", "The same answer, compared with the network's bare arithmetic", "×", LOWER, 1.8, 1.4),
    Row("tutorial", "A usual Flask server with TensorFlow, compared with this answer", "×", HIGHER, 3, 5),
    Row("pytorch", "A FastAPI server with PyTorch, compared with this answer", "×", HIGHER, 1, 1.5, _PYTORCH),
    Row("reduced", "This answer in bfloat16, compared with ONNX Runtime alone in float32", "×", LOWER, 0.75, 0.6,
        _BFLOAT16),
    Row("throughput", "Images per second with 8 clients, compared with the network alone", "×", HIGHER, 0.85, 0.95),
    Row("start", "Start until both networks can answer", "s", LOWER, 2.5, 1.5),
    Row("memory", "Memory of a worker and its child processes after a load, both networks", "MB", LOWER, 500, 350),
    Row("decoding", "Reading and preparing a JPEG of 512 × 512 pixels", "ms", LOWER, 8, 4),
    Row("volume", "Slices per second of a volume, compared with the network alone", "×", HIGHER, 0.95, 0.98),
    Row("reduced-scan", "Slices per second of a scan in bfloat16, compared with float32", "×", HIGHER, 2, 2.2,
        _BFLOAT16),
    Row("size", "Disk space for serving, networks included", "MB", LOWER, 480, 400),
    Row("pipeline", "Training images prepared per second, compared with what the network can take", "×", HIGHER, 2, 5),
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
