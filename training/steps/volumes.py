"""Measure a network on whole volumes, as served: the threshold for "tumor", false alarms and misses."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.answering import AnsweredVolume, answers
from model.network.classifier import Classifier
from model.reading.contents import OWN_MACHINE
from model.reading.many_files import read_files
from training.errors import DataError
from training.figures import Figures

HEALTHY = "no_tumor"
# Thresholds have four decimals.
_STEPS = 10_000


@dataclass(frozen=True)
class VolumeFigures(Figures):
    """A network's answers for whole volumes.

    healthy, with_tumor: the probability of a tumor, by path in the folder; tumor_from: the threshold chosen on all of
    them; false_alarms: the share of healthy volumes called a tumor, with a threshold from the other volumes; missed:
    the share of volumes with a tumor that are not called one.
    """

    healthy: dict[str, float]
    with_tumor: dict[str, float]
    tumor_from: float
    false_alarms: float
    missed: float


def judge_volumes(classifier: Classifier, folder: Path) -> VolumeFigures:
    """Classify the volumes in `no_tumor` and in the other folders; files without a head volume are skipped.

    Raises:
        DataError: one of the two sides has no volume.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {file: _tumor_probability(classifier, file) for file in files}
    judged = {file.relative_to(folder): p for file, p in found.items() if p is not None}
    healthy = {file.as_posix(): p for file, p in judged.items() if file.parent.name == HEALTHY}
    others = {file.as_posix(): p for file, p in judged.items() if file.parent.name != HEALTHY}
    if not healthy or not others:
        raise DataError(
            f"Expected volumes in {folder / HEALTHY}, and with a tumor in a folder next to it. "
            f"Received {len(healthy)} and {len(others)}. Give another --volumes."
        )
    free, shown = list(healthy.values()), list(others.values())
    return VolumeFigures(healthy, others, bound_between(free, shown), *errors_of(free, shown))


def errors_of(healthy: Sequence[float], with_tumor: Sequence[float]) -> tuple[float, float]:
    """Return the shares of false alarms and of missed volumes, each judged by the threshold of all others.

    healthy, with_tumor: the probabilities of a tumor, one or more on both sides.
    """
    free, shown = list(healthy), list(with_tumor)
    alarms = [p >= bound_between(free[:i] + free[i + 1 :], shown) for i, p in enumerate(free)]
    missed = [p < bound_between(free, shown[:i] + shown[i + 1 :]) for i, p in enumerate(shown)]
    return sum(alarms) / len(alarms), sum(missed) / len(missed)


def bound_between(healthy: Sequence[float], with_tumor: Sequence[float]) -> float:
    """Return the threshold halfway between the highest healthy volume and the next one with a tumor, or 1."""
    highest = max(healthy, default=0.0)
    return round((highest + min([p for p in with_tumor if p > highest], default=1.0)) / 2 * _STEPS) / _STEPS


def _tumor_probability(classifier: Classifier, file: Path) -> float | None:
    steps = list(answers(read_files([file.read_bytes()], OWN_MACHINE), classifier))
    judged = [step.answer.tumor_probability for step in steps if isinstance(step, AnsweredVolume)]
    return max(judged, default=None)
