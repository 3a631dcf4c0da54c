"""Copy the best network of a run into the served folder, after checking it on both backends."""

import argparse
import dataclasses
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.card import WEIGHTS_FOLDER, Decision, ModelCard, read_card, read_weights
from model.errors import ModelFileError
from model.network.classifier import Classifier
from model.network.self_test import answers_to_known_pictures
from model.reading.one_file import read_image
from model.safe_files import sha256_of, write_atomically
from training.drawing.documents import TOP, write_documents
from training.errors import TrainingError
from training.fit.packing import compact
from training.fit.run_folder import Json, RunFolder
from training.measure.scoring import gate_of
from training.parity import answers_on, largest_difference, write_graph_of
from training.steps.card_of_run import card_of_run, published_split
from training.steps.evaluate import metrics_file

SAMPLES = TOP / "static" / "samples"
BACKENDS = ("tensorflow", "openvino")
# Backends differ by rounding, but no user may see a difference at four decimals.
LARGEST_DIFFERENCE = 1e-4


class PublishError(TrainingError):
    """The network was not published; the previous files are unchanged."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: the run, its evaluations, and the model's name and version."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, metavar="DIR")
    source.add_argument("--answers-of", nargs="+", type=Path, default=[], metavar="CARD",
                        help="pack the networks of published cards again, make their graphs, and write the answers to "
                        "known images and samples into them")  # fmt: skip
    parser.add_argument("--evaluation", nargs="*", type=Path, default=[], metavar="DIR",
                        help="folders written by evaluate for this run; their figures go into the card")  # fmt: skip
    parser.add_argument("--name", help="name of the published model (default: the recipe's)")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--to", type=Path, default=WEIGHTS_FOLDER, metavar="DIR", help="default: model/weights")


def run(options: argparse.Namespace) -> None:
    """Publish."""
    for card in options.answers_of:
        pack_again(card)
        _check_backends(card)
        write_known_answers(card)
    for folder in {card.parent for card in options.answers_of}:
        _write_documents_of(folder)
    if options.run:
        publish(RunFolder(options.run), options.evaluation, options.to, options.name, options.version)


def publish(run: RunFolder, evaluations: Sequence[Path], to: Path, name: str | None, version: str) -> ModelCard:
    """Check the run's best network in a temporary folder, then move its files into place.

    Publishing in model/weights also updates the documents, by write_documents.

    Raises:
        ModelFileError: the folder is not a run.
        PublishError: an evaluation has another network or other thresholds, the same or a newer version of this name
            exists, or the two backends disagree.
    """
    card = card_of_run(run, name, version, [_read_evaluation(folder) for folder in evaluations])
    _check_evaluations(card)
    require_newer(card, to)
    card = dataclasses.replace(card, weights_file=f"{card.name}.keras")
    files = {run.network_file: card.weights_file, run.split_file: published_split(card.name)}
    if card.gate:
        files[run.gate_file] = f"{card.name}.gate.npz"
        card = dataclasses.replace(card, gate=dataclasses.replace(card.gate, file=files[run.gate_file]))
    return put_into_place(card, files, to)


def put_into_place(card: ModelCard, files: Mapping[Path, str], to: Path) -> ModelCard:
    """Add graph and answers to known images to a card, check it in a temporary folder, then move all into place.

    files: published name by current path.

    Raises:
        PublishError: the two backends disagree.
    """
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to, prefix=".publish-") as folder:
        aside = Path(folder)
        for in_run, published in files.items():
            shutil.copyfile(in_run, aside / published)
        (aside / f"{card.name}.json").write_text(card.to_json(), encoding="utf-8")
        difference = _check_backends(aside / f"{card.name}.json")
        write_known_answers(aside / f"{card.name}.json")
        card = read_card(aside / f"{card.name}.json")
        assert card.graph
        # Between these steps the files do not match: their SHA-256 is refused, never a mixture served.
        for published in (*files.values(), card.graph.file):
            os.replace(aside / published, to / published)
        os.replace(aside / f"{card.name}.json", to / f"{card.name}.json")
    _write_documents_of(to)
    print(f"published {card.name} {card.version} to {to}; the backends differ by {difference:.1e} at most")
    return card


def _write_documents_of(folder: Path) -> None:
    if folder.resolve() == WEIGHTS_FOLDER.resolve():
        write_documents()


def pack_again(path: Path) -> None:
    """Pack a published network as `train` does now: the same weights in another file, whose SHA-256 the card gets.

    Raises:
        ModelFileError: card or weights are missing or altered.
    """
    card = read_card(path)
    file = read_weights(card, path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".publish-") as folder:
        aside = Path(folder, file.name)
        shutil.copyfile(file, aside)
        compact(aside)
        fields = path.read_text(encoding="utf-8").replace(card.sha256, sha256_of(aside))
        os.replace(aside, file)
    write_atomically(path, fields.encode())


def write_known_answers(path: Path) -> None:
    """Write the network's answers to the known images and the page's samples into its card.

    Raises:
        ModelFileError: card or weights are missing or altered, or the answers differ from those in the card.
    """
    classifier = Classifier.load(path)
    predict = classifier.predict
    # Loading compared the existing answers; they stay to the last digit.
    known = classifier.card.known_answers or answers_to_known_pictures(predict)
    samples = {file.stem: predict([read_image(file)])[0].answer for file in sorted(SAMPLES.glob("*.jpg"))}
    # The rest of the card is not changed.
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields["known_answers"] = [dataclasses.asdict(answer) for answer in known]
    fields["metrics"]["samples"] = samples
    content = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, content.encode())


def _read_evaluation(folder: Path) -> Json:
    file = metrics_file(folder)
    try:
        read: Json = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise PublishError(f"Expected {file.name} of `python -m training evaluate` in {folder}: {error}.") from error
    return read


def _check_evaluations(card: ModelCard) -> None:
    for name, evaluation in card.metrics.items():
        model = evaluation.get("model", {})
        if model.get("sha256", card.sha256) != card.sha256:
            raise PublishError(
                f"Expected figures of this run's network. Those of {name} belong to another; evaluate it again."
            )
        decision = Decision(**model["decision"]) if "decision" in model else card.decision
        if decision != card.decision or model.get("gate", gate_of(card)) != gate_of(card):
            raise PublishError(
                f"Expected figures with this run's temperature and thresholds. Those of {name} were made before the "
                "calibration; evaluate it again."
            )


def require_newer(card: ModelCard, to: Path) -> None:
    """Refuse to replace a model except by a newer version: omitting --name must not overwrite the shipped one."""
    try:
        there = read_card(to / f"{card.name}.json").version
    except ModelFileError:
        return
    if _in_order(card.version) <= _in_order(there):
        raise PublishError(
            f"Expected a version above {there}, which {card.name} in {to} has. Received {card.version}. "
            "Choose a higher --version to replace it, or another --name."
        )


def _in_order(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", version)]


def _check_backends(card: Path) -> float:
    """Make the graph, which answers on OpenVINO, and compare it with the network on TensorFlow."""
    try:
        write_graph_of(card)
        one, other = (answers_on(backend, card) for backend in BACKENDS)
    except subprocess.CalledProcessError as error:
        raise PublishError(
            f"Expected the network to run on {' and '.join(BACKENDS)}. It does not:\n{error.stderr}"
        ) from error
    difference = largest_difference(one, other)
    if difference > LARGEST_DIFFERENCE:
        raise PublishError(
            f"Expected the same probabilities on {' and '.join(BACKENDS)}. "
            f"They differ by {difference:.1e}. Not published."
        )
    return difference
