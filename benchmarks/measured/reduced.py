"""A scan in bfloat16 against the same in float32."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measured.volume import N_SLICES, QUICK_SIDE, QUICK_SLICES, SIDE, volume
from benchmarks.plan import Plan
from benchmarks.rows import Finding
from benchmarks.timing import Ratio, in_turn, seconds_of
from model.network.classifier import load_classifier
from model.network.engine import n_cores
from model.network.precision import AUTO, BFLOAT16, FLOAT32, usable
from model.scan.listing.inputs import Input
from model.scan.listing.units import Unit
from model.scan.rows.predictor import Effort, Predictor


def measure(plan: Plan) -> list[Finding]:
    """Take slices per second of a scan of one volume in both precisions, in turn; nothing without bfloat16."""
    if usable(AUTO) != BFLOAT16:
        return []
    card = plan.network.models / f"{plan.network.card.name}.json"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "volume.nii.gz")
        file.write_bytes(volume(plan.picture, *((QUICK_SLICES, QUICK_SIDE) if plan.quick else (N_SLICES, SIDE))))
        units = [Unit.of_one(Input(str(file)))]
        effort = Effort(n_cores())
        with (
            Predictor(load_classifier(card), effort) as exact,
            Predictor(load_classifier(card, precision=BFLOAT16), effort) as fast,
        ):
            taken = in_turn({FLOAT32: _timer(exact, units), BFLOAT16: _timer(fast, units)}, plan.n_blocks)
    seconds = {f"{name}, s": sample for name, sample in taken.items()}
    return [
        Finding.of_ratio(
            "reduced-scan", Ratio(taken[FLOAT32], taken[BFLOAT16]), samples=seconds,
            notes=(f"A volume of {N_SLICES} slices, read and classified as `python -m model scan` does.",),
        )
    ]  # fmt: skip


def _timer(predictor: Predictor, units: list[Unit]) -> Callable[[], float]:
    return lambda: seconds_of(lambda: list(predictor.rows(units)))
