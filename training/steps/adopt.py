"""Make a served model of a Keras file from elsewhere: `.keras` or `.h5`, of Keras 3 or Keras 2."""

import argparse
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

from model.answers.calibration import calibrate
from model.card import CLASS_NAMES, WEIGHTS_FOLDER, Decision, ModelCard
from model.network.classifier import Classifier
from model.safe_files import sha256_of
from training.data.sources import Sources
from training.fit.foreign import SCALINGS, ForeignError, adapted
from training.measure.scoring import measure, score
from training.measure.trust import fit_temperature
from training.spellings import class_of
from training.steps.card_of_run import UNCALIBRATED, card_of_file
from training.steps.publish import put_into_place, require_newer


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: the file, and what it does not record."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a whole saved model, .keras or .h5")
    parser.add_argument("--outputs", nargs="+", required=True, metavar="CLASS",
                        help="meaning of its outputs in order, as glioma meningioma notumor pituitary; for one "
                        "sigmoid the meaning of 0 and of 1, as no yes")  # fmt: skip
    parser.add_argument("--scaling", choices=list(SCALINGS), required=True,
                        help="the values it was trained on: 0..1 (rescale=1/255), tf (-1..1: Xception, Inception, "
                        "MobileNet), caffe (VGG, ResNet), torch (DenseNet), 0..255 (EfficientNet, or scaled "
                        "within)")  # fmt: skip
    parser.add_argument("--input-size", type=int, metavar="PX", help="side of its input, if the file leaves it open")
    parser.add_argument("--data", nargs="+", type=Path, default=[], metavar="DIR",
                        help="labelled images, as for `train`: for scoring, and for fitting a temperature")  # fmt: skip
    parser.add_argument("--classes", nargs="+", default=[], metavar="SPELLING=CLASS",
                        help="meaning of a folder name or a label")  # fmt: skip
    parser.add_argument("--name", default="mine", help="name of the served model (default: %(default)s)")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--to", type=Path, default=WEIGHTS_FOLDER, metavar="DIR", help="default: model/weights")


def run(options: argparse.Namespace) -> None:
    """Adopt the model, and print what to do next."""
    sources = Sources(tuple(options.data), classes=tuple(options.classes))
    card = adopt(options.file, options.outputs, options.scaling, options.input_size, sources, options.name,
                 options.version, options.to)  # fmt: skip
    for limit in card.limits:
        print(f"- {limit}")
    elsewhere = "" if options.to == WEIGHTS_FOLDER else f"BRAIN_MRI_MODELS_DIR={options.to.resolve()} "
    print(f"To serve it: {elsewhere}BRAIN_MRI_MODEL_NAMES={card.name} make run")


def adopt(
    file: Path, outputs: Sequence[str], scaling: str, side_px: int | None, sources: Sources, name: str, version: str,
    to: Path,
) -> ModelCard:  # fmt: skip
    """Write a network from elsewhere and its card into the served folder, checked on both backends.

    sources: labelled images to score it on; may have no folders.

    Raises:
        ForeignError: the file is not a usable network, or its outputs are not the classes of a task.
        PublishError: the same or a newer version of that name exists, or the backends disagree.
    """
    task, order = _meaning(outputs)
    network, feature_layer = adapted(file, order, scaling, side_px)
    recipe = {"file_sha256": sha256_of(file), "outputs": list(outputs), "scaling": scaling}
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / f"{name}.keras"
        network.save(saved)
        card = card_of_file(saved, name, version, task, network.input_shape[1], feature_layer, recipe)
        require_newer(card, to)
        if sources.folders:
            card = _scored(Classifier(card, network), sources)
        return put_into_place(card, {saved: card.weights_file}, to)


def _meaning(outputs: Sequence[str]) -> tuple[str, list[int]]:
    """Return the task, and the output's index for each of its classes."""
    for task, class_names in CLASS_NAMES.items():
        named = [class_of(output, task, {}) for output in outputs]
        if sorted(map(str, named)) == sorted(class_names):
            return task, [named.index(class_name) for class_name in class_names]
    tasks = "; or ".join(" ".join(class_names) for class_names in CLASS_NAMES.values())
    raise ForeignError(f"Expected --outputs {tasks}, in the network's order. Received {' '.join(outputs)}.")


def _scored(classifier: Classifier, sources: Sources) -> ModelCard:
    """Return the card with a temperature fitted on labelled images, and its figures on them."""
    scoring = score(classifier, sources, Sources(()))
    decision = Decision(round(fit_temperature(scoring.labels, scoring.probabilities), 4))
    classifier.card = dataclasses.replace(
        classifier.card,
        decision=decision,
        limits=tuple(limit for limit in classifier.card.limits if limit != UNCALIBRATED),
    )
    calibrated = dataclasses.replace(scoring, probabilities=calibrate(scoring.probabilities, decision.temperature))
    evaluation = measure(calibrated, classifier, sources, Sources(()))
    print(f"right {evaluation.all.with_interval} of {evaluation.all.n_pictures}; temperature {decision.temperature}")
    return dataclasses.replace(classifier.card, metrics={", ".join(sources.names): evaluation.plain()})
