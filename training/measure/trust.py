"""How far probabilities can be trusted: calibration, error among certain answers, and the chosen thresholds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize_scalar
from sklearn import metrics as scores
from sklearn.model_selection import GroupKFold

from model.answers.calibration import calibrate
from model.card import Decision
from training.figures import Figures
from training.measure.metrics import Presence

N_BINS = 15
# Allowed share of errors among certain answers.
SELECTIVE_ERROR = 0.02
# Confidence of the binomial bound on that share: few errors among few answers can be luck.
_CONFIDENCE = 0.9
# The same share for copies in a changed look: images from elsewhere get worse answers.
SHIFTED_ERROR = 0.05
# Number of parts of the validation images, each measured with thresholds from the others.
_N_FOLDS = 10
# A threshold that no probability reaches, not even one rounded to 1.
NEVER = 2.0
# Specificity of the operating point.
SPECIFICITY = 0.95
# Thresholds have four decimals.
_STEPS = 10_000
# Limits of the fit: with no wrong answer the temperature would go to 0, and all probabilities would be 0 or 1.
_LOG_TEMPERATURES = (-1.0, 3.0)


@dataclass(frozen=True)
class Bin(Figures):
    """Images of about one probability, and how many of them are classified correctly."""

    mean_probability: float
    share_right: float
    n_pictures: int


@dataclass(frozen=True)
class Calibration(Figures):
    """Expected calibration error (bins of equal mass), Brier score, and the bins of the reliability diagram."""

    expected_calibration_error: float
    brier_score: float
    bins: list[Bin]


@dataclass(frozen=True)
class Risk(Figures):
    """The error among the surest answers."""

    coverage: float
    risk: float


@dataclass(frozen=True)
class Selective(Figures):
    """The share of certain answers, the error among them, and the risk-coverage curve with its area."""

    coverage: float
    error_among_certain: float | None
    error_among_all: float
    area_under_risk_coverage: float
    curve: list[Risk]
    # Earlier evaluations also counted refused images as certain.
    refused_are_not_certain: bool | None = None
    # Number of images that are certainly called "no tumor", and of those among them that have one.
    n_certain_no_tumor: int | None = None
    n_tumors_among_these: int | None = None


@dataclass(frozen=True)
class CrossFitted(Figures):
    """Figures of each tenth of the groups with thresholds from the others, also of copies in a changed look."""

    calibration: Calibration
    selective: Selective
    calibration_in_changed_look: Calibration
    selective_in_changed_look: Selective
    tumor_found: Presence


@dataclass(frozen=True)
class TrustFigures(Figures):
    """Trust figures of a finished model."""

    calibration: Calibration
    selective: Selective
    tumor_presence: Presence


def choose_decision(
    labels: NDArray[np.int64], raw: NDArray[np.float32], healthy: int, shifted: NDArray[np.float32] | None = None
) -> Decision:
    """Choose temperature, operating point and the threshold of certainty on validation images.

    raw: float32, (n, n_classes), the network's probabilities; shifted: the same for copies in a changed look, with
    equal weight for the temperature; healthy: the label of "no tumor".
    """
    both = (labels, raw) if shifted is None else (np.tile(labels, 2), np.concatenate([raw, shifted]))
    # From here on with the rounded numbers of the card.
    temperature = round(fit_temperature(*both), 4)
    probabilities = calibrate(raw, temperature)
    tumor_from = operating_point(labels != healthy, 1 - probabilities[:, healthy])
    undecided = Decision(temperature, 0.0, tumor_from)
    judged = [Judged(labels, probabilities, agreement(probabilities, undecided, healthy), SELECTIVE_ERROR)]
    if shifted is not None:
        changed = calibrate(shifted, temperature)
        judged.append(Judged(labels, changed, agreement(changed, undecided, healthy), SHIFTED_ERROR))
    return Decision(temperature, certainty_bound(judged), tumor_from)


@dataclass(frozen=True, eq=False)
class Judged:
    """Images and a network's probabilities.

    labels: int64, (n,); probabilities: float32, (n, n_classes); may_answer: bool, (n,); error: the allowed share of
    errors among certain answers.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    may_answer: NDArray[np.bool_]
    error: float


