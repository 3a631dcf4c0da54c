"""Compare two trainings on the slices that neither was trained on.

Two runs with different validation pictures cannot be compared by their validation figures. Here each slice that both
held out counts once, if neither was trained on a copy of it. The interval of the difference draws whole groups, because
slices of a group are alike; how much another training of the same recipe would differ is not in it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES, Decision
from model.safe_files import write_atomically
from training.data.boxes import boxes_of, series_of
from training.data.copies import Copies, copies_among, first_copies, joined, unknown_to
from training.data.decoded import COMPARED_SIZE_PX, Decoded, decode
from training.data.folders import DataError, find_pictures
from training.data.split import FILE, Row, pictures_of_run, read_rows
from training.fit.checkpoints import DONE, Progress
from training.measure.metrics import interval_by_groups, summarize
from training.measure.passes import answers_of
from training.measure.trust import tumor_presence
from training.steps.card_of_run import card_of_run
from training.steps.evaluate import load


@dataclass(frozen=True, eq=False)
class Fold:
    """One network: the table of its pictures, and what it says of those that it held out, float32 (n_classes,)."""

    task: str
    input_size_px: int
    rows: dict[str, Row]
    probabilities: dict[str, NDArray[np.float32]]


def compare(
    one: Path, other: Path, folders: Sequence[Path], boxes: Path | None, out: Path, cache: Path | None
) -> dict[str, Any]:
    """Compare two runs or cross-validations on the slices of which neither training held a copy; write compare.json.

    Raises:
        DataError: they are of different tasks or not finished, the folders lack some of their pictures, or no picture
            was held out by both. ModelFileError: one is no run.
    """
    sides = {"one": _folds_of(one, folders, cache), "other": _folds_of(other, folders, cache)}
    tasks = {fold.task for folds in sides.values() for fold in folds}
    if len(tasks) > 1:
        raise DataError(f"Expected two runs of one task. {one} and {other} are of {' and '.join(sorted(tasks))}.")
    task = tasks.pop()
    names = {name for folds in sides.values() for fold in folds for name in fold.rows}
    decoded = decode([p for p in find_pictures(folders, task).pictures if p.name in names], COMPARED_SIZE_PX, cache)
    copies = copies_among(decoded, series_of(decoded.pictures, boxes_of(boxes, decoded.pictures)))
    held_out = {key: _held_out(folds, decoded, copies) for key, folds in sides.items()}
    both = np.array(sorted(held_out["one"].keys() & held_out["other"].keys()), np.int64)
    if not both.size:
        raise DataError(f"Expected pictures that {one} and {other} both held out. They have none in common.")
    places = first_copies(both, len(decoded.pictures), copies)
    class_names = CLASS_NAMES[task]
    labels = decoded.labels(class_names)[places]
    groups = _groups(list(sides.values()), decoded, copies)[places]
    raw = {key: np.stack([answers[place] for place in places]) for key, answers in held_out.items()}
    right = {key: probabilities.argmax(axis=1) == labels for key, probabilities in raw.items()}
    gains = right["other"].astype(np.float64) - right["one"]
    figures: dict[str, Any] = {
        "each_slice_once": True,
        "n_pictures": len(places),
        "n_groups": len(np.unique(groups)),
        "n_networks": {key: len(folds) for key, folds in sides.items()},
        "input_sizes_px": {key: sorted({fold.input_size_px for fold in folds}) for key, folds in sides.items()},
        "only_one_right": int((gains < 0).sum()),
        "only_other_right": int((gains > 0).sum()),
        "gain": float(gains.mean()),
        "gain_interval": interval_by_groups(gains, groups) if len(np.unique(groups)) > 1 else None,
    }
    healthy = class_names.index("no_tumor")
    for key, probabilities in raw.items():
        figures[key] = summarize(labels, probabilities, class_names, groups)
        if 0 < (labels == healthy).sum() < len(labels):
            figures[key]["tumor_presence"] = tumor_presence(
                labels != healthy, 1 - probabilities[:, healthy], Decision().tumor_from
            )
    write_atomically(out / "compare.json", json.dumps(figures, indent=1).encode())
    _print(figures)
    return figures


def _held_out(folds: Sequence[Fold], decoded: Decoded, copies: Copies) -> dict[int, NDArray[np.float32]]:
    """Give what is said of each picture of which the training of its network held no copy, by place."""
    answers = {}
    for fold in folds:
        rows = [fold.rows.get(picture.name) for picture in decoded.pictures]
        training = np.flatnonzero([row is not None and not row.validation for row in rows])
        validation = np.flatnonzero([row is not None and row.validation for row in rows])
        unknown = unknown_to(training, validation, len(rows), copies)
        answers |= {int(place): fold.probabilities[decoded.pictures[place].name] for place in unknown}
    return answers


def _groups(sides: Sequence[Sequence[Fold]], decoded: Decoded, copies: Copies) -> NDArray[np.int64]:
    """Number what hangs together in either side's groups, or by copies: int64 (n,)."""
    groups = np.arange(len(decoded.pictures))
    for folds in sides:
        rows = {name: row for fold in folds for name, row in fold.rows.items()}
        # A picture that only the other side knows stands for itself.
        of_side = [rows[p.name].group if p.name in rows else -1 - i for i, p in enumerate(decoded.pictures)]
        _, first, member_of = np.unique(of_side, return_index=True, return_inverse=True)
        groups = joined(groups, (first[member_of].astype(np.int64), np.arange(len(of_side))))
    return joined(groups, copies)


