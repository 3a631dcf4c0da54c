"""Figures of a classifier from true labels and probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn import metrics as scores

# Accuracies are given with the interval that holds the true one in 95 of 100 such test sets.
CONFIDENCE_LEVEL = 0.95


def summarize(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], class_names: Sequence[str]
) -> dict[str, Any]:
    """Give every figure as plain values for a JSON file.

    labels: int64, (n,); probabilities: float32, (n, n_classes). Classes without a picture have no recall; averages
    run over the classes that have pictures.
    """
    predicted = probabilities.argmax(axis=1)
    present = np.unique(labels)
    precision, recall, f1, support = scores.precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(class_names)), zero_division=0
    )
    n_correct = int((predicted == labels).sum())
    return {
        "n_pictures": len(labels),
        "n_correct": n_correct,
        "accuracy": n_correct / len(labels),
        "accuracy_interval": wilson_interval(n_correct, len(labels)),
        "balanced_accuracy": float(recall[present].mean()),
        "macro_f1": float(f1[present].mean()),
        "per_class": {
            name: {
                "n_pictures": int(support[i]),
                "precision": float(precision[i]),
                "recall": float(recall[i]) if support[i] else None,
                "recall_interval": wilson_interval(round(recall[i] * support[i]), int(support[i])),
                "f1": float(f1[i]),
                "auroc": _auroc(labels == i, probabilities[:, i]),
            }
            for i, name in enumerate(class_names)
        },
        "confusion_matrix": scores.confusion_matrix(labels, predicted, labels=np.arange(len(class_names))).tolist(),
    }


def wilson_interval(n_correct: int, n: int) -> list[float] | None:
    """Give the interval of a share. Source: Wilson 1927, doi 10.1080/01621459.1927.10502953."""
    if n == 0:
        return None
    interval = binomtest(n_correct, n).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return [float(interval.low), float(interval.high)]


def roc_of_each_class(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], class_names: Sequence[str]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """Give false-positive rates, true-positive rates and area per class that has both sides."""
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
