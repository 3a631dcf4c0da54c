"""Read the log of every scoring again, and draw how one network after another did."""

import re
from pathlib import Path
from typing import NamedTuple

from training.data.folders import DataError
from training.drawing import plots

# "0.827 (0.787 to 0.862)", with or without the number of pictures behind.
_SHARE = re.compile(r"(?P<value>\d\.\d+) \((?P<low>\d\.\d+) to (?P<high>\d\.\d+)\)(?: of \d+)?")
_N_CELLS = 9


class Share(NamedTuple):
    """A share between 0 and 1, and its interval of 95 %."""

    value: float
    low: float
    high: float


class Attempt(NamedTuple):
    """A row: the accuracy on all pictures and, where known, on those that do not stand in the training data."""

    model: str
    accuracy: Share
    accuracy_unseen: Share | None


def read_log(log: Path) -> list[Attempt]:
    """Read the table that `python -m training evaluate --log` appends to, in its order.

    Raises:
        DataError: a row is none of its rows.
    """
    return [_attempt(line) for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("| 2")]


def draw_attempts(log: Path, model: str, file: Path) -> None:
    """Draw the accuracies of all networks of a name, numbered as their rows in the log."""
    rows = {number: row for number, row in enumerate(read_log(log), start=1) if row.model == model}
    shares = {
        "all pictures": {number: row.accuracy for number, row in rows.items()},
        "without a near-duplicate in its training folders": {
            number: row.accuracy_unseen for number, row in rows.items() if row.accuracy_unseen
        },
    }
    plots.shares_by_number(shares, "row of docs/scorings.md", "accuracy, with the interval of 95 %", file)


def _attempt(line: str) -> Attempt:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    accuracy = _share(cells[5]) if len(cells) == _N_CELLS else None
    if accuracy is None:
        raise DataError(f"Expected a row that `python -m training evaluate --log` wrote. Received {line!r}.")
    return Attempt(cells[2], accuracy, _share(cells[7]))


def _share(cell: str) -> Share | None:
    found = _SHARE.fullmatch(cell)
    return Share(**{name: float(text) for name, text in found.groupdict().items()}) if found else None
