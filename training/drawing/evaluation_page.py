"""Write the evaluation as one page, with the worst mistakes and the evidence for them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.evidence.drawing import in_steps, overlay
from model.evidence.explainer import Explainer
from model.network.classifier import Classifier
from training.drawing import plots
from training.drawing.page import Section, Table, write_page
from training.figures import share
from training.measure.metrics import Summary, roc_of_each_class
from training.measure.scoring import Evaluation, Scoring

N_MISTAKES = 20
_PARTS = {
    "all": "All images",
    "not_in_training": "Images that are not in the training data",
    "also_in_training": "Images that are also in the training data",
}


def write_evaluation_report(classifier: Classifier, scoring: Scoring, evaluation: Evaluation, out: Path) -> None:
    """Write report.html and its plots into the folder."""
    _draw(classifier, scoring, evaluation, out)
    _write_page(evaluation, out)


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
    """Return the image with the evidence for the predicted class: uint8, (size, size, 3)."""
    pixels = scoring.decoded.pixels[place]
    maps = classifier.predict_inputs(pixels[None, ..., None]).feature_maps[0]
    given = scoring.class_names[int(scoring.probabilities[place].argmax())]
    evidence = Explainer(classifier).evidence(maps, given)
    return np.asarray(overlay(pixels, in_steps(evidence, float(evidence.max()))).convert("RGB"))


def _worst_mistakes(scoring: Scoring) -> NDArray[np.int64]:
    """Return the wrong answers, lowest probability of the true class first."""
    of_truth = scoring.probabilities[np.arange(len(scoring.labels)), scoring.labels]
    wrong = np.flatnonzero(scoring.probabilities.argmax(axis=1) != scoring.labels)
    return wrong[np.argsort(of_truth[wrong])][:N_MISTAKES]


def _write_page(evaluation: Evaluation, out: Path) -> None:
    sections = [
        Section(_PARTS[key], [sentence(figures)], _class_table(figures)) for key, figures in evaluation.parts().items()
    ]
    sections += [
        Section("Confusion matrix", pictures={out / "confusion_matrix.png": "Confusion matrix"}),
        Section("ROC", pictures={out / "roc.png": "ROC curve of each class"}),
        Section("Can its probabilities be trusted?", list(trust_sentences(evaluation)), pictures={
            out / "reliability.png": "Reliability diagram", out / "risk_coverage.png": "Risk-coverage curve",
        }),
        Section("Worst mistakes", ["As the network saw them, most confident mistakes first."], pictures={
            out / "mistakes.png": "Images that were misclassified",
            out / "mistakes_explained.png": "The same, with the evidence for the wrong class in colour",
        }),
    ]  # fmt: skip
    write_page(out / "report.html", f"Evaluation of {evaluation.model.name}", sections)


def sentence(figures: Summary) -> str:
    """Return a sentence on how many answers are correct."""
    return (
        f"{figures.n_correct} of {figures.n_pictures} correct: accuracy {figures.with_interval}, "
        f"balanced accuracy {figures.balanced_accuracy:.3f}, macro F1 {figures.macro_f1:.3f}."
    )


def trust_sentences(evaluation: Evaluation) -> Iterable[str]:
    """Yield sentences on how far the answers can be trusted."""
    calibrated, selective = evaluation.trust.calibration, evaluation.trust.selective
    yield (
        f"Expected calibration error {calibrated.expected_calibration_error:.3f}, "
        f"Brier score {calibrated.brier_score:.3f}."
    )
    yield (
        f"Certain answers: {selective.coverage:.3f} of the images, wrong in {share(selective.error_among_certain)}. "
        f"Area under the risk-coverage curve {selective.area_under_risk_coverage:.3f}."
    )
    yield f'Certain "no tumor": {selective.n_certain_no_tumor} images; {selective.n_tumors_among_these} have a tumor.'
    if evaluation.model.gate:
        yield f"Refused as not a brain MRI: {evaluation.refused_by_gate:.3f}."
    else:
        yield "This model does not refuse images other than brain MRI."


def _class_table(figures: Summary) -> Table:
    rows = [
        [name, f.n_pictures, share(f.precision), share(f.recall), share(f.f1), share(f.auroc)]
        for name, f in figures.per_class.items()
    ]
    return Table(["class", "images", "precision", "recall", "F1", "AUROC"], rows)
