"""Compute a classifier's figures from true labels and probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn import metrics as scores

from training.figures import Figures

# Accuracies are given with the interval that holds the true one in 95 of 100 such test sets, if slices were independent
# of each other; where groups are known, whole groups are drawn instead.
CONFIDENCE_LEVEL = 0.95
_N_DRAWS = 2000


@dataclass(frozen=True)
class ClassFigures(Figures):
    """One class against the others. A class without images has no recall, one without others no AUROC."""

    n_pictures: int
    precision: float
    recall: float | None
    recall_interval: list[float] | None
    f1: float
    auroc: float | None


@dataclass(frozen=True)
class Presence(Figures):
    """Tumor or not, at the model's own operating point; AUROC and the rest only if both sides have images."""

    n_with_tumor: int
    n_without_tumor: int
    sensitivity: float | None
    specificity: float | None
    accuracy: float
    tumor_from: float | None = None
    auroc: float | None = None
    sensitivity_at_95_specificity: float | None = None
    # Whether the operating point was chosen on other groups than the measured ones.
    by_other_groups: bool | None = None


@dataclass(frozen=True)
class Summary(Figures):
    """All figures of a set of images; averages are over the classes that have images."""

    n_pictures: int
    n_correct: int
    accuracy: float
    accuracy_interval: list[float]
    balanced_accuracy: float
    macro_f1: float
    per_class: dict[str, ClassFigures]
    confusion_matrix: list[list[int]]
    # Number of groups drawn for the interval of the accuracy.
    n_groups: int | None = None
    tumor_presence: Presence | None = None

    @property
    def with_interval(self) -> str:
        """The accuracy and its interval as text."""
        low, high = self.accuracy_interval
        return f"{self.accuracy:.3f} ({low:.3f} to {high:.3f})"

    @property
    def recalls(self) -> str:
        """The recall of each class that has images, as text."""
        return ", ".join(f"{name} {f.recall:.3f}" for name, f in self.per_class.items() if f.recall is not None)


def summarize(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], class_names: Sequence[str],
    groups: NDArray[np.int64] | None = None,
) -> Summary:  # fmt: skip
    """Return all figures.

    labels: int64, (n,); probabilities: float32, (n, n_classes); groups: int64, (n,), of similar slices, for the
    interval of the accuracy.
    """
    predicted = probabilities.argmax(axis=1)
    present = np.unique(labels)
    precision, recall, f1, support = scores.precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(class_names)), zero_division=0
    )
    n_correct = int((predicted == labels).sum())
    interval, n_groups = _accuracy_interval(predicted == labels, groups)
    per_class = {
        name: ClassFigures(
            int(support[i]), float(precision[i]), float(recall[i]) if support[i] else None,
            wilson_interval(round(recall[i] * support[i]), int(support[i])), float(f1[i]),
            _auroc(labels == i, probabilities[:, i]),
        )
        for i, name in enumerate(class_names)
    }  # fmt: skip
    return Summary(
        n_pictures=len(labels),
        n_correct=n_correct,
        accuracy=n_correct / len(labels),
        accuracy_interval=interval,
        n_groups=n_groups,
        balanced_accuracy=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        per_class=per_class,
        confusion_matrix=scores.confusion_matrix(labels, predicted, labels=np.arange(len(class_names))).tolist(),
    )


def _accuracy_interval(right: NDArray[np.bool_], groups: NDArray[np.int64] | None) -> tuple[list[float], int | None]:
    n_groups = 0 if groups is None else len(np.unique(groups))
    # All right or all wrong: every draw is the same.
    if groups is None or n_groups < 2 or right.all() or not right.any():
        return wilson_interval(int(right.sum()), len(right)) or [0.0, 1.0], None
    return interval_by_groups(right.astype(np.float64), groups), n_groups


def interval_by_groups(values: NDArray[np.float64], groups: NDArray[np.int64], seed: int = 0) -> list[float]:
    """Return the 95 % interval of the mean of values, float64 (n,), from draws of whole groups, int64 (n,).

    Source: cluster bootstrap, percentile interval; Field and Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x.
    """
    _, places = np.unique(groups, return_inverse=True)
    n_of_group, sum_of_group = np.bincount(places), np.bincount(places, values)
    drawn = np.random.default_rng(seed).integers(0, len(n_of_group), (_N_DRAWS, len(n_of_group)))
    means = sum_of_group[drawn].sum(axis=1) / n_of_group[drawn].sum(axis=1)
    tail = (1 - CONFIDENCE_LEVEL) / 2
    return [float(v) for v in np.quantile(means, [tail, 1 - tail])]


def wilson_interval(n_correct: int, n: int) -> list[float] | None:
    """Return the interval of a share. Source: Wilson 1927, doi 10.1080/01621459.1927.10502953."""
    if n == 0:
        return None
    interval = binomtest(n_correct, n).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return [float(interval.low), float(interval.high)]


def roc_of_each_class(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], class_names: Sequence[str]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """Return false-positive rates, true-positive rates and area for each class with images on both sides."""
    curves = {}
    for i, name in enumerate(class_names):
        area = _auroc(labels == i, probabilities[:, i])
        if area is not None:
            false_positive, true_positive, _ = scores.roc_curve(labels == i, probabilities[:, i])
            curves[name] = (false_positive, true_positive, area)
    return curves


def _auroc(is_class: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> float | None:
    if is_class.all() or not is_class.any():
        return None
    return float(scores.roc_auc_score(is_class, probabilities))
