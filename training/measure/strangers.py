"""Choose a network's thresholds, and measure it, on sources that it never saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as scores

from model.answers.calibration import calibrate
from model.card import Decision
from model.network.classifier import Classifier
from training.data.copies import group
from training.data.decoded import Decoded
from training.data.folders import Picture
from training.data.sources import Sources
from training.errors import DataError
from training.figures import Figures
from training.measure.metrics import Presence
from training.measure.passes import answers_of
from training.measure.trust import (
    NEVER,
    calibration,
    certain_answers,
    fit_temperature,
    group_folds,
    rates_of,
    selective,
    tumor_presence,
)

# A share of fewer images says little about a source.
LEAST_OF_A_SOURCE = 20
# Allowed share of errors among "tumor" answers, among "no tumor" answers, and among named kinds.
STRANGERS_ERROR = 0.05
# Thresholds are above an even chance: a certain answer is always the most probable class.
_LEAST_TUMOR, _LEAST_KIND, _MOST_HEALTHY = 0.6, 0.7, 0.5
# Thresholds have four decimals.
_STEPS = 10_000


@dataclass(frozen=True)
class Strangers(Figures):
    """Figures by source, each tested with a network that saw none of its fold.

    right: by source, the share of images correctly called tumor or not, at a probability of 0.5; worst_source: the
    lowest of those with LEAST_OF_A_SOURCE images or more; kind: by source, the share of tumors whose kind is the most
    probable of the three; mean_kind: over sources, None for a network that tells no kinds.
    """

    right: dict[str, float]
    worst_source: str
    worst_right: float
    kind: dict[str, float]
    mean_kind: float | None = None


@dataclass(frozen=True, eq=False)
class Asked:
    """Images and a network's answers, before calibration.

    labels: int64 (n,); raw: float32 (n, n_classes); sources: (n,), the collection of each; groups: int64 (n,), never
    split.
    """

    labels: NDArray[np.int64]
    raw: NDArray[np.float32]
    sources: NDArray[np.str_]
    groups: NDArray[np.int64]

    def subset(self, places: NDArray[np.int64]) -> "Asked":
        """Return the images at the given indices."""
        return Asked(self.labels[places], self.raw[places], self.sources[places], self.groups[places])


@dataclass(frozen=True, eq=False)
class Met:
    """Images of sources that the run never saw, with the network's answers and the gate's distances."""

    asked: Asked
    features: NDArray[np.float32]


def meet(strangers: Sources, seen: Sequence[Picture], classifier: Classifier) -> Met:
    """Decode and classify the images of sources that a run never saw.

    Raises:
        DataError: the run has seen one of them, or they lack tumors or images without.
    """
    card = classifier.card
    decoded = strangers.decode(strangers.find(card.task).pictures, card.input_size_px)
    known = {picture.source for picture in seen} & {picture.source for picture in decoded.pictures}
    labels = decoded.labels(card.class_names)
    if known or len(np.unique(labels == card.class_names.index("no_tumor"))) < 2:
        raise DataError(
            "Expected --strangers with sources that the run never saw, with tumors and without. "
            + (f"The run was trained on {', '.join(sorted(known))}." if known else "One of the two is missing.")
        )
    answers = answers_of(classifier, decoded.pixels)
    assert answers.gate_features is not None, "the classifier was made with a gate layer"
    groups = group(decoded, strangers.series(decoded.pictures), None, strangers.facts(decoded.pictures))
    return Met(Asked(labels, answers.probabilities, sources_by_image(decoded), groups), answers.gate_features)


def sources_by_image(images: Decoded) -> NDArray[np.str_]:
    """Return the collection of each image, (n,)."""
    return np.array([picture.source for picture in images.pictures])


@dataclass(frozen=True)
class OnStrangers(Figures):
    """Figures on sources that the network never saw, each tenth of the groups with thresholds from the other nine.

    certain, wrong_among_certain: the share of images whose class is named, and the share of errors among them.
    refused: by source, the share that the gate refuses; a refused image is never a certain answer.
    """

    n_pictures: dict[str, int]
    tumor_presence: Presence
    sources: Strangers
    certain: float
    wrong_among_certain: float | None
    expected_calibration_error: float
    refused: dict[str, float]


def choose_on_strangers(asked: Asked, held_out: Asked, healthy: int) -> Decision:
    """Choose temperature and thresholds on sources that the network never saw; healthy: the label of "no tumor".

    Tumors and tumor-free heads have equal weight, and so have all sources of one answer. held_out: images of the
    training sources, because some kinds of tumor are in no other source.
    """
    shows = asked.labels != healthy
    weights = weights_of_sources(asked.sources, shows)
    temperature = round(fit_temperature(asked.labels, asked.raw, weights), 4)
    tumor = 1 - calibrate(asked.raw, temperature)[:, healthy]
    tumor_from = balanced_point(shows, tumor, weights)
    certain_from = max(_LEAST_TUMOR, tumor_from, _lowest_bound(tumor, ~shows, weights))
    kinds = [_lowest_kind_bound(of, temperature, certain_from, healthy) for of in (asked, held_out)]
    return Decision(
        temperature,
        tumor_from=tumor_from,
        healthy_below=min(_MOST_HEALTHY, tumor_from, round(1 - _lowest_bound(1 - tumor, shows, weights), 4)),
        certain_tumor_from=certain_from,
        kind_from=max(_LEAST_KIND, *kinds),
    )


def weights_of_sources(sources: NDArray[np.str_], shows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return weights, (n,), with sum 1: half for each side, and the same for each source of a side."""
    weights = np.zeros(len(sources))
    for side in np.unique(shows):
        of_side = np.unique(sources[shows == side])
        for source in of_side:
            chosen = (sources == source) & (shows == side)
            weights[chosen] = 1 / chosen.sum() / len(of_side)
    return weights / weights.sum()


