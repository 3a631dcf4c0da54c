"""Rebuild the run of a published model, to calibrate it or to train it further.

`publish` keeps the table of images next to the weights. It is used only if images and network agree with the card.
"""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from model.card import ModelCard, read_card
from model.network.classifier import Classifier, load_classifier
from training.data.folders import Picture, fingerprint
from training.data.sources import Sources
from training.errors import DataError
from training.fit.run_folder import Config, RunFolder
from training.fit.run_pictures import known_by_collection, read_run_pictures
from training.measure.metrics import summarize
from training.measure.passes import answers_of
from training.recipes import Recipe
from training.steps.card_of_run import published_split

# Probabilities differ between backends and machines by rounding, which may change the class of a borderline image.
ALLOWED_DIFFERENCE = 0.005


def run_of_card(path: Path, sources: Sources, run: RunFolder) -> None:
    """Write a run folder with network, recipe and split of the card at `path`.

    sources: its training data.

    Raises:
        DataError: the run folder is in use; the table of images is missing; or the images, or the network's figures
            on the held-out ones, differ from the card.
        ModelFileError: card or weights are missing or altered.
    """
    # On failure the folder is deleted: it must be empty before.
    run.require_empty()
    card = read_card(path)
    table = path.with_name(published_split(card.name))
    if not table.is_file():
        raise DataError(f"Expected {table}, which `publish` writes. Without it the held-out images are unknown.")
    classifier = load_classifier(path)
    run.path.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(table, run.split_file)
        known = _check(card, classifier, sources, run)
    except DataError:
        shutil.rmtree(run.path)
        raise
    shutil.copyfile(path.with_name(card.weights_file), run.network_file)
    run.write_config(_config_of(card, known))
    print(f"{card.name} {card.version} ({run.sha256()[:12]}) is in {run.path}")


def _config_of(card: ModelCard, known: Sequence[Picture]) -> Config:
    fields = {field.name for field in dataclasses.fields(Recipe)}
    kept = card.recipe
    # Cards of version 1.0.0 lack it.
    data = kept.get("data") or {
        "folders": sorted({picture.source for picture in known}),
        "n_pictures": {name: sum(p.class_name == name for p in known) for name in card.class_names},
        "fingerprint": fingerprint(known),
    }
    return Config(
        recipe={name: value for name, value in kept.items() if name in fields},
        quick=kept["quick"],
        weights=card.base_weights.get("file", "random"),
        precision=kept.get("precision", "float32"),
        start=kept.get("went_on_from"),
        blended=kept.get("blended"),
        seed=kept["seed"],
        data=data,
        environment=kept["environment"],
    )


def _check(card: ModelCard, classifier: Classifier, sources: Sources, run: RunFolder) -> Sequence[Picture]:
    each_slice_once = bool(card.metrics.get("trust", {}).get("each_slice_once"))
    split = read_run_pictures(run, sources, card, each_slice_once)
    # One entry for each collection, or one for all of them.
    found = {of.fingerprint for of in known_by_collection(split.known).values()}
    told = {of["fingerprint"] for of in card.training_data}
    if told not in (found, {fingerprint(split.known)}):
        raise DataError(
            f"Expected the images that {card.name} {card.version} was trained with, as its card counts them. "
            "Received others: pass the same --data."
        )
    labels = split.validation.labels(card.class_names)
    figures = summarize(labels, answers_of(classifier, split.validation.pixels).probabilities, card.class_names)
    expected = card.metrics["validation"]
    differences = [
        abs(one - other) / max(figures.n_pictures, 1)
        for row, other_row in zip(figures.confusion_matrix, expected["confusion_matrix"], strict=True)
        for one, other in zip(row, other_row, strict=True)
    ]
    if max(differences) > ALLOWED_DIFFERENCE:
        raise DataError(
            f"Expected the validation images of {card.name} {card.version}: "
            f"accuracy {expected['accuracy']:.3f} of {expected['n_pictures']}. On the images found it is "
            f"{figures.accuracy:.3f} of {figures.n_pictures}. Give the same --data and --boxes."
        )
    print(f"validation accuracy {figures.accuracy:.3f} of {figures.n_pictures}, as in the card")
    return split.known
