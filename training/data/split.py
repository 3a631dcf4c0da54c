"""Which images are for training and which for validation: drawn by group, saved in a table."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from model.safe_files import write_atomically
from training.data.folders import Picture
from training.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Indices of the images on each side, int64."""

    training: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """One image of the table: its group, and whether it was held out for validation."""

    group: int
    validation: bool


@dataclass(frozen=True)
class SplitTable:
    """A run's table of images, by their names."""

    file: Path
    rows: dict[str, Row]

    @classmethod
    def read(cls, file: Path) -> "SplitTable":
        """Read a table.

        Raises:
            DataError: the file does not exist.
        """
        try:
            with file.open(newline="", encoding="utf-8") as table:
                rows = {row["name"]: Row(int(row["group"]), row["validation"] == "1") for row in csv.DictReader(table)}
        except OSError as error:
            raise DataError(
                f"Expected a run of `python -m training train` in {file.parent}. It holds no {file.name}."
            ) from error
        return cls(file, rows)

    def pictures_among(self, pictures: Sequence[Picture]) -> tuple[Picture, ...]:
        """Return the given images that are in the table.

        Raises:
            DataError: some of the table's images are missing.
        """
        found = tuple(p for p in pictures if p.name in self.rows)
        if len(found) != len(self.rows):
            raise DataError(
                f"Expected the {len(self.rows)} images that {self.file.parent} was trained with. Found {len(found)} "
                "of them. Pass the data folders of its training with --data."
            )
        return found

    def split_of(self, pictures: Sequence[Picture]) -> tuple[NDArray[np.int64], Split]:
        """Return the groups of images, int64 (n,), and their split, as in the table."""
        held_out = np.array([self.rows[p.name].validation for p in pictures], bool)
        groups = np.array([self.rows[p.name].group for p in pictures], np.int64)
        return groups, Split(np.flatnonzero(~held_out), np.flatnonzero(held_out))

    def kept_in(self, split: Split, groups: NDArray[np.int64], pictures: Sequence[Picture]) -> Split:
        """Return the split with every group of the table moved to its side in the table.

        A group with a training image goes to training: no network is measured on a group that it learned from.
        """
        rows = [self.rows.get(p.name) for p in pictures]
        learned = np.isin(groups, groups[[row is not None and not row.validation for row in rows]])
        held_out = np.isin(groups, groups[[row is not None and row.validation for row in rows]])
        held_out[split.validation] = True
        return Split(np.flatnonzero(learned | ~held_out), np.flatnonzero(held_out & ~learned))

    def names(self, validation: bool) -> list[str]:
        """Return the names of the images on one side."""
        return [name for name, row in self.rows.items() if row.validation == validation]


def write_split(file: Path, pictures: Sequence[Picture], groups: NDArray[np.int64], split: Split) -> None:
    """Write a table."""
    held_out = set(split.validation.tolist())
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["name", "class_name", "group", "validation"])
    writer.writerows([p.name, p.class_name, groups[i], int(i in held_out)] for i, p in enumerate(pictures))
    write_atomically(file, table.getvalue().encode())


def folds(labels: NDArray[np.int64], groups: NDArray[np.int64], n_folds: int, seed: int) -> Iterator[Split]:
    """Yield folds of whole groups, each with about the same share of every class."""
    drawn = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    for training, validation in drawn.split(labels, labels, groups):
        yield Split(training, validation)


def draw_split(
    labels: NDArray[np.int64], groups: NDArray[np.int64], validation_share: float, seed: int, class_names: Sequence[str]
) -> Split:
    """Draw whole groups for validation: about this share of every class, with every class on both sides.

    Raises:
        DataError: a class has too few different images.
    """
    n_groups = [len(np.unique(groups[labels == i])) for i in range(len(class_names))]
    few = [name for name, n in zip(class_names, n_groups, strict=True) if n < 2]
    drawn = [] if few else folds(labels, groups, min(round(1 / validation_share), *n_groups), seed)
    for split in drawn:
        if all(len(np.unique(labels[side])) == len(class_names) for side in (split.training, split.validation)):
            return split
    raise DataError(
        f"Expected different images of every class for training and for validation. "
        f"Received too few, or only copies, of {', '.join(few or class_names)}. Add images."
    )
