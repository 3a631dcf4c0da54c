"""Compare two training runs on slices that neither was trained on.

Validation figures of runs with different validation images are not comparable. Here each slice that both held out
counts once, if neither was trained on a copy of it. The interval of the difference draws whole groups, because slices
of a group are similar. It does not include the variation between repeated runs of one recipe.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES, Decision
from model.safe_files import write_atomically
from training.data.copies import Copies, copies_among, first_copies, joined, unknown_to
from training.data.decoded import COMPARED_SIZE_PX, Decoded
from training.data.sources import Sources, add_sources, sources_of
from training.data.split import Row
from training.errors import DataError
from training.figures import Figures
from training.fit.checkpoints import Progress
from training.fit.run_folder import RUNS, RunFolder, folds_in
from training.measure.metrics import Summary, interval_by_groups, summarize
from training.measure.passes import answers_of
from training.measure.trust import tumor_presence
from training.steps.card_of_run import card_of_run, load


@dataclass(frozen=True, eq=False)
class Fold:
    """One network: the table of its images, and its probabilities for held-out images, float32 (n_classes,) each."""

    task: str
    input_size_px: int
    rows: dict[str, Row]
    probabilities: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Comparison(Figures):
    """Figures of two runs on the slices that both held out; the gain is the second's."""

    each_slice_once: bool
    n_pictures: int
    n_groups: int
    n_networks: dict[str, int]
    input_sizes_px: dict[str, list[int]]
    only_one_right: int
    only_other_right: int
    gain: float
    gain_interval: list[float] | None
    one: Summary
    other: Summary


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: two runs and their images."""
    add_sources(parser)
    parser.add_argument("--one", type=Path, required=True, metavar="DIR", help="a run, or a cross-validation")
    parser.add_argument("--other", type=Path, required=True, metavar="DIR", help="the one that may be better")
    parser.add_argument("--out", type=Path, default=RUNS / "compare", metavar="DIR")


def run(options: argparse.Namespace) -> None:
    """Compare."""
    compare(options.one, options.other, sources_of(options), options.out)


def compare(one: Path, other: Path, sources: Sources, out: Path) -> Comparison:
    """Compare two runs or cross-validations on slices without a copy in either's training; write compare.json.

    Raises:
        DataError: they have different tasks or are not finished, the folders lack some of their images, or they held
            out no image in common.
        ModelFileError: one is not a run.
    """
    sides = {"one": _folds_of(one, sources), "other": _folds_of(other, sources)}
    tasks = {fold.task for folds in sides.values() for fold in folds}
    if len(tasks) > 1:
        raise DataError(f"Expected two runs of the same task. {one} and {other} have {' and '.join(sorted(tasks))}.")
    task = tasks.pop()
    names = {name for folds in sides.values() for fold in folds for name in fold.rows}
    decoded = sources.decode([p for p in sources.find(task).pictures if p.name in names], COMPARED_SIZE_PX)
    copies = copies_among(decoded, sources.series(decoded.pictures))
    held_out = {key: _held_out(folds, decoded, copies) for key, folds in sides.items()}
    both = np.array(sorted(held_out["one"].keys() & held_out["other"].keys()), np.int64)
    if not both.size:
        raise DataError(f"Expected images that {one} and {other} both held out. They have none in common.")
    places = first_copies(both, len(decoded.pictures), copies)
    class_names = CLASS_NAMES[task]
    labels = decoded.labels(class_names)[places]
    groups = _groups(list(sides.values()), decoded, copies)[places]
    raw = {key: np.stack([answers[place] for place in places]) for key, answers in held_out.items()}
    right = {key: probabilities.argmax(axis=1) == labels for key, probabilities in raw.items()}
    gains = right["other"].astype(np.float64) - right["one"]
    comparison = Comparison(
        each_slice_once=True,
        n_pictures=len(places),
        n_groups=len(np.unique(groups)),
        n_networks={key: len(folds) for key, folds in sides.items()},
        input_sizes_px={key: sorted({fold.input_size_px for fold in folds}) for key, folds in sides.items()},
        only_one_right=int((gains < 0).sum()),
        only_other_right=int((gains > 0).sum()),
        gain=float(gains.mean()),
        gain_interval=interval_by_groups(gains, groups) if len(np.unique(groups)) > 1 else None,
        one=_summary(labels, raw["one"], class_names, groups),
        other=_summary(labels, raw["other"], class_names, groups),
    )
    write_atomically(out / "compare.json", json.dumps(comparison.plain(), indent=1).encode())
    _tell(comparison)
    return comparison


def _summary(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], class_names: tuple[str, ...],
    groups: NDArray[np.int64],
) -> Summary:  # fmt: skip
    summary, healthy = summarize(labels, probabilities, class_names, groups), class_names.index("no_tumor")
    if not 0 < (labels == healthy).sum() < len(labels):
        return summary
    presence = tumor_presence(labels != healthy, 1 - probabilities[:, healthy], Decision().tumor_from)
    return replace(summary, tumor_presence=presence)


def _held_out(folds: Sequence[Fold], decoded: Decoded, copies: Copies) -> dict[int, NDArray[np.float32]]:
    """Return the probabilities of each held-out image without a copy in its network's training, by index."""
    answers = {}
    for fold in folds:
        rows = [fold.rows.get(picture.name) for picture in decoded.pictures]
        training = np.flatnonzero([row is not None and not row.validation for row in rows])
        validation = np.flatnonzero([row is not None and row.validation for row in rows])
        unknown = unknown_to(training, validation, len(rows), copies)
        answers |= {int(place): fold.probabilities[decoded.pictures[place].name] for place in unknown}
    return answers


