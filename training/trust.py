"""How far probabilities can be trusted: calibration, error among certain answers, and the numbers chosen for them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize_scalar
from sklearn import metrics as scores
from sklearn.model_selection import GroupKFold

from model.card import Decision
from model.classifier import calibrate

N_BINS = 15
# An answer that is given as certain may be wrong this often.
SELECTIVE_ERROR = 0.02
# The margin for it, as the confidence of a binomial bound: few wrong answers among few can be luck.
_CONFIDENCE = 0.9
# The error allowed for copies of them in a changed look: pictures from elsewhere are answered less well than from here.
SHIFTED_ERROR = 0.05
# As many parts of the validation pictures are measured with numbers that the others chose.
_N_FOLDS = 10
# A bound that no probability reaches, not even one that is rounded to 1.
NEVER = 2.0
# The operating point leaves this share of the pictures without tumor alone.
SPECIFICITY = 0.95


def choose_decision(
    labels: NDArray[np.int64], raw: NDArray[np.float32], healthy: int, shifted: NDArray[np.float32] | None = None
) -> Decision:
    """Choose temperature, operating point and the bound of certainty on validation pictures.

    raw: float32, (n, n_classes), probabilities as the network gives them; shifted: the same of copies in a changed
    look, which count as much for the temperature; healthy: the label of "no tumor".
    """
    both = (labels, raw) if shifted is None else (np.tile(labels, 2), np.concatenate([raw, shifted]))
    temperature = fit_temperature(*both)
    probabilities = calibrate(raw, temperature)
    tumor_from = operating_point(labels != healthy, 1 - probabilities[:, healthy])
    undecided = Decision(temperature, 0.0, tumor_from)
    bound = certainty_bound(labels, probabilities, agreement(probabilities, undecided, healthy), SELECTIVE_ERROR)
    if shifted is not None:
        changed = calibrate(shifted, temperature)
        agreed = agreement(changed, undecided, healthy)
        bound = max(bound, certainty_bound(labels, changed, agreed, SHIFTED_ERROR))
    return Decision(round(temperature, 4), round(bound, 4), round(tumor_from, 4))


def fit_temperature(labels: NDArray[np.int64], raw: NDArray[np.float32]) -> float:
    """Give the temperature that makes the true classes most likely. Source: Guo et al. 2017, arXiv:1706.04599."""

    def loss(log_temperature: float) -> float:
        probabilities = calibrate(raw, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def operating_point(has_tumor: NDArray[np.bool_], tumor_probability: NDArray[np.float32]) -> float:
    """Give the lowest probability of a tumor that leaves SPECIFICITY of the pictures without one alone; at most 1/2."""
    healthy = np.sort(tumor_probability[~has_tumor])
    if not healthy.size:
        return 0.5
    place = min(int(np.ceil(SPECIFICITY * healthy.size)), healthy.size - 1)
    return float(min(healthy[place], 0.5))


def agreement(probabilities: NDArray[np.float32], decision: Decision, healthy: int) -> NDArray[np.bool_]:
    """Tell where class and operating point agree on whether there is a tumor: bool (n,)."""
    return (1 - probabilities[:, healthy] >= decision.tumor_from) == (probabilities.argmax(axis=1) != healthy)


def certainty_bound(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], may_answer: NDArray[np.bool_], error: float
) -> float:
    """Give the lowest highest-probability from which on at most this share of such answers is wrong.

    It leaves a margin: the upper bound of the share, by the binomial distribution with _CONFIDENCE, stays below. That
    is no guarantee: thresholds are many, and slices of one patient depend on each other. NEVER where there are too few
    answers. Source: Geifman and El-Yaniv 2017, arXiv:1705.08500, who also correct for the choice among thresholds.
    """
    surest = np.where(may_answer, probabilities.max(axis=1), -1)
    order = np.argsort(-surest, kind="stable")[: int(may_answer.sum())]
    wrong = np.cumsum(probabilities.argmax(axis=1)[order] != labels[order])
    right = np.arange(1, len(order) + 1) - wrong
    largest_error = np.where(right > 0, stats.beta.ppf(_CONFIDENCE, wrong + 1, np.maximum(right, 1)), 1)
    # A bound has four decimals: what they do not tell apart is certain together or not at all.
    bounds = np.floor(surest[order].astype(np.float64) * 1e4) / 1e4
    last_of_equals = np.append(bounds[1:] < bounds[:-1], True)[: len(order)]
    good = np.flatnonzero((largest_error <= error) & last_of_equals)
    return float(bounds[good[-1]]) if good.size else NEVER


def calibration(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> dict[str, Any]:
    """Give expected calibration error (bins of equal mass), Brier score, and the bins of the reliability diagram."""
    surest, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    order = np.argsort(surest, kind="stable")
    bins = [part for part in np.array_split(order, N_BINS) if part.size]
    means = [(float(surest[part].mean()), float(right[part].mean()), int(part.size)) for part in bins]
    truth = np.eye(probabilities.shape[1])[labels]
    return {
        "expected_calibration_error": sum(n * abs(p - share) for p, share, n in means) / len(labels),
        "brier_score": float(((probabilities - truth) ** 2).sum(axis=1).mean()),
        "bins": [{"mean_probability": p, "share_right": share, "n_pictures": n} for p, share, n in means],
    }


def cross_fitted(
    labels: NDArray[np.int64],
    raw: NDArray[np.float32],
    shifted: NDArray[np.float32],
    groups: NDArray[np.int64],
    healthy: int,
) -> dict[str, Any]:
    """Measure calibration and selective error on a tenth of the groups after another, chosen on the nine others."""
    probabilities, certain = np.empty_like(raw), np.zeros(len(labels), bool)
    changed, certain_changed = np.empty_like(raw), np.zeros(len(labels), bool)
    for chosen, measured in group_folds(groups):
        decision = choose_decision(labels[chosen], raw[chosen], healthy, shifted[chosen])
        probabilities[measured] = calibrate(raw[measured], decision.temperature)
        certain[measured] = certain_answers(probabilities[measured], decision, healthy)
        changed[measured] = calibrate(shifted[measured], decision.temperature)
        certain_changed[measured] = certain_answers(changed[measured], decision, healthy)
    return {
        "calibration": calibration(labels, probabilities),
        "selective": selective(labels, probabilities, certain),
        "calibration_in_changed_look": calibration(labels, changed),
        "selective_in_changed_look": selective(labels, changed, certain_changed),
    }


def group_folds(groups: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Give the places that choose and those that are measured, a tenth of the groups after another; int64 each."""
    folds = GroupKFold(min(_N_FOLDS, len(np.unique(groups))))
    yield from folds.split(groups, groups=groups)


