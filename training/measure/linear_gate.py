"""Fit the plane between brain MRI and other images, choose a threshold, and measure both on kinds not fitted to."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from model.answers.gate import LinearGate

# Inverse strength of the pull towards zero, for standardized features: some hundred images against as many channels.
_C = 0.03
# At least this share of the validation images is accepted, over all forms.
LET_THROUGH = 0.99


def fit_linear_gate(inside: NDArray[np.float32], outside: Mapping[str, NDArray[np.float32]]) -> LinearGate:
    """Fit a gate whose threshold is odds of 1. All kinds have equal weight, and so have both sides.

    inside: float32 (n, channels), of brain MRI; outside: by kind, float32 (m, channels).
    """
    kinds = [features for features in outside.values() if len(features)]
    mean, deviation = inside.mean(axis=0), inside.std(axis=0) + np.float32(1e-4)
    unit = LinearGate(mean, deviation, mean, np.float32(0), 1.0)
    features = np.concatenate([unit.standard(inside), *(unit.standard(of_kind) for of_kind in kinds)])
    is_outside = np.arange(len(features)) >= len(inside)
    counts = np.concatenate([np.full(len(inside), len(inside)), *(np.full(len(k), len(k) * len(kinds)) for k in kinds)])
    fitted = LogisticRegression(C=_C, max_iter=400).fit(features, is_outside, len(features) / (2 * counts))
    return LinearGate(mean, deviation, fitted.coef_[0].astype(np.float32), fitted.intercept_[0].astype(np.float32), 1.0)


def largest_distance(inside: NDArray[np.float32], outside: NDArray[np.float32]) -> float:
    """Return the threshold between distances of brain MRI, float32 (n,) or (n, forms), and of other images, (m,)."""
    furthest = float(np.quantile(inside, LET_THROUGH))
    if not outside.size:
        return furthest
    nearest = float(np.quantile(outside, 1 - LET_THROUGH))
    # Halfway on the scale of ratios: brain MRI of other sources is further out than validation.
    return max(furthest, float(np.sqrt(furthest * nearest)))


def let_through_unseen(
    fitting: NDArray[np.float32], inside: NDArray[np.float32], outside: Mapping[str, NDArray[np.float32]]
) -> dict[str, float]:
    """Return the share of each kind that is accepted by a gate fitted without it.

    fitting, inside: float32 (n, channels), of brain MRI for fitting the gates, and for choosing their thresholds.
    """
    shares = {}
    for kind, features in outside.items():
        if len(features):
            others = {name: of_kind for name, of_kind in outside.items() if name != kind}
            gate = fit_linear_gate(fitting, others)
            seen = gate.distances(np.concatenate(list(others.values())))
            shares[kind] = float((gate.distances(features) <= largest_distance(gate.distances(inside), seen)).mean())
    return shares
