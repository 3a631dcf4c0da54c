"""Measure a network on labelled images, through the very code that serves it."""

import argparse
import csv
import dataclasses
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.answers.calibration import calibrate
from model.card import Decision, ModelCard
from model.evidence.drawing import in_steps, overlay
from model.evidence.explainer import Explainer
from model.network.classifier import Classifier
from model.safe_files import write_atomically
from training.data.audit_result import read_audit
from training.data.copies import copies_of
from training.data.decoded import Decoded
from training.data.folders import TESTING, TRAINING, UNSPLIT, fingerprint
from training.data.sources import Sources, add_data
from training.drawing import plots
from training.drawing.page import Section, Table, write_page
from training.errors import DataError
from training.figures import Figures, share
from training.fit.environment import current_commit, describe_environment
from training.fit.request import add_audit
from training.fit.run_folder import RUNS
from training.measure.metrics import Summary, roc_of_each_class, summarize
from training.measure.passes import answers_of
from training.measure.trust import TrustFigures, trust_figures, tumor_presence
from training.steps.card_of_run import load

N_MISTAKES = 20
_PARTS = {
    "all": "All pictures",
    "not_in_training": "Pictures that do not stand in the training data",
    "also_in_training": "Pictures that also stand in the training data",
}


@dataclass(frozen=True, eq=False)
class Scoring:
    """Images and what the network said of them.

    labels: int64, (n,), the truth; probabilities: float32, (n, n_classes), calibrated; distances: float32, (n,), above
    1 where the gate refuses; in_training: bool, (n,), whether the image is also in the training data; None where that
    was not looked for.
    """

    decoded: Decoded
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    distances: NDArray[np.float32]
    in_training: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Scored(Figures):
    """Which network was scored, and with which bounds."""

    name: str
    sha256: str
    decision: Decision
    gate: dict[str, str | float] | None


@dataclass(frozen=True)
class ScoredData(Figures):
    """Which images it was scored on, and in which folders copies of them were looked for."""

    fingerprint: str
    folders: list[str]
    training_folders: list[str]


@dataclass(frozen=True)
class Evaluation(Figures):
    """All figures of a scoring; apart, where they are known, those of images that are in the training data too."""

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


def arguments(parser: argparse.ArgumentParser) -> None:
    """Ask for a model and images."""
    add_data(parser)
    parser.add_argument(
        "--model", type=Path, required=True, metavar="PATH", help="a run folder, or a published card (.json)"
    )
    parser.add_argument("--training-data", nargs="+", type=Path, default=[], metavar="DIR",
                        help="report apart the pictures that also stand here")  # fmt: skip
    add_audit(parser)
    parser.add_argument("--out", type=Path, default=RUNS / "evaluation", metavar="DIR")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append one line on this scoring to a Markdown table")
    parser.add_argument("--reason", default="", help="why this scoring was made, for the log")


def run(options: argparse.Namespace) -> None:
    """Evaluate; with --log, also append to the log."""
    sources, training = Sources(tuple(options.data)), Sources(tuple(options.training_data))
    evaluation = evaluate(options.model, sources, training, options.out, options.audit)
    if options.log:
        append_to_log(options.log, evaluation, options.reason)


def evaluate(model: Path, sources: Sources, training: Sources, out: Path, audit: Path | None = None) -> Evaluation:
    """Score the Testing images of the sources (all, where nothing is called Testing); write tables, plots, report.

    audit: a folder that `audit` wrote over the same images, to report apart the copies found there too.

    Raises:
        DataError: the folders hold no images. ModelFileError: the model cannot be loaded.
    """
    classifier = load(model)
    scoring = score(classifier, sources, training, audit)
    out.mkdir(parents=True, exist_ok=True)
    evaluation = measure(scoring, classifier, sources, training)
    write_atomically(metrics_file(out), json.dumps(evaluation.plain(), indent=1).encode())
    write_atomically(out / "predictions.csv", predictions_table(scoring).encode())
    _draw(classifier, scoring, evaluation, out)
    _write_report(evaluation, out)
    _tell(evaluation, out)
    return evaluation


def metrics_file(out: Path) -> Path:
    """Name the file of the figures of an evaluation."""
    return out / "metrics.json"


def score(classifier: Classifier, sources: Sources, training: Sources, audit: Path | None = None) -> Scoring:
    """Decode the images, run the network, and look for the images in the training data."""
    card = classifier.card
    found = sources.find(card.task)
    testing = found.of_split(TESTING)
    # Beside a Testing folder all others are for training, as `train` takes them.
    to_score = testing if testing.pictures else found
    decoded = sources.decode(to_score.pictures, card.input_size_px)
    for problem in (*found.problems, *decoded.problems):
        print(f"passed over: {problem}")
    if not decoded.pictures:
        raise DataError(
            f"Expected pictures in {', '.join(map(str, sources.folders))}. "
            f"None of {len(to_score.pictures)} files can be read."
        )
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
    """Return all figures, on all images and, where known, apart for those that are in the training data too."""
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
    """Return which gate a card has: its file and its bound; None where it has none."""
    return {"sha256": card.gate.sha256, "largest_distance": card.gate.largest_distance} if card.gate else None


def predictions_table(scoring: Scoring) -> str:
    """Give one CSV row per picture: file name, true and predicted class, probabilities, whether it is in training."""
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