def certain_answers(probabilities: NDArray[np.float32], decision: Decision, healthy: int) -> NDArray[np.bool_]:
    """Tell which answers are given as certain, as model.classifier.Prediction does: bool (n,)."""
    return (probabilities.max(axis=1) >= decision.uncertain_below) & agreement(probabilities, decision, healthy)


def selective(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], certain: NDArray[np.bool_]
) -> dict[str, Any]:
    """Give the share of certain answers, the error among them, and the risk-coverage curve with its area."""
    wrong = probabilities.argmax(axis=1) != labels
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    risks = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    shown = np.unique(np.linspace(0, len(order) - 1, 40).astype(int))
    return {
        "coverage": float(certain.mean()),
        "error_among_certain": float(wrong[certain].mean()) if certain.any() else None,
        "error_among_all": float(wrong.mean()),
        "area_under_risk_coverage": float(risks.mean()),
        "curve": [{"coverage": float((i + 1) / len(order)), "risk": float(risks[i])} for i in shown],
    }


def tumor_presence(has_tumor: NDArray[np.bool_], probability: NDArray[np.float32], tumor_from: float) -> dict[str, Any]:
    """Give AUROC, sensitivity at SPECIFICITY, and sensitivity and specificity at the model's own operating point."""
    found = probability >= tumor_from
    figures: dict[str, Any] = {
        "n_with_tumor": int(has_tumor.sum()),
        "n_without_tumor": int((~has_tumor).sum()),
        "sensitivity": float(found[has_tumor].mean()) if has_tumor.any() else None,
        "specificity": float((~found[~has_tumor]).mean()) if (~has_tumor).any() else None,
        "accuracy": float((found == has_tumor).mean()),
        "tumor_from": tumor_from,
    }
    if has_tumor.any() and not has_tumor.all():
        figures["auroc"] = float(scores.roc_auc_score(has_tumor, probability))
        rates, found_rates, _ = scores.roc_curve(has_tumor, probability)
        figures["sensitivity_at_95_specificity"] = float(found_rates[rates <= 1 - SPECIFICITY + 1e-9].max())
    return figures


def trust_figures(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], decision: Decision, class_names: Sequence[str]
) -> dict[str, Any]:
    """Give all of the above for calibrated probabilities."""
    healthy = list(class_names).index("no_tumor")
    return {
        "calibration": calibration(labels, probabilities),
        "selective": selective(labels, probabilities, certain_answers(probabilities, decision, healthy)),
        "tumor_presence": tumor_presence(labels != healthy, 1 - probabilities[:, healthy], decision.tumor_from),
    }
