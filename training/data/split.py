"""The table of a run's pictures: which were for training, which for validation, and their groups."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.safe_files import write_atomically
from training.data.copies import Split
from training.data.folders import DataError, Picture

FILE = "split.csv"


@dataclass(frozen=True)
class Row:
    """Where a picture stands: its group, and whether it was held out for validation."""

    group: int
    validation: bool


def write_split(run: Path, pictures: Sequence[Picture], groups: NDArray[np.int64], split: Split) -> None:
    """Write the table into a run folder."""
    held_out = set(split.validation.tolist())
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["name", "class_name", "group", "validation"])
    writer.writerows([p.name, p.class_name, groups[i], int(i in held_out)] for i, p in enumerate(pictures))
    write_atomically(run / FILE, table.getvalue().encode())


def read_rows(run: Path) -> dict[str, Row]:
    """Read a run's table by the pictures' names.

    Raises:
        DataError: there is none.
    """
    try:
        with (run / FILE).open(newline="", encoding="utf-8") as file:
            return {row["name"]: Row(int(row["group"]), row["validation"] == "1") for row in csv.DictReader(file)}
    except OSError as error:
        raise DataError(f"Expected a run of `python -m training train` in {run}. It holds no {FILE}.") from error


def pictures_of_run(pictures: Sequence[Picture], rows: dict[str, Row], run: Path) -> tuple[Picture, ...]:
    """Keep the pictures that stand in a run's table.

    Raises:
        DataError: some of the table's pictures are not among those given.
    """
    found = tuple(p for p in pictures if p.name in rows)
    if len(found) != len(rows):
        raise DataError(
            f"Expected the {len(rows)} pictures that {run} was trained with. Found {len(found)} of them. "
            "Give the data folders of its training with --data."
        )
    return found


def split_of(pictures: Sequence[Picture], rows: dict[str, Row]) -> tuple[NDArray[np.int64], Split]:
    """Give groups, int64 (n,), and split of pictures as the table has them."""
    held_out = np.array([rows[p.name].validation for p in pictures], bool)
    groups = np.array([rows[p.name].group for p in pictures], np.int64)
    return groups, Split(np.flatnonzero(~held_out), np.flatnonzero(held_out))