def _folds_of(run: Path, folders: Sequence[Path], cache: Path | None) -> list[Fold]:
    """Read what a run says of its held-out pictures, or ask its network; of a cross-validation, all its folds."""
    runs = [run] if (run / FILE).is_file() else sorted(p.parent for p in run.glob(f"*/{FILE}"))
    if not runs:
        raise DataError(f"Expected a run or a cross-validation in {run}. It holds no {FILE}.")
    folds = []
    for fold in runs:
        if (fold / "progress.json").is_file() and Progress.read(fold).phase != DONE:
            raise DataError(f"Expected a training that is done. {fold} is not; finish it first.")
        card, rows = card_of_run(fold), read_rows(fold)
        names = [name for name, row in rows.items() if row.validation]
        # All of them, also where nothing is asked: a copy in a folder that is missing would not be found.
        pictures = {p.name: p for p in pictures_of_run(find_pictures(folders, card.task).pictures, rows, fold)}
        known = fold / "probabilities.npy"
        if known.is_file():
            answers = np.load(known)
        else:
            decoded = decode([pictures[name] for name in names], card.input_size_px, cache)
            answers = answers_of(load(fold), decoded.pixels).probabilities
        folds.append(Fold(card.task, card.input_size_px, rows, dict(zip(names, answers, strict=True))))
    return folds


def _print(figures: dict[str, Any]) -> None:
    low, high = figures["gain_interval"] or (np.nan, np.nan)
    print(
        f"{figures['n_pictures']} slices of {figures['n_groups']} groups that both held out: "
        f"accuracy {figures['one']['accuracy']:.3f} and {figures['other']['accuracy']:.3f}, "
        f"the second {figures['gain']:+.3f} ({low:+.3f} to {high:+.3f}); "
        f"only the first right {figures['only_one_right']}, only the second {figures['only_other_right']}"
    )
    for key in ("one", "other"):
        recalls = {c: f["recall"] for c, f in figures[key]["per_class"].items() if f["recall"] is not None}
        presence = figures[key].get("tumor_presence", {})
        shown = {**recalls, **{k: v for k, v in presence.items() if isinstance(v, float)}}
        print(f"{key}: " + ", ".join(f"{name} {value:.3f}" for name, value in shown.items()))
