"""Fit the plane between brain MRI and other images, choose a threshold, and measure both on kinds not fitted to."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from model.answers.gate import LinearGate

# Inverse strength of the pull towards zero, for standardized features. Of 0.003, 0.03 and 0.3 this lets the fewest
# images of unseen kinds through.
_C = 0.3
# Images of a kind are measured in so many parts, each by a gate fitted without it.
_N_PARTS = 3
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


def largest_distance(inside: NDArray[np.float32], outside: NDArray[np.float32] | None = None) -> float:
    """Return the threshold: the distance that LET_THROUGH of brain MRI keep, or halfway from there to other images.

    inside: distances of brain MRI, float32 (n,) or (n, forms); outside: of other images, float32 (m,).
    """
    furthest = float(np.quantile(inside, LET_THROUGH))
    if outside is None:
        return furthest
    nearest = float(np.quantile(outside, 1 - LET_THROUGH))
    # Halfway on the scale of ratios: brain MRI of other sources is further out than validation.
    return max(furthest, float(np.sqrt(furthest * nearest)))


def let_through_unseen(
    fitting: NDArray[np.float32], inside: NDArray[np.float32], outside: Mapping[str, NDArray[np.float32]]
) -> dict[str, float]:
    """Return the share of each kind that is accepted by a gate fitted without it.

    fitting, inside: float32 (n, channels), of brain MRI for fitting the gates, and for choosing their thresholds;
    outside: by kind, float32 (m, channels).
    """
    return {
        kind: float(_is_accepted(fitting, inside, {**outside, kind: features[:0]}, features).mean())
        for kind, features in outside.items()
        if len(features)
    }


def let_through_known(
    fitting: NDArray[np.float32], inside: NDArray[np.float32], outside: Mapping[str, NDArray[np.float32]]
) -> dict[str, float]:
    """Return the share of each kind that is accepted by gates fitted to other images of it.

    The arguments are those of `let_through_unseen`. Files that follow each other are often of one patient: the parts
    are stretches.
    """
    n_accepted = dict.fromkeys(outside, 0)
    for part in range(_N_PARTS):
        left_out = {kind: np.array_split(features, _N_PARTS)[part] for kind, features in outside.items()}
        fitted = {
            kind: np.concatenate([p for i, p in enumerate(np.array_split(features, _N_PARTS)) if i != part])
            for kind, features in outside.items()
        }
        accepted = _is_accepted(fitting, inside, fitted, np.concatenate(list(left_out.values())))
        ends = np.cumsum([len(features) for features in left_out.values()])[:-1]
        for kind, of_kind in zip(left_out, np.split(accepted, ends), strict=True):
            n_accepted[kind] += int(of_kind.sum())
    return {kind: n / len(outside[kind]) for kind, n in n_accepted.items() if len(outside[kind])}


def _is_accepted(
    fitting: NDArray[np.float32], inside: NDArray[np.float32], outside: Mapping[str, NDArray[np.float32]],
    measured: NDArray[np.float32],
) -> NDArray[np.bool_]:  # fmt: skip
    gate = fit_linear_gate(fitting, outside)
    return gate.distances(measured) <= largest_distance(gate.distances(inside))