def balanced_point(shows: NDArray[np.bool_], tumor: NDArray[np.floating], weights: NDArray[np.float64]) -> float:
    """Return the probability of a tumor at which the lower of sensitivity and specificity is highest."""
    false_alarms, found, thresholds = scores.roc_curve(shows, tumor, sample_weight=weights, drop_intermediate=False)
    point = thresholds[np.minimum(found, 1 - false_alarms).argmax()]
    return float(np.clip(np.floor(point * _STEPS) / _STEPS, 1 / _STEPS, 1 - 1 / _STEPS))


def _lowest_bound(sure: NDArray[np.floating], wrong: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """Return the lowest threshold above which at most STRANGERS_ERROR are wrong; NEVER if there is none."""
    order = np.argsort(-sure, kind="stable")
    shares = np.cumsum((weights * wrong)[order]) / np.cumsum(weights[order])
    good = np.flatnonzero(shares <= STRANGERS_ERROR)
    return float(np.ceil(float(sure[order][good[-1]]) * _STEPS)) / _STEPS if good.size else NEVER


def _lowest_kind_bound(of: Asked, temperature: float, certain_from: float, healthy: int) -> float:
    """Return the lowest share among the kinds of tumor at which the most probable kind may be named."""
    probabilities = calibrate(of.raw, temperature)
    found = (1 - probabilities[:, healthy] >= certain_from) & (of.labels != healthy)
    if not found.any():
        return _LEAST_KIND
    kinds = np.where(np.arange(probabilities.shape[1]) == healthy, 0, probabilities)[found]
    wrong = kinds.argmax(axis=1) != of.labels[found]
    weights = weights_of_sources(of.sources[found], np.ones(len(wrong), bool))
    return _lowest_bound(kinds.max(axis=1) / kinds.sum(axis=1), wrong, weights)


def figures_of_strangers(asked: Asked, held_out: Asked, refused: NDArray[np.bool_], healthy: int) -> OnStrangers:
    """Measure each tenth of the groups with thresholds from the others; refused: bool (n,), by the gate."""
    probabilities, certain = np.empty_like(asked.raw), np.zeros(len(refused), bool)
    found = np.zeros(len(refused), bool)
    for chosen, measured in group_folds(asked.groups):
        decision = choose_on_strangers(asked.subset(chosen), held_out, healthy)
        probabilities[measured] = calibrate(asked.raw[measured], decision.temperature)
        certain[measured] = certain_answers(probabilities[measured], decision, healthy)
        found[measured] = 1 - probabilities[measured][:, healthy] >= decision.tumor_from
    answers = selective(asked.labels, probabilities, certain & ~refused)
    shows = asked.labels != healthy
    ranked = tumor_presence(shows, 1 - probabilities[:, healthy], Decision().tumor_from)
    names = [str(source) for source in np.unique(asked.sources)]
    return OnStrangers(
        n_pictures={name: int((asked.sources == name).sum()) for name in names},
        tumor_presence=replace(
            rates_of(shows, found),
            auroc=ranked.auroc,
            by_other_groups=True,
            sensitivity_at_95_specificity=ranked.sensitivity_at_95_specificity,
        ),
        sources=measure_strangers(asked.sources, asked.labels, probabilities, healthy, (found == shows) & ~refused),
        certain=answers.coverage,
        wrong_among_certain=answers.error_among_certain,
        expected_calibration_error=calibration(asked.labels, probabilities).expected_calibration_error,
        refused={name: float(refused[asked.sources == name].mean()) for name in names},
    )


def measure_strangers(
    sources: NDArray[np.str_], labels: NDArray[np.int64], probabilities: NDArray[np.float32], healthy: int,
    found: NDArray[np.bool_] | None = None,
) -> Strangers:  # fmt: skip
    """Measure each source separately.

    sources: (n,); labels: int64 (n,); probabilities: float32 (n, n_classes); found: bool (n,), which images are
    correctly called tumor or not; None to decide at a probability of 0.5.
    """
    shows = labels != healthy
    found = (1 - probabilities[:, healthy] >= 0.5) == shows if found is None else found
    kinds = np.where(np.arange(probabilities.shape[1]) == healthy, -1, probabilities).argmax(axis=1) == labels
    right = {str(s): float(found[sources == s].mean()) for s in np.unique(sources)}
    # With one class of tumor there is no kind to tell.
    of_tumors = np.unique(sources[shows]) if probabilities.shape[1] > 2 else []
    kind = {str(s): float(kinds[(sources == s) & shows].mean()) for s in of_tumors}
    large = [s for s in right if (sources == s).sum() >= LEAST_OF_A_SOURCE] or list(right)
    worst = min(large, key=right.__getitem__)
    return Strangers(right, worst, right[worst], kind, float(np.mean(list(kind.values()))) if kind else None)
