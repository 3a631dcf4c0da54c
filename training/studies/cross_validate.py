"""Train a recipe several times, each time without some groups or without a collection, and score what was left out.

A single test set of 394 pictures leaves four points of doubt. Here every slice is scored once, by a network that saw
neither it nor its copies; what stands in the training of its network after all is not counted.
"""

import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from model.answers.calibration import calibrate
from model.card import CLASS_NAMES, Decision
from model.network.classifier import Classifier
from model.safe_files import write_atomically
from training.data.boxes import Lesion, boxes_of, lesions_of, series_of
from training.data.copies import Split, copies_among, first_copies, unknown_to
from training.data.decoded import Decoded
from training.data.folders import TRAINING, UNSPLIT, DataError, find_pictures, require_classes
from training.data.split import FILE as SPLIT_FILE
from training.data.split import read_rows
from training.fit.checkpoints import Progress
from training.measure.metrics import summarize
from training.measure.passes import answers_of
from training.measure.trust import fit_temperature, tumor_presence
from training.steps.card_of_run import card_of_run
from training.steps.train import Request, epochs_of, groups_of, require_as_begun, start_run, train, usable_pictures

# With fewer pictures of a class nothing can be learned about it.
LEAST_OF_A_CLASS = 50
_WITHOUT = "without-"


def cross_validate(request: Request, n_folds: int, by_collection: bool) -> dict[str, Any]:
    """Train and score every fold below the run folder; write predictions.csv and metrics.json into it.

    A fold that is done is not trained again, so that a killed call goes on when it is repeated, with the folds that it
    began with. Of several copies of a slice one is counted, and none where the fold's training holds one. With
    `request.start`, the folder of an earlier cross-validation, each fold goes on from the best network of the same fold
    there.

    Raises:
        DataError: the folders cannot be used, or an earlier fold held out other pictures.
    """
    if not by_collection and n_folds < 2:
        raise DataError(f"Expected two folds or more. Received --folds {n_folds}.")
    class_names = CLASS_NAMES[request.recipe.task]
    found = find_pictures(request.folders, request.recipe.task).of_split(TRAINING, UNSPLIT)
    boxes = boxes_of(request.boxes, found.pictures)
    require_classes(found, class_names)
    decoded, problems = usable_pictures(request, found, boxes)
    labels, groups = decoded.labels(class_names), groups_of(request, decoded, boxes)
    collections = collections_of(decoded, boxes)
    drawn = (
        by_collection_left_out(labels, groups, collections)
        if by_collection
        else list(_by_group(labels, groups, n_folds, request.seed))
    )
    folds = _begun(request, decoded, drawn)
    # All tables are written before the first training, so that the folds stay what they are whenever it is killed.
    for name, split in folds:
        start = request.start / name if request.start else None
        used, part = _within(split)
        fold = dataclasses.replace(request, run=request.run / name, start=start)
        if start:
            _require_same_split(decoded.subset(used), part, start)
        if (request.run / name / SPLIT_FILE).is_file():
            _require_same_split(decoded.subset(used), part, request.run / name)
            require_as_begun(fold)
        else:
            start_run(fold, decoded.subset(used), groups[used], part, problems)
    raw, runs, n_without_average = np.full((len(labels), len(class_names)), np.nan, np.float32), [], 0
    copies = copies_among(decoded, series_of(decoded.pictures, boxes))
    counted = []
    for name, split in folds:
        start = request.start / name if request.start else None
        fold = dataclasses.replace(request, run=request.run / name, start=start)
        used, part = _within(split)
        raw[split.validation] = _fold_probabilities(fold, decoded.subset(used), part)
        runs.append(json.loads((fold.run / "config.json").read_text()))
        n_without_average += Progress.read(fold.run).n_averaged == 0
        counted.append(unknown_to(split.training, split.validation, len(labels), copies))
    # Copies that two folds held out count once, too.
    scored = first_copies(np.sort(np.concatenate(counted)), len(labels), copies)
    training = {
        "left_out": "collections" if by_collection else "groups",
        "n_networks": len(runs),
        "epochs": max(map(epochs_of, runs)),
    }
    if n_without_average:
        # Without averaged weights the best epoch is kept, and the held-out pictures tell which that was.
        training["epoch_chosen_on_scored"] = True
        print("The held-out pictures chose each network's epoch: the figures are a little too kind.")
    metrics = {
        "each_slice_once": True,
        "not_counted_as_in_training": sum(len(split.validation) for _, split in folds) - sum(map(len, counted)),
        "training": training,
        **measure(labels[scored], raw[scored], collections[scored], groups[scored], class_names),
    }
    write_atomically(request.run / "metrics.json", json.dumps(metrics, indent=1).encode())
    write_atomically(request.run / "predictions.csv", _table(decoded, collections, raw, scored, class_names).encode())
    _print(metrics)
    return metrics


