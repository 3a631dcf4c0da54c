"""Train a recipe several times, each time without some groups or a collection, and score the left-out images.

A single test set of 394 images has an uncertainty of four points. Here every slice is scored once, by a network that
saw neither it nor its copies. Slices that are in the network's training after all are not counted.
"""

import argparse
import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.answers.calibration import calibrate
from model.card import CLASS_NAMES, Decision
from model.network.classifier import Classifier
from model.safe_files import write_atomically
from training.data.copies import copies_among, first_copies, unknown_to
from training.data.decoded import Decoded
from training.data.split import Split, folds
from training.errors import DataError
from training.figures import Figures
from training.fit.material import collections_of
from training.fit.request import Request, add_request, request_of
from training.fit.run_folder import RunFolder, folds_in
from training.measure.metrics import Presence, Summary, summarize
from training.measure.passes import answers_of
from training.measure.strangers import Strangers, measure_strangers
from training.measure.trust import fit_temperature, tumor_presence
from training.steps.card_of_run import card_of_run
from training.steps.train import groups_of, train, usable_images
from training.studies.folds_by_source import folds_by_source

# With fewer images of a class nothing can be learned about it.
LEAST_OF_A_CLASS = 50
_WITHOUT = "without-"
# A fold leaves out one of these.
GROUPS, COLLECTIONS, SOURCES = "groups", "collections", "sources"


@dataclass(frozen=True, eq=False)
class Fold:
    """One training run: the indices of its images among all, int64 (n,), and their split."""

    name: str
    request: Request
    used: NDArray[np.int64]
    split: Split


@dataclass(frozen=True)
class Trainings(Figures):
    """The training runs."""

    left_out: str
    n_networks: int
    epochs: int


@dataclass(frozen=True)
class Scores(Figures):
    """Figures of all images together and of each collection."""

    all: Summary
    tumor_presence: Presence
    by_collection: dict[str, Summary]


@dataclass(frozen=True)
class CrossValidation(Scores):
    """The content of metrics.json."""

    each_slice_once: bool
    not_counted_as_in_training: int
    training: Trainings
    strangers: Strangers | None = None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a training run and of the folds."""
    add_request(parser)
    parser.add_argument("--folds", type=int, default=3)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--by-collection", action="store_true", help="leave out one collection at a time instead")
    how.add_argument("--by-source", action="store_true",
                     help="leave out whole sources, in folds that have both answers: unseen sources")  # fmt: skip
    parser.add_argument("--only", nargs="+", metavar="FOLD", help="train and score only these folds, as fold-1 or "
                        "without-lgg-ljubljana: each can be a job of its own")  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Cross-validate."""
    left_out = COLLECTIONS if options.by_collection else SOURCES if options.by_source else GROUPS
    cross_validate(request_of(options, f"{options.recipe}-folds"), options.folds, left_out, options.only)


def cross_validate(request: Request, n_folds: int, left_out: str, only: Sequence[str] | None = None) -> CrossValidation:
    """Train and score every fold in the run folder; write predictions.csv and metrics.json into it.

    Finished folds are not trained again: repeating a killed call resumes it with the same folds. One of several copies
    of a slice is counted, and none if the fold's training has one. With `request.start`, the folder of an earlier
    cross-validation, each fold starts from the best network of the same fold there. only: the names of the folds to
    train and score; all if None.

    Raises:
        DataError: the folders cannot be used, an earlier fold held out other images, or there is no fold of a name.
    """
    if left_out == GROUPS and n_folds < 2:
        raise DataError(f"Expected two folds or more. Received --folds {n_folds}.")
    class_names = CLASS_NAMES[request.recipe.task]
    decoded, problems = usable_images(request)
    lesions = request.sources.lesions(decoded.pictures)
    labels, groups = decoded.labels(class_names), groups_of(request, decoded)
    collections = collections_of(decoded, lesions)
    if left_out == COLLECTIONS:
        drawn = by_collection_left_out(labels, groups, collections)
    elif left_out == SOURCES:
        drawn = folds_by_source(decoded.pictures, labels, groups, class_names.index("no_tumor"))
        drawn = [(f"{_WITHOUT}{name}", split) for name, split in drawn]
    else:
        splits = enumerate(folds(labels, groups, n_folds, request.seed), start=1)
        drawn = [(f"fold-{i}", split) for i, split in splits]
    drawn = _begun(request, decoded, _chosen(drawn, only))
    trainings = [_fold(request, name, split) for name, split in drawn]
    # All tables are written before the first training: a kill never changes the folds.
    for fold in trainings:
        _begin(fold, decoded, groups, problems)
    raw = np.full((len(labels), len(class_names)), np.nan, np.float32)
    for fold, (_, split) in zip(trainings, drawn, strict=True):
        raw[split.validation] = _fold_probabilities(fold, decoded)
    copies = copies_among(decoded, request.sources.series(decoded.pictures))
    counted = [unknown_to(split.training, split.validation, len(labels), copies) for _, split in drawn]
    # Copies held out by two folds also count once.
    scored = first_copies(np.sort(np.concatenate(counted)), len(labels), copies)
    figures = CrossValidation(
        **vars(measure(labels[scored], raw[scored], collections[scored], groups[scored], class_names)),
        each_slice_once=True,
        not_counted_as_in_training=sum(len(split.validation) for _, split in drawn) - sum(map(len, counted)),
        training=_trainings(trainings, left_out),
        strangers=_strangers(decoded, labels, raw, scored, class_names) if left_out == SOURCES else None,
    )
    out = request.run.path
    write_atomically(out / "metrics.json", json.dumps(figures.plain(), indent=1).encode())
    write_atomically(out / "predictions.csv", _table(decoded, collections, raw, scored, class_names).encode())
    _tell(figures)
    return figures