def _groups(sides: Sequence[Sequence[Fold]], decoded: Decoded, copies: Copies) -> NDArray[np.int64]:
    """Number the images connected by either side's groups, or by copies: int64 (n,)."""
    groups = np.arange(len(decoded.pictures))
    for folds in sides:
        rows = {name: row for fold in folds for name, row in fold.rows.items()}
        # An image that only the other side knows is its own group.
        of_side = [rows[p.name].group if p.name in rows else -1 - i for i, p in enumerate(decoded.pictures)]
        _, first, member_of = np.unique(of_side, return_index=True, return_inverse=True)
        groups = joined(groups, (first[member_of].astype(np.int64), np.arange(len(of_side))))
    return joined(groups, copies)


def _folds_of(path: Path, sources: Sources) -> list[Fold]:
    """Return a run, or all folds of a cross-validation, with saved or newly computed probabilities."""
    run = RunFolder(path)
    runs = [run] if run.has_begun else folds_in(run)
    if not runs:
        raise DataError(f"Expected a run or a cross-validation in {path}. It holds no {run.split_file.name}.")
    return [_fold(fold, sources) for fold in runs]


def _fold(run: RunFolder, sources: Sources) -> Fold:
    if run.progress_file.is_file() and not Progress.read(run).is_done:
        raise DataError(f"Expected a finished training run. {run.path} is not finished; resume it first.")
    card, table = card_of_run(run), run.read_split()
    names = table.names(validation=True)
    # All images, even if nothing is classified: a copy in a missing folder would not be found.
    pictures = {p.name: p for p in table.pictures_among(sources.find(card.task).pictures)}
    if run.probabilities_file.is_file():
        answers = np.load(run.probabilities_file)
    else:
        decoded = sources.decode([pictures[name] for name in names], card.input_size_px)
        answers = answers_of(load(run.path), decoded.pixels).probabilities
    return Fold(card.task, card.input_size_px, table.rows, dict(zip(names, answers, strict=True)))


def _tell(figures: Comparison) -> None:
    low, high = figures.gain_interval or (np.nan, np.nan)
    print(
        f"{figures.n_pictures} slices of {figures.n_groups} groups that both held out: "
        f"accuracy {figures.one.accuracy:.3f} and {figures.other.accuracy:.3f}, "
        f"the second {figures.gain:+.3f} ({low:+.3f} to {high:+.3f}); "
        f"only the first right {figures.only_one_right}, only the second {figures.only_other_right}"
    )
    for key, side in (("one", figures.one), ("other", figures.other)):
        presence = f"; {side.tumor_presence.in_words()}" if side.tumor_presence else ""
        print(f"{key}: {side.recalls}{presence}")
