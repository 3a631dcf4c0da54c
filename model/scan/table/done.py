"""The rows that a scan's folder already holds, compact enough for tens of millions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import UNREADABLE_FILE
from model.scan.listing.units import Unit
from model.scan.table.parts import Parts

_COLUMNS = ("unit", "unit_version", "error_code")
_Numbers = NDArray[np.uint64]


class Done:
    """The rows of a shard by unit, 26 bytes each; and what has since happened to their files.

    A unit's rows are stale where one of its files has another size, time or checksum now, where a file came or went,
    and where reading one failed for a reason that may have passed.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        found = [_numbers(table) for _, table in parts.read(_COLUMNS)]
        rows: _Numbers = np.concatenate(found) if found else np.zeros((0, 3), np.uint64)
        order = np.lexsort((rows[:, 1], rows[:, 0]))
        # Each contiguous: a search in a column of a table would copy it.
        self._high, self._low, self._state = (np.ascontiguousarray(rows[order, i]) for i in range(3))
        self._is_listed = np.zeros(len(rows), bool)
        self._is_stale = np.zeros(len(rows), bool)

    def __len__(self) -> int:
        return len(self._high)

    @property
    def n_stale(self) -> int:
        """How many rows must be computed again."""
        return int(self._is_stale.sum())

    @property
    def n_gone(self) -> int:
        """How many rows are of files that are no longer there. They stay."""
        return int((~self._is_listed).sum())

    def has(self, unit: Unit) -> bool:
        """Return whether a unit needs nothing more, and remember that it was listed."""
        high, low = _halves(unit.id)
        start, end = (int(np.searchsorted(self._high, high, side)) for side in ("left", "right"))
        rows = start + np.flatnonzero(self._low[start:end] == low)
        if not len(rows):
            return False
        is_stale = bool((self._state[rows] != _state(unit.version)).any())
        self._is_listed[rows], self._is_stale[rows] = True, is_stale
        return not is_stale

    def drop_stale(self) -> None:
        """Take stale rows out of the parts, each part in one step: a unit is never in two of them."""
        if not self.n_stale:
            return
        stale = {*zip(self._high[self._is_stale].tolist(), self._low[self._is_stale].tolist(), strict=True)}
        for file, table in self._parts.read(_COLUMNS):
            ids = _numbers(table)[:, :2].tolist()
            self._parts.keep(file, np.array([(high, low) not in stale for high, low in ids], bool))


def _numbers(table: Any) -> _Numbers:
    """Return a row of three numbers per row: the halves of the unit's id, and what changes with its files."""
    rows = np.zeros((table.num_rows, 3), np.uint64)
    values = zip(*(table.column(name).to_pylist() for name in _COLUMNS), strict=True)
    for i, (name, version, error_code) in enumerate(values):
        # What could not be read counts as missing: it is tried again.
        state = np.uint64(0) if error_code == UNREADABLE_FILE else _state(version)
        rows[i] = (*_halves(name), state)
    return rows


def _halves(name: str) -> tuple[np.uint64, np.uint64]:
    return np.uint64(int(name[:16], 16)), np.uint64(int(name[16:], 16))


def _state(version: str) -> np.uint64:
    return np.uint64(int(version[:16], 16) | 1)
