"""Read the result of `python -m training audit --model`: copies that thumbnails miss."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.safe_files import sha256_of
from training.data.folders import Picture
from training.errors import DataError

PAIRS_FILE, GROUPS_FILE = "pairs.csv", "groups.csv"
# What found a pair.
THUMBNAILS, NETWORK = "thumbnails", "network"


@dataclass(frozen=True)
class Audited:
    """SHA-256 of the audited files, and the pairs that only the network's features found."""

    contents: frozenset[str]
    pairs: tuple[tuple[str, str], ...]

    def links(self, pictures: Sequence[Picture]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the indices of the pairs whose two images are both given: int64 (n,) each.

        Raises:
            DataError: some of the images were not audited.
        """
        places: dict[str, list[int]] = {}
        for i, content in enumerate(self._contents_of(pictures)):
            places.setdefault(content, []).append(i)
        found = [(i, j) for one, other in self.pairs for i in places.get(one, []) for j in places.get(other, [])]
        both = np.array(found, np.int64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    def copies_of(self, these: Sequence[Picture], others: Sequence[Picture]) -> NDArray[np.bool_]:
        """Return which images are paired with one of the others: bool (n,).

        Raises:
            DataError: some of the images were not audited.
        """
        theirs = set(self._contents_of(others))
        paired = {one for one, other in self.pairs if other in theirs}
        paired |= {other for one, other in self.pairs if one in theirs}
        return np.array([content in paired for content in self._contents_of(these)], bool)

    def _contents_of(self, pictures: Sequence[Picture]) -> list[str]:
        contents = [sha256_of(picture.path) for picture in pictures]
        missing = [picture.name for picture, c in zip(pictures, contents, strict=True) if c not in self.contents]
        if missing:
            raise DataError(
                f"Expected an audit of all images. {len(missing)} are not in it, {missing[0]} among them. "
                "Run `python -m training audit` with all folders and --model, then pass its folder again."
            )
        return contents


def read_audit(folder: Path) -> Audited:
    """Read a folder that `audit` wrote.

    Raises:
        DataError: `audit` did not write this folder.
    """
    try:
        contents = {row["name"]: row["sha256"] for row in _rows(folder / GROUPS_FILE)}
        pairs = tuple(
            (contents[row["first"]], contents[row["second"]])
            for row in _rows(folder / PAIRS_FILE)
            if row["found_by"] == NETWORK
        )
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"Expected a folder written by `python -m training audit`. {folder} is not one: {error!r}."
        ) from error
    if not pairs:
        raise DataError(
            f"Expected an audit with a network's search for copies. {folder} has no copies found only by a network: "
            "make it with `python -m training audit --model CARD`, or leave --audit out."
        )
    return Audited(frozenset(contents.values()), pairs)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
