"""Measure a network on labelled pictures, through the very code that serves it."""

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.answers.calibration import calibrate
from model.answers.gate import Gate
from model.card import ModelCard
from model.evidence.drawing import in_steps, overlay
from model.evidence.explainer import Explainer
from model.network.classifier import Classifier
from model.safe_files import write_atomically
from training.data.audit_result import read_audit
from training.data.copies import copies_of
from training.data.decoded import Decoded, decode
from training.data.folders import TESTING, TRAINING, UNSPLIT, DataError, find_pictures, fingerprint
from training.drawing import plots
from training.drawing.page import Section, Table, write_page
from training.fit.environment import current_commit, describe_environment
from training.measure.metrics import roc_of_each_class, summarize
from training.measure.passes import answers_of
from training.measure.trust import trust_figures, tumor_presence
from training.steps.card_of_run import card_of_run

N_MISTAKES = 20


@dataclass(frozen=True, eq=False)
class Scoring:
    """Pictures and what the network said of them.

    labels: int64, (n,), the truth; probabilities: float32, (n, n_classes), calibrated; distances: float32, (n,), above
    1 where the gate refuses; in_training: bool, (n,), whether the picture also stands in the training data; None where
    that was not looked for.
    """

    decoded: Decoded
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    distances: NDArray[np.float32]
    in_training: NDArray[np.bool_] | None