def fit_temperature(
    labels: NDArray[np.int64], raw: NDArray[np.float32], weights: NDArray[np.float64] | None = None
) -> float:
    """Return the temperature that makes the true classes most likely; weights: (n,), None for equal ones.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """

    def loss(log_temperature: float) -> float:
        probabilities = calibrate(raw, float(np.exp(log_temperature)))
        losses = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12))
        return float(np.average(losses, weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded").x))


def operating_point(has_tumor: NDArray[np.bool_], tumor_probability: NDArray[np.float32]) -> float:
    """Return a threshold on the probability of a tumor with a specificity of SPECIFICITY or more.

    Four decimals, above 0, capped at 1/2 even if the specificity is lower there. With few images it is 1.
    """
    healthy = np.sort(tumor_probability[~has_tumor].astype(np.float64))
    if not healthy.size:
        return 0.5
    place = int(np.ceil(SPECIFICITY * healthy.size))
    left_alone = healthy[place - 1]
    point = np.ceil(healthy[min(place, healthy.size - 1)] * _STEPS)
    if point <= left_alone * _STEPS:
        point = np.floor(left_alone * _STEPS) + 1
    return float(min(point / _STEPS, 0.5))


def agreement(probabilities: NDArray[np.float32], decision: Decision, healthy: int) -> NDArray[np.bool_]:
    """Return where class and operating point agree on tumor or not: bool (n,)."""
    return (1 - probabilities[:, healthy] >= decision.tumor_from) == (probabilities.argmax(axis=1) != healthy)


def certainty_bound(judged: Sequence[Judged]) -> float:
    """Return the lowest threshold on the highest probability above which few enough answers are wrong, in every set.

    "Few enough" has a margin: the upper binomial bound of the share, at _CONFIDENCE, is below the allowed error. This
    is no guarantee: there are many thresholds, and slices of one patient are dependent. NEVER if answers are too few.
    Source: Geifman and El-Yaniv 2017, arXiv:1705.08500, who also correct for the choice among thresholds.
    """
    # Answers that are equal at four decimals are all certain or none.
    surest = [np.floor(of.probabilities[of.may_answer].max(axis=1).astype(np.float64) * _STEPS) for of in judged]
    bounds = np.unique(np.concatenate(surest))
    good = np.ones(len(bounds), bool)
    for of, steps in zip(judged, surest, strict=True):
        wrong_answers = (of.probabilities.argmax(axis=1) != of.labels)[of.may_answer]
        n = len(steps) - np.searchsorted(np.sort(steps), bounds)
        wrong = wrong_answers.sum() - np.searchsorted(np.sort(steps[wrong_answers]), bounds)
        right = n - wrong
        good &= np.where(right > 0, stats.beta.ppf(_CONFIDENCE, wrong + 1, np.maximum(right, 1)), 1) <= of.error
    return float(bounds[good][0] / _STEPS) if good.any() else NEVER


def calibration(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Calibration:
    """Compare probabilities, float32 (n, n_classes), with how often the answers are right."""
    surest, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    order = np.argsort(surest, kind="stable")
    parts = [part for part in np.array_split(order, N_BINS) if part.size]
    bins = [Bin(float(surest[part].mean()), float(right[part].mean()), int(part.size)) for part in parts]
    truth = np.eye(probabilities.shape[1])[labels]
    return Calibration(
        sum(b.n_pictures * abs(b.mean_probability - b.share_right) for b in bins) / len(labels),
        float(((probabilities - truth) ** 2).sum(axis=1).mean()),
        bins,
    )


def cross_fitted(
    labels: NDArray[np.int64],
    raw: NDArray[np.float32],
    shifted: NDArray[np.float32],
    groups: NDArray[np.int64],
    healthy: int,
    answered: NDArray[np.bool_] | None = None,
    settled: Decision | None = None,
) -> CrossFitted:
    """Measure calibration, selective error and operating point on each tenth of the groups in turn.

    Thresholds come from the other nine. answered: bool, (n,), images that the gate accepts, None for all; a refused
    image is never a certain answer. Copies in a changed look count as accepted. settled: a decision chosen on other
    images, to measure instead.
    """
    probabilities, certain, found = np.empty_like(raw), np.zeros(len(labels), bool), np.zeros(len(labels), bool)
    changed, certain_changed = np.empty_like(raw), np.zeros(len(labels), bool)
    for chosen, measured in group_folds(groups):
        decision = settled or choose_decision(labels[chosen], raw[chosen], healthy, shifted[chosen])
        probabilities[measured] = calibrate(raw[measured], decision.temperature)
        certain[measured] = certain_answers(probabilities[measured], decision, healthy)
        found[measured] = 1 - probabilities[measured][:, healthy] >= decision.tumor_from
        changed[measured] = calibrate(shifted[measured], decision.temperature)
        certain_changed[measured] = certain_answers(changed[measured], decision, healthy)
    if answered is not None:
        certain &= answered
    return CrossFitted(
        calibration=calibration(labels, probabilities),
        selective=selective(labels, probabilities, certain),
        calibration_in_changed_look=calibration(labels, changed),
        selective_in_changed_look=selective(labels, changed, certain_changed),
        tumor_found=replace(rates_of(labels != healthy, found), by_other_groups=True),
    )


def group_folds(groups: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the indices that choose and those that are measured, for each tenth of the groups; int64 each."""
    folds = GroupKFold(min(_N_FOLDS, len(np.unique(groups))))
    yield from folds.split(groups, groups=groups)


def certain_answers(probabilities: NDArray[np.float32], decision: Decision, healthy: int) -> NDArray[np.bool_]:
    """Return which answers are certain by the rule of `Prediction`, if the gate accepts the image: bool (n,)."""
    if decision.certain_tumor_from is not None:
        tumor = 1 - probabilities[:, healthy]
        named = tumor >= decision.certain_tumor_from
        if probabilities.shape[1] > 2:
            named &= np.delete(probabilities, healthy, axis=1).max(axis=1) >= decision.kind_from * tumor
        return named | (tumor < decision.healthy_below)
    return (probabilities.max(axis=1) >= decision.uncertain_below) & agreement(probabilities, decision, healthy)


def selective(labels: NDArray[np.int64], probabilities: NDArray[np.float32], certain: NDArray[np.bool_]) -> Selective:
    """Return the share of certain answers, bool (n,), and the errors among them."""
    wrong = probabilities.argmax(axis=1) != labels
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    risks = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    shown = np.unique(np.linspace(0, len(order) - 1, 40).astype(int))
    return Selective(
        coverage=float(certain.mean()),
        error_among_certain=float(wrong[certain].mean()) if certain.any() else None,
        error_among_all=float(wrong.mean()),
        area_under_risk_coverage=float(risks.mean()),
        curve=[Risk(float((i + 1) / len(order)), float(risks[i])) for i in shown],
    )


def tumor_presence(has_tumor: NDArray[np.bool_], probability: NDArray[np.float32], tumor_from: float) -> Presence:
    """Return AUROC, sensitivity at SPECIFICITY, and sensitivity and specificity at the model's own operating point."""
    figures = replace(rates_of(has_tumor, probability >= tumor_from), tumor_from=tumor_from)
    if has_tumor.all() or not has_tumor.any():
        return figures
    rates, found_rates, _ = scores.roc_curve(has_tumor, probability)
    return replace(
        figures,
        auroc=float(scores.roc_auc_score(has_tumor, probability)),
        sensitivity_at_95_specificity=float(found_rates[rates <= 1 - SPECIFICITY + 1e-9].max()),
    )


def rates_of(has_tumor: NDArray[np.bool_], found: NDArray[np.bool_]) -> Presence:
    """Return the counts, sensitivity and specificity."""
    return Presence(
        n_with_tumor=int(has_tumor.sum()),
        n_without_tumor=int((~has_tumor).sum()),
        sensitivity=float(found[has_tumor].mean()) if has_tumor.any() else None,
        specificity=float((~found[~has_tumor]).mean()) if (~has_tumor).any() else None,
        accuracy=float((found == has_tumor).mean()),
    )


def trust_figures(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], decision: Decision, class_names: Sequence[str],
    answered: NDArray[np.bool_],
) -> TrustFigures:  # fmt: skip
    """Return all figures for calibrated probabilities; answered: bool, (n,), images that the gate accepts."""
    healthy = list(class_names).index("no_tumor")
    certain = certain_answers(probabilities, decision, healthy) & answered
    certain_none = certain & (probabilities.argmax(axis=1) == healthy)
    return TrustFigures(
        calibration=calibration(labels, probabilities),
        selective=replace(
            selective(labels, probabilities, certain),
            refused_are_not_certain=True,
            n_certain_no_tumor=int(certain_none.sum()),
            n_tumors_among_these=int((certain_none & (labels != healthy)).sum()),
        ),
        tumor_presence=tumor_presence(labels != healthy, 1 - probabilities[:, healthy], decision.tumor_from),
    )