def append_to_log(log: Path, evaluation: Evaluation, reason: str) -> None:
    """Append one row to the Markdown table of all scorings; good and bad ones alike."""
    head = (
        "# Every scoring\n\nOne row per call of `python -m training evaluate --log`, appended by it, never edited. "
        "Rows are counted from the top, from 1.\n\n"
        "| date | commit | model | SHA-256 | pictures | accuracy (95 % interval) | macro F1 "
        "| accuracy where not in training | reason |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    figures, unseen, model = evaluation.all, evaluation.not_in_training, evaluation.model
    cells = [
        datetime.now(UTC).date().isoformat(), current_commit(), model.name, model.sha256[:12],
        f"{', '.join(evaluation.data.folders)}: {figures.n_pictures}", figures.with_interval,
        f"{figures.macro_f1:.3f}", f"{unseen.with_interval} of {unseen.n_pictures}" if unseen else "-",
        reason.replace("|", "/") or "-",
    ]  # fmt: skip
    old = log.read_text(encoding="utf-8") if log.exists() else head
    write_atomically(log, (old + "| " + " | ".join(cells) + " |\n").encode())


def _draw(classifier: Classifier, scoring: Scoring, evaluation: Evaluation, out: Path) -> None:
    plots.confusion_matrix(np.array(evaluation.all.confusion_matrix), scoring.class_names, out / "confusion_matrix.png")
    curves = roc_of_each_class(scoring.labels, scoring.probabilities, scoring.class_names)
    plots.roc_curves(curves, out / "roc.png")
    plots.reliability(evaluation.trust.calibration, out / "reliability.png")
    plots.risk_coverage(evaluation.trust.selective, out / "risk_coverage.png")
    worst = _worst_mistakes(scoring)
    captions = [
        f"{scoring.class_names[scoring.labels[i]]} read as\n{scoring.class_names[scoring.probabilities[i].argmax()]} "
        f"({scoring.probabilities[i].max():.0%})"
        for i in worst
    ]
    plots.gallery([scoring.decoded.pixels[i] for i in worst], captions, out / "mistakes.png")
    plots.gallery([_explained(classifier, scoring, i) for i in worst], captions, out / "mistakes_explained.png")


def _explained(classifier: Classifier, scoring: Scoring, place: int) -> NDArray[np.uint8]:
    """The picture with the evidence for the class that was given: uint8, (size, size, 3)."""
    pixels = scoring.decoded.pixels[place]
    maps = classifier.predict_inputs(pixels[None, ..., None]).feature_maps[0]
    given = scoring.class_names[int(scoring.probabilities[place].argmax())]
    evidence = Explainer(classifier).evidence(maps, given)
    return np.asarray(overlay(pixels, in_steps(evidence, float(evidence.max()))).convert("RGB"))


def _worst_mistakes(scoring: Scoring) -> NDArray[np.int64]:
    """The wrong answers, those with the least probability for the true class first."""
    of_truth = scoring.probabilities[np.arange(len(scoring.labels)), scoring.labels]
    wrong = np.flatnonzero(scoring.probabilities.argmax(axis=1) != scoring.labels)
    return wrong[np.argsort(of_truth[wrong])][:N_MISTAKES]


def _write_report(evaluation: Evaluation, out: Path) -> None:
    sections = [
        Section(_PARTS[key], [_sentence(figures)], _class_table(figures)) for key, figures in evaluation.parts().items()
    ]
    sections += [
        Section("Confusion matrix", pictures={out / "confusion_matrix.png": "Confusion matrix"}),
        Section("ROC", pictures={out / "roc.png": "ROC curve of each class"}),
        Section("Can one trust its probabilities?", list(_trust_sentences(evaluation)), pictures={
            out / "reliability.png": "Reliability diagram", out / "risk_coverage.png": "Risk-coverage curve",
        }),
        Section("Worst mistakes", ["As the network saw them, the surest wrong answers first."], pictures={
            out / "mistakes.png": "Pictures that were misread",
            out / "mistakes_explained.png": "The same, with the evidence for the wrong class in colour",
        }),
    ]  # fmt: skip
    write_page(out / "report.html", f"Evaluation of {evaluation.model.name}", sections)


def _sentence(figures: Summary) -> str:
    return (
        f"{figures.n_correct} of {figures.n_pictures} correct: accuracy {figures.with_interval}, "
        f"balanced accuracy {figures.balanced_accuracy:.3f}, macro F1 {figures.macro_f1:.3f}."
    )


def _trust_sentences(evaluation: Evaluation) -> Iterable[str]:
    calibrated, selective = evaluation.trust.calibration, evaluation.trust.selective
    yield (
        f"Expected calibration error {calibrated.expected_calibration_error:.3f}, "
        f"Brier score {calibrated.brier_score:.3f}."
    )
    yield (
        f"Certain answers: {selective.coverage:.3f} of the pictures, wrong in {share(selective.error_among_certain)}. "
        f"Area under the risk-coverage curve {selective.area_under_risk_coverage:.3f}."
    )
    if evaluation.model.gate:
        yield f"Refused as no brain MRI: {evaluation.refused_by_gate:.3f}."
    else:
        yield "This model does not tell what is no brain MRI."


def _class_table(figures: Summary) -> Table:
    rows = [
        [name, f.n_pictures, share(f.precision), share(f.recall), share(f.f1), share(f.auroc)]
        for name, f in figures.per_class.items()
    ]
    return Table(["class", "pictures", "precision", "recall", "F1", "AUROC"], rows)


def _tell(evaluation: Evaluation, out: Path) -> None:
    for key, figures in evaluation.parts().items():
        print(f"{key}: {_sentence(figures)}")
        for name, f in figures.per_class.items():
            shares = f"recall {share(f.recall)}  precision {share(f.precision)}  AUROC {share(f.auroc)}"
            print(f"  {name:12} n {f.n_pictures:4}  {shares}")
    for sentence in _trust_sentences(evaluation):
        print(sentence)
    print(f"tumor or not: {evaluation.trust.tumor_presence.in_words()}")
    print(out / "report.html")
