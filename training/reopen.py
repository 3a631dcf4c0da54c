"""Make a run of a published model again, so that it can be calibrated anew or gone on with.

A card keeps the recipe and the fingerprints of its pictures, not the table of which were held out. The table is drawn
again as training drew it, and believed only where pictures and network agree with the card.
"""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

from model.card import ModelCard, read_card, sha256_of, write_atomically
from model.classifier import Classifier
from training.calibrate import read_split, sources_of
from training.dataset import DataError, fingerprint
from training.metrics import summarize
from training.passes import answers_of
from training.recipes import RECIPES, Recipe
from training.train import Request, prepare

# Probabilities differ between backends and machines by rounding; a picture between two classes may fall to the other.
ALLOWED_DIFFERENCE = 0.005


def reopen(path: Path, request: Request) -> None:
    """Write a run folder with network, recipe and split of the card at `path`.

    request: the data and the run folder, as for `train`; recipe, seed, weights and `quick` come from the card.

    Raises:
        DataError: the run folder is in use; or the pictures, or how the network does on those held out, are not what
            the card says.
        ModelFileError: card or weights are missing or altered.
    """
    # What cannot be reopened is deleted again: nothing else may stand there.
    if request.run.exists() and any(request.run.iterdir()):
        raise DataError(f"Expected an empty run folder. {request.run} holds files. Choose another --out.")
    card = read_card(path)
    classifier = Classifier.load(path)
    seed = _first_seed(card.recipe)
    base = RECIPES[card.recipe["name"]]
    recipe = dataclasses.replace(
        base, task=card.task, input_size_px=card.input_size_px, validation_share=card.recipe["validation_share"]
    )
    request = dataclasses.replace(request, recipe=recipe, seed=seed, quick=card.recipe["quick"])
    prepare(request)
    try:
        _check(card, classifier, request)
    except DataError:
        shutil.rmtree(request.run)
        raise
    shutil.copyfile(path.with_name(card.weights_file), request.run / "best.keras")
    config = {**json.loads((request.run / "config.json").read_text()), **_config_of(card)}
    write_atomically(request.run / "config.json", json.dumps(config, indent=1).encode())
    print(f"{card.name} {card.version} ({sha256_of(request.run / 'best.keras')[:12]}) lies in {request.run}")


def _first_seed(recipe: dict[str, Any]) -> int:
    """Give the seed of the run at the start of the chain: it drew the split that the others took over."""
    seed, start = recipe["seed"], recipe.get("went_on_from")
    while start:
        seed = start["config"].get("seed", seed)
        start = start["config"].get("start")
    return int(seed)


def _config_of(card: ModelCard) -> dict[str, Any]:
    fields = {field.name for field in dataclasses.fields(Recipe)}
    kept = card.recipe
    return {
        "recipe": {name: value for name, value in kept.items() if name in fields},
        "quick": kept["quick"],
        "weights": card.base_weights.get("file", "random"),
        "precision": kept["precision"],
        "start": kept.get("went_on_from"),
        "blended": kept.get("blended"),
        "seed": kept["seed"],
        "environment": kept["environment"],
    }


def _check(card: ModelCard, classifier: Classifier, request: Request) -> None:
    split = read_split(request.run, request.folders, card, request.cache, each_slice_once=_counts_once(card))
    # One entry for each collection, or one for all of them.
    found = {of["fingerprint"] for of in sources_of(split.known).values()}
    told = {of["fingerprint"] for of in card.training_data}
    if told not in (found, {fingerprint(split.known)}):
        raise DataError(
            f"Expected the pictures that {card.name} {card.version} was trained with, as its card counts them. "
            "Received others: give the same --data, --boxes, --exclude-near-duplicates-of and --audit."
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
            f"accuracy {expected['accuracy']:.3f} of {expected['n_pictures']}. On those drawn now it is "
            f"{figures['accuracy']:.3f} of {figures['n_pictures']}. Give the same --data, in the same order."
        )
    print(f"validation accuracy {figures['accuracy']:.3f} of {figures['n_pictures']}, as the card has it")


def _counts_once(card: ModelCard) -> bool:
    return bool(card.metrics.get("trust", {}).get("each_slice_once"))
