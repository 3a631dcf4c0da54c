"""Score a network on labelled images, through the serving code."""

import csv
import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.answers.calibration import calibrate
from model.card import Decision, ModelCard
from model.network.classifier import Classifier
from training.data.audit_result import read_audit
from training.data.copies import copies_of
from training.data.decoded import Decoded
from training.data.folders import TESTING, TRAINING, UNSPLIT, fingerprint
from training.data.sources import Sources
from training.figures import Figures
from training.fit.environment import describe_environment
from training.measure.metrics import Summary, summarize
from training.measure.passes import answers_of
from training.measure.trust import TrustFigures, trust_figures, tumor_presence

_PARTS = ("all", "not_in_training", "also_in_training")


@dataclass(frozen=True, eq=False)
class Scoring:
    """Images and the network's answers.

    labels: int64, (n,), the truth; probabilities: float32, (n, n_classes), calibrated; distances: float32, (n,), above
    1 if the gate refuses; in_training: bool, (n,), whether the image is also in the training data; None if not checked.
    """

    decoded: Decoded
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    distances: NDArray[np.float32]
    in_training: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Scored(Figures):
    """The scored network and its thresholds."""

    name: str
    sha256: str
    decision: Decision
    gate: dict[str, str | float] | None


@dataclass(frozen=True)
class ScoredData(Figures):
    """The images that it was scored on, and the folders searched for copies of them."""

    fingerprint: str
    folders: list[str]
    training_folders: list[str]


@dataclass(frozen=True)
class Evaluation(Figures):
    """All figures of a scoring; if known, separate figures for images that are in the training data too."""

    model: Scored
    data: ScoredData
    environment: dict[str, object]
    all: Summary
    trust: TrustFigures
    refused_by_gate: float
    also_in_training: Summary | None = None
    not_in_training: Summary | None = None

    def parts(self) -> dict[str, Summary]:
        """Return the sets of images that have figures."""
        found = {key: getattr(self, key) for key in _PARTS}
        return {key: figures for key, figures in found.items() if figures}


def score(classifier: Classifier, sources: Sources, training: Sources, audit: Path | None = None) -> Scoring:
    """Decode the images, run the network, and search for the images in the training data."""
    card = classifier.card
    found = sources.find(card.task)
    testing = found.of_split(TESTING)
    # If there is a Testing folder, all others are for training, as in `train`.
    to_score = testing if testing.pictures else found
    decoded = sources.decode(to_score.pictures, card.input_size_px)
    for problem in (*found.problems, *decoded.problems):
        print(f"passed over: {problem}")
    answers = answers_of(classifier, decoded.pixels)
    probabilities = calibrate(answers.probabilities, card.decision.temperature)
    in_training = _in_training(decoded, training, audit, card) if training.folders else None
    labels = decoded.labels(card.class_names)
    return Scoring(decoded, card.class_names, labels, probabilities, answers.distances, in_training)


def _in_training(decoded: Decoded, training: Sources, audit: Path | None, card: ModelCard) -> NDArray[np.bool_]:
    seen = training.decode(training.find(card.task, TRAINING, UNSPLIT).pictures, card.input_size_px)
    copied = copies_of(decoded, seen)
    return copied | read_audit(audit).copies_of(decoded.pictures, seen.pictures) if audit else copied


def measure(scoring: Scoring, classifier: Classifier, sources: Sources, training: Sources) -> Evaluation:
    """Return all figures, over all images and, if known, separately for those in the training data too."""
    card, seen = classifier.card, scoring.in_training
    return Evaluation(
        model=Scored(card.name, card.sha256, card.decision, gate_of(card)),
        data=ScoredData(fingerprint(scoring.decoded.pictures), sources.names, training.names),
        environment=describe_environment(),
        all=summarize(scoring.labels, scoring.probabilities, scoring.class_names),
        trust=trust_figures(
            scoring.labels, scoring.probabilities, card.decision, scoring.class_names, scoring.distances <= 1
        ),
        refused_by_gate=float((scoring.distances > 1).mean()),
        also_in_training=None if seen is None else _part(scoring, card, seen),
        not_in_training=None if seen is None else _part(scoring, card, ~seen),
    )


def _part(scoring: Scoring, card: ModelCard, mask: NDArray[np.bool_]) -> Summary | None:
    if not mask.any():
        return None
    labels, probabilities = scoring.labels[mask], scoring.probabilities[mask]
    healthy = scoring.class_names.index("no_tumor")
    return dataclasses.replace(
        summarize(labels, probabilities, scoring.class_names),
        tumor_presence=tumor_presence(labels != healthy, 1 - probabilities[:, healthy], card.decision.tumor_from),
    )


def gate_of(card: ModelCard) -> dict[str, str | float] | None:
    """Return the file and threshold of a card's gate, or None."""
    return {"sha256": card.gate.sha256, "largest_distance": card.gate.largest_distance} if card.gate else None


def predictions_table(scoring: Scoring) -> str:
    """Return one CSV row per image: file name, true and predicted class, probabilities, whether it is in training."""
    table = io.StringIO()
    columns = ["name", "true_class", "predicted_class", *(f"p_{c}" for c in scoring.class_names), "in_training"]
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    for i, picture in enumerate(scoring.decoded.pictures):
        probabilities = scoring.probabilities[i]
        seen = "" if scoring.in_training is None else int(scoring.in_training[i])
        predicted = scoring.class_names[int(probabilities.argmax())]
        writer.writerow([picture.name, picture.class_name, predicted, *(f"{p:.5f}" for p in probabilities), seen])
    return table.getvalue()