def collections_of(decoded: Decoded, boxes: dict[str, Lesion]) -> NDArray[np.str_]:
    """Name the collection of each picture; slices of the numbered series are one, wherever they were found."""
    lesions = lesions_of(decoded.pictures, boxes)
    return np.array(["series" if lesion else p.source for p, lesion in zip(decoded.pictures, lesions, strict=True)])


def measure(
    labels: NDArray[np.int64], raw: NDArray[np.float32], collections: NDArray[np.str_], groups: NDArray[np.int64],
    class_names: tuple[str, ...],
) -> dict[str, Any]:  # fmt: skip
    """Give the figures of all pictures together and of each collection alone.

    Of a collection without healthy brains also what is said when only the kind of tumor is asked for, as in studies
    that know tumors alone: without the probability of no tumor.
    """
    probabilities = calibrate(raw, fit_temperature(labels, raw))
    healthy = class_names.index("no_tumor")
    by_collection = {}
    for name in np.unique(collections):
        of_it = collections == name
        by_collection[str(name)] = summarize(labels[of_it], probabilities[of_it], class_names, groups[of_it])
        if len(class_names) > 2 and not np.any(labels[of_it] == healthy):
            kinds = np.delete(probabilities[of_it], healthy, axis=1)
            by_collection[f"{name}, kind of tumor alone"] = summarize(
                labels[of_it] - (labels[of_it] > healthy), kinds / kinds.sum(axis=1, keepdims=True),
                tuple(name for name in class_names if name != "no_tumor"), groups[of_it],
            )  # fmt: skip
    return {
        "all": summarize(labels, probabilities, class_names, groups),
        "tumor_presence": tumor_presence(labels != healthy, 1 - probabilities[:, healthy], Decision().tumor_from),
        "by_collection": by_collection,
    }


def _by_group(
    labels: NDArray[np.int64], groups: NDArray[np.int64], n_folds: int, seed: int
) -> Iterator[tuple[str, Split]]:
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    for i, (training, validation) in enumerate(folds.split(labels, labels, groups)):
        yield f"fold-{i + 1}", Split(training, validation)


def by_collection_left_out(
    labels: NDArray[np.int64], groups: NDArray[np.int64], collections: NDArray[np.str_]
) -> list[tuple[str, Split]]:
    """Leave out one collection after another, and from training all that is in a group with a picture of it.

    A collection is passed over where too few pictures of a class are left to learn from.

    labels, groups: int64 (n,).

    Raises:
        DataError: that is so for every collection.
    """
    folds = []
    for name in np.unique(collections):
        held_out = collections == name
        training = np.flatnonzero(~np.isin(groups, groups[held_out]))
        left = np.bincount(labels[training], minlength=labels.max() + 1)
        if left.min() < LEAST_OF_A_CLASS:
            print(f"{name} is not left out: {left.min()} pictures of a class would be left for training.")
        else:
            folds.append((f"{_WITHOUT}{name}", Split(training, np.flatnonzero(held_out))))
    if not folds:
        raise DataError(
            f"Expected several collections, so that {LEAST_OF_A_CLASS} pictures of each class are left without one of "
            f"them. Received {', '.join(np.unique(collections))}. Give more folders with --data."
        )
    return folds