def evaluate(
    model: Path, folders: Sequence[Path], training_folders: Sequence[Path], out: Path, log: Path | None, reason: str,
    audit: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Score the Testing pictures of the folders (all, where nothing is called Testing); write tables, plots, report.

    audit: a folder that `audit` wrote over the same pictures, to report apart the copies found there too.

    Raises:
        DataError: the folders hold no pictures. ModelFileError: the model cannot be loaded.
    """
    classifier = load(model)
    scoring = score(classifier, folders, training_folders, audit)
    out.mkdir(parents=True, exist_ok=True)
    metrics = measure(scoring, classifier)
    metrics["data"]["folders"] = [_name(folder) for folder in folders]
    metrics["data"]["training_folders"] = [_name(folder) for folder in training_folders]
    write_atomically(out / "metrics.json", json.dumps(metrics, indent=1).encode())
    write_atomically(out / "predictions.csv", predictions_table(scoring).encode())
    _draw(classifier, scoring, metrics, out)
    _write_report(metrics, out)
    _print(metrics, out)
    if log:
        append_to_log(log, metrics, reason)
    return metrics


def load(model: Path) -> Classifier:
    """Load a published card (.json), or the best network of a run folder."""
    if model.suffix == ".json":
        return Classifier.load(model)
    import keras

    card = card_of_run(model)
    gate = Gate.read(card.gate, model) if card.gate else None
    return Classifier(card, keras.saving.load_model(model / "best.keras", compile=False), gate)


def score(
    classifier: Classifier, folders: Sequence[Path], training_folders: Sequence[Path], audit: Path | None = None
) -> Scoring:
    """Decode the pictures, run the network, and look for the pictures in the training data."""
    card = classifier.card
    found = find_pictures(folders, card.task)
    testing = found.of_split(TESTING)
    # Beside a Testing folder all others are for training, as `train` takes them.
    to_score = testing if testing.pictures else found
    decoded = decode(to_score.pictures, card.input_size_px)
    for problem in (*found.problems, *decoded.problems):
        print(f"passed over: {problem}")
    if not decoded.pictures:
        raise DataError(
            f"Expected pictures in {', '.join(map(str, folders))}. None of {len(to_score.pictures)} files can be read."
        )
    answers = answers_of(classifier, decoded.pixels)
    probabilities = calibrate(answers.probabilities, card.decision.temperature)
    in_training = None
    if training_folders:
        training = find_pictures(training_folders, card.task).of_split(TRAINING, UNSPLIT)
        seen = decode(training.pictures, card.input_size_px)
        in_training = copies_of(decoded, seen)
        if audit:
            in_training |= read_audit(audit).copies_of(decoded.pictures, seen.pictures)
    return Scoring(
        decoded, card.class_names, decoded.labels(card.class_names), probabilities, answers.distances, in_training
    )


def measure(scoring: Scoring, classifier: Classifier) -> dict[str, Any]:
    """Give all figures, on all pictures and, where known, apart for those that stand in the training data too."""
    result: dict[str, Any] = {
        "model": {
            "name": classifier.card.name,
            "sha256": classifier.card.sha256,
            "decision": dataclasses.asdict(classifier.card.decision),
            "gate": gate_of(classifier.card),
        },
        "data": {"fingerprint": fingerprint(scoring.decoded.pictures)},
        "environment": describe_environment(),
        "all": summarize(scoring.labels, scoring.probabilities, scoring.class_names),
        "trust": trust_figures(
            scoring.labels, scoring.probabilities, classifier.card.decision, scoring.class_names, scoring.distances <= 1
        ),
        "refused_by_gate": float((scoring.distances > 1).mean()),
    }
    healthy = scoring.class_names.index("no_tumor")
    has_tumor, found = scoring.labels != healthy, 1 - scoring.probabilities[:, healthy]
    if scoring.in_training is not None:
        for name, mask in (("also_in_training", scoring.in_training), ("not_in_training", ~scoring.in_training)):
            if mask.any():
                result[name] = summarize(scoring.labels[mask], scoring.probabilities[mask], scoring.class_names)
                result[name]["tumor_presence"] = tumor_presence(
                    has_tumor[mask], found[mask], classifier.card.decision.tumor_from
                )
    return result


def gate_of(card: ModelCard) -> dict[str, Any] | None:
    """Tell which gate a card has: its file and its bound; None where it has none."""
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


def append_to_log(log: Path, metrics: dict[str, Any], reason: str) -> None:
    """Append one row to the Markdown table of all scorings; good and bad ones alike."""
    head = (
        "# Every scoring\n\nOne row per call of `python -m training evaluate --log`, appended by it, never edited. "
        "Rows are counted from the top, from 1.\n\n"
        "| date | commit | model | SHA-256 | pictures | accuracy (95 % interval) | macro F1 "
        "| accuracy where not in training | reason |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    figures, unseen = metrics["all"], metrics.get("not_in_training")
    model = metrics["model"]
    cells = [
        datetime.now(UTC).date().isoformat(), current_commit(), model["name"], model["sha256"][:12],
        f"{', '.join(metrics['data']['folders'])}: {figures['n_pictures']}", _with_interval(figures),
        f"{figures['macro_f1']:.3f}", f"{_with_interval(unseen)} of {unseen['n_pictures']}" if unseen else "-",
        reason.replace("|", "/") or "-",
    ]  # fmt: skip
    old = log.read_text(encoding="utf-8") if log.exists() else head
    write_atomically(log, (old + "| " + " | ".join(cells) + " |\n").encode())


def _draw(classifier: Classifier, scoring: Scoring, metrics: dict[str, Any], out: Path) -> None:
    plots.confusion_matrix(
        np.array(metrics["all"]["confusion_matrix"]), scoring.class_names, out / "confusion_matrix.png"
    )
    curves = roc_of_each_class(scoring.labels, scoring.probabilities, scoring.class_names)
    plots.roc_curves(curves, out / "roc.png")
    plots.reliability(metrics["trust"]["calibration"], out / "reliability.png")
    plots.risk_coverage(metrics["trust"]["selective"], out / "risk_coverage.png")
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


def _write_report(metrics: dict[str, Any], out: Path) -> None:
    parts = {"all": "All pictures", "not_in_training": "Pictures that do not stand in the training data",
             "also_in_training": "Pictures that also stand in the training data"}  # fmt: skip
    sections = [
        Section(heading, _sentences(metrics[key]), _class_table(metrics[key]))
        for key, heading in parts.items()
        if key in metrics
    ]
    sections += [
        Section("Confusion matrix", (), None, {out / "confusion_matrix.png": "Confusion matrix"}),
        Section("ROC", (), None, {out / "roc.png": "ROC curve of each class"}),
        Section("Can one trust its probabilities?", _trust_sentences(metrics), None,
                {out / "reliability.png": "Reliability diagram", out / "risk_coverage.png": "Risk-coverage curve"}),
        Section("Worst mistakes", ("As the network saw them, the surest wrong answers first.",), None,
                {out / "mistakes.png": "Pictures that were misread",
                 out / "mistakes_explained.png": "The same, with the evidence for the wrong class in colour"}),
    ]  # fmt: skip
    write_page(out / "report.html", f"Evaluation of {metrics['model']['name']}", sections)


def _sentences(figures: dict[str, Any]) -> list[str]:
    return [
        f"{figures['n_correct']} of {figures['n_pictures']} correct: accuracy {_with_interval(figures)}, "
        f"balanced accuracy {figures['balanced_accuracy']:.3f}, macro F1 {figures['macro_f1']:.3f}."
    ]


def _trust_sentences(metrics: dict[str, Any]) -> list[str]:
    trust = metrics["trust"]
    return [
        f"Expected calibration error {trust['calibration']['expected_calibration_error']:.3f}, Brier score "
        f"{trust['calibration']['brier_score']:.3f}.",
        f"Certain answers: {trust['selective']['coverage']:.3f} of the pictures, wrong in "
        f"{_share(trust['selective']['error_among_certain'])}. Area under the risk-coverage curve "
        f"{trust['selective']['area_under_risk_coverage']:.3f}.",
        f"Refused as no brain MRI: {metrics['refused_by_gate']:.3f}."
        if metrics["model"]["gate"]
        else "This model does not tell what is no brain MRI.",
    ]


def _class_table(figures: dict[str, Any]) -> Table:
    rows = [
        [name, f["n_pictures"], _share(f["precision"]), _share(f["recall"]), _share(f["f1"]), _share(f["auroc"])]
        for name, f in figures["per_class"].items()
    ]
    return Table(["class", "pictures", "precision", "recall", "F1", "AUROC"], rows)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _with_interval(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_interval"]
    return f"{figures['accuracy']:.3f} ({low:.3f} to {high:.3f})"


def _name(folder: Path) -> str:
    return "/".join(folder.resolve().parts[-2:])


def _print(metrics: dict[str, Any], out: Path) -> None:
    for key in ("all", "not_in_training", "also_in_training"):
        if key in metrics:
            print(f"{key}: {_sentences(metrics[key])[0]}")
            for name, f in metrics[key]["per_class"].items():
                shares = f"recall {_share(f['recall'])}  precision {_share(f['precision'])}  AUROC {_share(f['auroc'])}"
                print(f"  {name:12} n {f['n_pictures']:4}  {shares}")
    trust = metrics["trust"]
    print(
        f"expected calibration error {trust['calibration']['expected_calibration_error']:.3f}, certain answers "
        f"{trust['selective']['coverage']:.3f} with error {_share(trust['selective']['error_among_certain'])}, "
        f"tumor or not: AUROC {_share(trust['tumor_presence'].get('auroc'))}, refused as no brain MRI "
        f"{metrics['refused_by_gate']:.3f}"
    )
    print(f"{out}/report.html")
