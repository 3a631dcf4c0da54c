"""Measure a network on labelled images: figures, tables, plots and a page."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from model.safe_files import write_atomically
from training.data.sources import Sources, add_data
from training.drawing.evaluation_page import sentence, trust_sentences, write_evaluation_report
from training.figures import share
from training.fit.environment import current_commit
from training.fit.request import add_audit
from training.fit.run_folder import RUNS
from training.measure.scoring import Evaluation, measure, predictions_table, score
from training.steps.card_of_run import load


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: a model and images."""
    add_data(parser)
    parser.add_argument(
        "--model", type=Path, required=True, metavar="PATH", help="a run folder, or a published card (.json)"
    )
    parser.add_argument("--training-data", nargs="+", type=Path, default=[], metavar="DIR",
                        help="report images that are also here separately")  # fmt: skip
    add_audit(parser)
    parser.add_argument("--out", type=Path, default=RUNS / "evaluation", metavar="DIR")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append one line on this scoring to a Markdown table")
    parser.add_argument("--reason", default="", help="reason for this scoring, for the log")


def run(options: argparse.Namespace) -> None:
    """Evaluate; with --log, also append to the log."""
    classes = tuple(options.classes)
    sources = Sources(tuple(options.data), classes=classes)
    training = Sources(tuple(options.training_data), classes=classes)
    evaluation = evaluate(options.model, sources, training, options.out, options.audit)
    if options.log:
        append_to_log(options.log, evaluation, options.reason)


def evaluate(model: Path, sources: Sources, training: Sources, out: Path, audit: Path | None = None) -> Evaluation:
    """Score the Testing images of the sources (all images if nothing is called Testing); write tables, plots, report.

    audit: a folder written by `audit` for the same images; the copies found there are reported separately too.

    Raises:
        DataError: the folders have no images.
        ModelFileError: the model cannot be loaded.
    """
    classifier = load(model)
    scoring = score(classifier, sources, training, audit)
    out.mkdir(parents=True, exist_ok=True)
    evaluation = measure(scoring, classifier, sources, training)
    write_atomically(metrics_file(out), json.dumps(evaluation.plain(), indent=1).encode())
    write_atomically(out / "predictions.csv", predictions_table(scoring).encode())
    write_evaluation_report(classifier, scoring, evaluation, out)
    _tell(evaluation, out)
    return evaluation


def metrics_file(out: Path) -> Path:
    """Return the file of an evaluation's figures."""
    return out / "metrics.json"


def append_to_log(log: Path, evaluation: Evaluation, reason: str) -> None:
    """Append one row to the Markdown table of all scorings, good or bad."""
    head = (
        "# Every scoring\n\nOne row per call of `python -m training evaluate --log`, appended by it, never edited. "
        "Rows are counted from the top, from 1.\n\n"
        "| date | commit | model | SHA-256 | images | accuracy (95 % interval) | macro F1 "
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


def _tell(evaluation: Evaluation, out: Path) -> None:
    for key, figures in evaluation.parts().items():
        print(f"{key}: {sentence(figures)}")
        for name, f in figures.per_class.items():
            shares = f"recall {share(f.recall)}  precision {share(f.precision)}  AUROC {share(f.auroc)}"
            print(f"  {name:12} n {f.n_pictures:4}  {shares}")
    print(*trust_sentences(evaluation), sep="\n")
    print(f"tumor or not: {evaluation.trust.tumor_presence.in_words()}")
    print(out / "report.html")