def measure(
    labels: NDArray[np.int64], raw: NDArray[np.float32], collections: NDArray[np.str_], groups: NDArray[np.int64],
    class_names: tuple[str, ...],
) -> Scores:  # fmt: skip
    """Return the figures of all images together and of each collection.

    A collection without healthy brains also gets figures for the kind of tumor only, without the probability of no
    tumor, as in studies that have only tumors.
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
    presence = tumor_presence(labels != healthy, 1 - probabilities[:, healthy], Decision().tumor_from)
    return Scores(summarize(labels, probabilities, class_names, groups), presence, by_collection)


def by_collection_left_out(
    labels: NDArray[np.int64], groups: NDArray[np.int64], collections: NDArray[np.str_]
) -> list[tuple[str, Split]]:
    """Leave out each collection in turn, and from training every group with an image of it.

    A collection is skipped if too few images of a class would remain for training.

    labels, groups: int64 (n,).

    Raises:
        DataError: every collection is skipped.
    """
    folds = []
    for name in np.unique(collections):
        held_out = collections == name
        training = np.flatnonzero(~np.isin(groups, groups[held_out]))
        left = np.bincount(labels[training], minlength=labels.max() + 1)
        if left.min() < LEAST_OF_A_CLASS:
            print(f"{name} is not left out: {left.min()} images of a class would remain for training.")
        else:
            folds.append((f"{_WITHOUT}{name}", Split(training, np.flatnonzero(held_out))))
    if not folds:
        raise DataError(
            f"Expected several collections, with {LEAST_OF_A_CLASS} images of each class left without any one of "
            f"them. Received {', '.join(np.unique(collections))}. Give more folders with --data."
        )
    return folds


def _chosen(drawn: list[tuple[str, Split]], only: Sequence[str] | None) -> list[tuple[str, Split]]:
    if unknown := set(only or ()) - {name for name, _ in drawn}:
        names = ", ".join(name for name, _ in drawn)
        raise DataError(f"Expected --only with folds among {names}. Received {', '.join(sorted(unknown))}.")
    return [(name, split) for name, split in drawn if only is None or name in only]


def _begun(request: Request, decoded: Decoded, drawn: list[tuple[str, Split]]) -> list[tuple[str, Split]]:
    """Return the folds of a killed call, even if an earlier version drew others; else the drawn ones.

    Raises:
        DataError: the folds belong to another call.
    """
    begun = {fold.path.name: fold for fold in folds_in(request.run)}
    if begun.keys() - {name for name, _ in drawn}:
        raise _of_another_call(request.run)
    if len(begun) < len(drawn):
        return drawn
    places = {picture.name: i for i, picture in enumerate(decoded.pictures)}
    kept = []
    for name, run in begun.items():
        table = run.read_split()
        # A fold without a collection may also lack its groups.
        same = places.keys() >= table.rows.keys() if name.startswith(_WITHOUT) else places.keys() == table.rows.keys()
        if not same or run.read_config().seed != request.seed:
            raise _of_another_call(request.run)
        sides = [sorted(places[name] for name in table.names(validation)) for validation in (False, True)]
        kept.append((name, Split(*(np.array(side, np.int64) for side in sides))))
    return kept


def _of_another_call(run: RunFolder) -> DataError:
    return DataError(
        f"Expected {run.path} to be empty or to have this cross-validation's folds. It has the folds of another one. "
        "Pass its data, --folds and --seed, or another --out."
    )


def _fold(request: Request, name: str, split: Split) -> Fold:
    start = RunFolder(request.start.path / name) if request.start else None
    used = np.sort(np.concatenate([split.training, split.validation]))
    within = Split(np.searchsorted(used, split.training), np.searchsorted(used, split.validation))
    of_fold = dataclasses.replace(request, run=RunFolder(request.run.path / name), start=start)
    return Fold(name, of_fold, used, within)


def _begin(fold: Fold, decoded: Decoded, groups: NDArray[np.int64], problems: Sequence[str]) -> None:
    """Write the configuration and table of a fold, or check that it began with the same."""
    of_fold, request = decoded.subset(fold.used), fold.request
    if request.start:
        _require_same_split(of_fold, fold.split, request.start)
    if request.run.has_begun:
        _require_same_split(of_fold, fold.split, request.run)
        request.require_as_begun()
    n_groups = int(groups[fold.used].max()) + 1
    config = request.config(of_fold, n_groups, len(fold.split.validation), problems)
    request.run.begin(config, of_fold.pictures, groups[fold.used], fold.split)


def _require_same_split(decoded: Decoded, split: Split, start: RunFolder) -> None:
    """Check that a fold is not scored on images that its starting network was trained on."""
    held_out = set(split.validation.tolist())
    sides = {picture.name: i in held_out for i, picture in enumerate(decoded.pictures)}
    if sides != {name: row.validation for name, row in start.read_split().rows.items()}:
        raise DataError(
            f"Expected {start.path} to train on and hold out the same images as this fold. It has others. "
            "Pass the data, --audit, --folds and --seed of that cross-validation, or another --out."
        )


def _fold_probabilities(fold: Fold, decoded: Decoded) -> NDArray[np.float32]:
    run = fold.request.run
    if not run.probabilities_file.is_file():
        train(fold.request)
        held_out = decoded.subset(fold.used[fold.split.validation])
        answers = answers_of(Classifier(card_of_run(run), run.network()), held_out.pixels)
        content = io.BytesIO()
        np.save(content, answers.probabilities)
        write_atomically(run.probabilities_file, content.getvalue())
    return np.load(run.probabilities_file)


def _strangers(
    decoded: Decoded, labels: NDArray[np.int64], raw: NDArray[np.float32], scored: NDArray[np.int64],
    class_names: tuple[str, ...],
) -> Strangers:  # fmt: skip
    sources = np.array([picture.source for picture in decoded.pictures])[scored]
    labels, raw = labels[scored], raw[scored]
    probabilities = calibrate(raw, fit_temperature(labels, raw))
    return measure_strangers(sources, labels, probabilities, class_names.index("no_tumor"))


def _trainings(trainings: Sequence[Fold], left_out: str) -> Trainings:
    runs = [fold.request.run for fold in trainings]
    epochs = max(run.read_config().epochs for run in runs)
    return Trainings(left_out, len(runs), epochs)


def _table(
    decoded: Decoded, collections: NDArray[np.str_], raw: NDArray[np.float32], scored: NDArray[np.int64],
    class_names: tuple[str, ...],
) -> str:  # fmt: skip
    """Return one row per held-out image: uncalibrated probabilities, and whether the figures count it."""
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


def _tell(figures: CrossValidation) -> None:
    print(f"{figures.not_counted_as_in_training} held-out images are not counted: training held a copy")
    for name, of in {"all": figures.all, **figures.by_collection}.items():
        print(f"{name}: accuracy {of.with_interval} of {of.n_pictures}; {of.recalls}")
    if figures.strangers:
        print(f"worst source {figures.strangers.worst_source}: {figures.strangers.worst_right:.3f} tumor or not")
    print(f"tumor or not: {figures.tumor_presence.in_words()}")
