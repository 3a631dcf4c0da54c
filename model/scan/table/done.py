"""What a scan's folder already holds: compact enough for tens of millions of rows."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import UNREADABLE_FILE
from model.scan.listing.inputs import Input
from model.scan.table.parts import Parts

_COLUMNS = ("id", "size_bytes", "version", "error_code")
_Numbers = NDArray[np.uint64]


class Done:
    """The rows of a shard by id, 26 bytes each; and what became of their files since.

    A row is stale where its file has another size, time or checksum now, or where reading it failed for a reason that
    may have passed.
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
        """How many rows have to be made again."""
        return int(self._is_stale.sum())

    @property
    def n_gone(self) -> int:
        """How many rows are of files that are no longer there. They stay."""
        return int((~self._is_listed).sum())

    def has(self, item: Input) -> bool:
        """Tell whether an input needs nothing more, and remember that it was listed."""
        if not len(self):
            return False
        high, low = _halves(item.id)
        place = int(np.searchsorted(self._high, high))
        while place < len(self) and self._high[place] == high:
            if self._low[place] == low:
                self._is_listed[place] = True
                self._is_stale[place] = self._state[place] != _state(item.fingerprint)
                return not self._is_stale[place]
            place += 1
        return False

    def drop_stale(self) -> None:
        """Take stale rows out of the parts, each part in one step: an id never stands in two of them."""
        if not self.n_stale:
            return
        stale = {*zip(self._high[self._is_stale].tolist(), self._low[self._is_stale].tolist(), strict=True)}
        for file, table in self._parts.read(_COLUMNS):
            ids = _numbers(table)[:, :2].tolist()
            self._parts.keep(file, np.array([(high, low) not in stale for high, low in ids], bool))


def _numbers(table: Any) -> _Numbers:
    """Give a row of three numbers per row: the halves of the id, and what tells whether the file is the same."""
    rows = np.zeros((table.num_rows, 3), np.uint64)
    values = zip(*(table.column(name).to_pylist() for name in _COLUMNS), strict=True)
    for i, (name, size_bytes, version, error_code) in enumerate(values):
        # What could not be read is the same as nothing: it is tried again.
        state = np.uint64(0) if error_code == UNREADABLE_FILE else _state(f"{size_bytes}:{version}")
        rows[i] = (*_halves(name), state)
    return rows


def _halves(name: str) -> tuple[np.uint64, np.uint64]:
    return np.uint64(int(name[:16], 16)), np.uint64(int(name[16:], 16))


def _state(fingerprint: str) -> np.uint64:
    return np.uint64(int(hashlib.sha256(fingerprint.encode()).hexdigest()[:16], 16) | 1)
