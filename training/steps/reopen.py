"""Make a run of a published model again, so that it can be calibrated anew or gone on with.

`publish` keeps the table of the pictures beside the weights. It is believed only where pictures and network agree with
the card.
"""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.card import ModelCard, read_card
from model.network.classifier import Classifier
from model.safe_files import sha256_of, write_atomically
from training.data.folders import DataError, Picture, fingerprint
from training.data.split import FILE
from training.fit.checkpoints import require_empty
from training.fit.recipes import Recipe
from training.measure.metrics import summarize
from training.measure.passes import answers_of
from training.steps.calibrate import read_split, sources_of
from training.steps.publish import split_file

# Probabilities differ between backends and machines by rounding; a picture between two classes may fall to the other.
ALLOWED_DIFFERENCE = 0.005


def reopen(path: Path, folders: Sequence[Path], boxes: Path | None, run: Path, cache: Path | None) -> None:
    """Write a run folder with network, recipe and split of the card at `path`.

    folders, boxes: the data that it was trained with.

    Raises:
        DataError: the run folder is in use; the table of the pictures is missing; or the pictures, or how the network
            does on those held out, are not what the card says.
        ModelFileError: card or weights are missing or altered.
    """
    # What cannot be reopened is deleted again: nothing else may stand there.
    require_empty(run)
    card = read_card(path)
    table = path.with_name(split_file(card.name))
    if not table.is_file():
        raise DataError(
            f"Expected {table}, which `publish` writes. Without it nobody knows which pictures were held out."
        )
    classifier = Classifier.load(path)
    run.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(table, run / FILE)
        known = _check(card, classifier, folders, boxes, run, cache)
    except DataError:
        shutil.rmtree(run)
        raise
    shutil.copyfile(path.with_name(card.weights_file), run / "best.keras")
    write_atomically(run / "config.json", json.dumps(_config_of(card, known), indent=1).encode())
    print(f"{card.name} {card.version} ({sha256_of(run / 'best.keras')[:12]}) lies in {run}")


def _config_of(card: ModelCard, known: Sequence[Picture]) -> dict[str, Any]:
    fields = {field.name for field in dataclasses.fields(Recipe)}
    kept = card.recipe
    # Cards of version 1.0.0 do not say it.
    data = kept.get("data") or {
        "folders": sorted({picture.source for picture in known}),
        "n_pictures": {name: sum(p.class_name == name for p in known) for name in card.class_names},
        "fingerprint": fingerprint(known),
    }
    return {
        "recipe": {name: value for name, value in kept.items() if name in fields},
        "quick": kept["quick"],
        "weights": card.base_weights.get("file", "random"),
        "precision": kept.get("precision", "float32"),
        "start": kept.get("went_on_from"),
        "blended": kept.get("blended"),
        "seed": kept["seed"],
        "data": data,
        "environment": kept["environment"],
    }


def _check(
    card: ModelCard, classifier: Classifier, folders: Sequence[Path], boxes: Path | None, run: Path, cache: Path | None
) -> Sequence[Picture]:
    split = read_split(run, folders, boxes, card, cache, each_slice_once=_counts_once(card))
    # One entry for each collection, or one for all of them.
    found = {of["fingerprint"] for of in sources_of(split.known).values()}
    told = {of["fingerprint"] for of in card.training_data}
    if told not in (found, {fingerprint(split.known)}):
        raise DataError(
            f"Expected the pictures that {card.name} {card.version} was trained with, as its card counts them. "
            "Received others: give the same --data."
        )
    labels = split.validation.labels(card.class_names)
    answers = answers_of(classifier, split.validation.pixels)
    figures, expected = summarize(labels, answers.probabilities, card.class_names), card.metrics["validation"]
    differences = [
        abs(one - other) / max(figures["n_pictures"], 1)
        for row, other_row in zip(figures["confusion_matrix"], expected["confusion_matrix"], strict=True)
        for one, other in zip(row, other_row, strict=True)
    ]
    if max(differences) > ALLOWED_DIFFERENCE:
        raise DataError(
            f"Expected the validation pictures of {card.name} {card.version}: "
            f"accuracy {expected['accuracy']:.3f} of {expected['n_pictures']}. On those found now it is "
            f"{figures['accuracy']:.3f} of {figures['n_pictures']}. Give the same --data and --boxes."
        )
    print(f"validation accuracy {figures['accuracy']:.3f} of {figures['n_pictures']}, as the card has it")
    return split.known


def _counts_once(card: ModelCard) -> bool:
    return bool(card.metrics.get("trust", {}).get("each_slice_once"))
