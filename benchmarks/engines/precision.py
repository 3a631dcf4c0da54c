"""`python -m benchmarks precision`: what computing in bfloat16 changes in the answers to held-out images."""

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plan import Plan
from benchmarks.report.page import precision_table
from benchmarks.run import run_other
from model.answers.prediction import Prediction
from model.card import DEFAULT_MODELS, ModelCard
from model.network.classifier import Classifier
from model.network.precision import BFLOAT16, FLOAT32
from model.reading.one_file import read_image
from training.measure.trust import calibration

# Share of the images whose class may change; and the calibration error, as for publishing. A network that exceeds the
# latter in float32 must not get worse.
MOST_CHANGED, LARGEST_CALIBRATION_ERROR = 0.005, 0.03
_QUICK_IMAGES = 4
_AT_ONCE = 32


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the held-out images are."""
    parser.add_argument(
        "--pictures", nargs="+", type=Path, default=[Path("../shared/data"), Path("../shared/data/sartaj")],
        metavar="DIR", help="folders below which the images lie that the split beside a card calls held out",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Compare, and write the table."""
    run_other(options, "precision", lambda plan: measure(plan, options.pictures), precision_table)


def measure(plan: Plan, folders: Sequence[Path]) -> dict[str, Any]:
    """Return a row per network: how its answers in bfloat16 differ from those in float32."""
    return {"networks": [_compared(plan, name, folders) for name in DEFAULT_MODELS]}


def _compared(plan: Plan, name: str, folders: Sequence[Path]) -> dict[str, Any]:
    exact, fast = (
        Classifier.load(plan.network.models / f"{name}.json", precision=precision) for precision in (FLOAT32, BFLOAT16)
    )
    labels, ones, others = list[int](), list[Prediction](), list[Prediction]()
    for batch in _batches(_held_out(plan, exact.card, folders)):
        images = [read_image(file) for file, _ in batch]
        labels += [exact.card.class_names.index(label) for _, label in batch]
        ones += exact.predict(images)
        others += fast.predict(images)
    return {"network": name, **figures(np.array(labels), ones, others)}


def figures(labels: Any, ones: Sequence[Prediction], others: Sequence[Prediction]) -> dict[str, Any]:
    """Return how the second answers differ from the first, and the calibration error of both."""
    pairs = list(zip(ones, others, strict=True))
    p, q = (np.stack([one.probabilities for one in of]) for of in (ones, others))
    changed = int((p.argmax(axis=1) != q.argmax(axis=1)).sum())
    certain = sum(_is_class(one) and _is_class(other) and one.answer != other.answer for one, other in pairs)
    before, error = (calibration(labels, of).expected_calibration_error for of in (p, q))
    largest_error = max(LARGEST_CALIBRATION_ERROR, before)
    return {
        "n_images": len(pairs), "n_changed_classes": changed, "n_certain_turned": certain,
        "n_changed_answers": sum(one.answer != other.answer for one, other in pairs),
        "largest_difference": float(np.abs(p - q).max()),
        "calibration_error": before, "reduced_calibration_error": error,
        "holds": changed <= MOST_CHANGED * len(pairs) and not certain and error <= largest_error,
    }  # fmt: skip


def _is_class(prediction: Prediction) -> bool:
    return prediction.answer in prediction.class_names


def _held_out(plan: Plan, card: ModelCard, folders: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return the images that the network was not trained on, each with its class: those of the split that are here."""
    with (plan.network.models / f"{card.name}.split.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["validation"] == "1"]
    found = [(folder / row["name"], row["class_name"]) for row in rows for folder in folders]
    here = [(file, label) for file, label in found if file.is_file()]
    return here[:_QUICK_IMAGES] if plan.quick else here


def _batches(items: Sequence[tuple[Path, str]]) -> Iterator[Sequence[tuple[Path, str]]]:
    for i in range(0, len(items), _AT_ONCE):
        yield items[i : i + _AT_ONCE]