def _begun(request: Request, decoded: Decoded, drawn: list[tuple[str, Split]]) -> list[tuple[str, Split]]:
    """Give the folds of a call that was killed, also where an earlier version drew others; the drawn ones if it is new.

    Raises:
        DataError: they are of another call.
    """
    tables = {table.parent.name: table.parent for table in request.run.glob(f"*/{SPLIT_FILE}")}
    if tables.keys() - {name for name, _ in drawn}:
        raise _of_another_call(request.run)
    if len(tables) < len(drawn):
        return drawn
    names = {picture.name: i for i, picture in enumerate(decoded.pictures)}
    folds = []
    for name, run in sorted(tables.items()):
        rows = read_rows(run)
        # A fold without a collection may also lack what is in a group with it.
        same = names.keys() >= rows.keys() if name.startswith(_WITHOUT) else names.keys() == rows.keys()
        if not same or json.loads((run / "config.json").read_text())["seed"] != request.seed:
            raise _of_another_call(request.run)
        places = {side: [names[name] for name, row in rows.items() if row.validation == side] for side in (False, True)}
        folds.append((name, Split(*(np.sort(np.array(places[side], np.int64)) for side in (False, True)))))
    return folds


def _of_another_call(run: Path) -> DataError:
    return DataError(
        f"Expected in {run} nothing, or what this cross-validation has begun. It holds the folds of another one. "
        "Give its data, --folds and --seed, or another --out."
    )


def _within(split: Split) -> tuple[NDArray[np.int64], Split]:
    """Give the places of a fold's pictures, int64 (n,), and its split among these."""
    used = np.sort(np.concatenate([split.training, split.validation]))
    return used, Split(np.searchsorted(used, split.training), np.searchsorted(used, split.validation))


def _require_same_split(decoded: Decoded, split: Split, start: Path) -> None:
    """A fold must not be scored on pictures that the network which it goes on from was trained on."""
    held_out = set(split.validation.tolist())
    sides = {picture.name: i in held_out for i, picture in enumerate(decoded.pictures)}
    if sides != {name: row.validation for name, row in read_rows(start).items()}:
        raise DataError(
            f"Expected {start} to be trained on and to hold out the same pictures as this fold. It has others. "
            "Give the data, --audit, --folds and --seed of that cross-validation, or another --out."
        )


def _fold_probabilities(fold: Request, decoded: Decoded, split: Split) -> NDArray[np.float32]:
    file = fold.run / "probabilities.npy"
    if not file.is_file():
        import keras

        train(fold)
        network = keras.saving.load_model(fold.run / "best.keras", compile=False)
        answers = answers_of(Classifier(card_of_run(fold.run), network), decoded.pixels[split.validation])
        content = io.BytesIO()
        np.save(content, answers.probabilities)
        write_atomically(file, content.getvalue())
    return np.load(file)


def _table(
    decoded: Decoded, collections: NDArray[np.str_], raw: NDArray[np.float32], scored: NDArray[np.int64],
    class_names: tuple[str, ...],
) -> str:  # fmt: skip
    """Every held-out picture with its probabilities, not calibrated, and whether the figures count it."""
    counted = np.isin(np.arange(len(raw)), scored)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(
        ["name", "collection", "true_class", "predicted_class", *(f"p_{name}" for name in class_names), "counted"]
    )
    for picture, collection, probabilities, counts in zip(decoded.pictures, collections, raw, counted, strict=True):
        if not np.isnan(probabilities[0]):
            predicted = class_names[int(probabilities.argmax())]
            numbers = [f"{p:.5f}" for p in probabilities]
            writer.writerow([picture.name, collection, picture.class_name, predicted, *numbers, int(counts)])
    return table.getvalue()


def _print(metrics: dict[str, Any]) -> None:
    print(f"{metrics['not_counted_as_in_training']} held-out pictures are not counted: training held a copy")
    parts = {"all": metrics["all"], **metrics["by_collection"]}
    for name, figures in parts.items():
        low, high = figures["accuracy_interval"]
        recalls = {c: f["recall"] for c, f in figures["per_class"].items() if f["recall"] is not None}
        print(
            f"{name}: accuracy {figures['accuracy']:.3f} ({low:.3f} to {high:.3f}) of {figures['n_pictures']}; "
            + ", ".join(f"{c} {recall:.3f}" for c, recall in recalls.items())
        )
    print(
        "tumor or not: "
        + ", ".join(f"{k} {v:.3f}" for k, v in metrics["tumor_presence"].items() if isinstance(v, float))
    )
