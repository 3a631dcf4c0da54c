"""Whole sources left out, in folds that each hold both answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.folders import Picture
from training.data.split import Split
from training.errors import DataError
from training.known_sources import KNOWN_SOURCES


def folds_by_source(
    pictures: Sequence[Picture], labels: NDArray[np.int64], groups: NDArray[np.int64], healthy: int
) -> list[tuple[str, Split]]:
    """Leave out one fold of sources after another, and from training all that is in a group with an image of it.

    labels, groups: int64 (n,); healthy: the label of "no tumor". A source that the table of sources does not name is a
    fold of its own.

    Raises:
        DataError: there is only one fold, or without one there is nothing left with a tumor, or without.
    """
    names = np.array([fold_of(picture.source) for picture in pictures])
    drawn = []
    for name in np.unique(names):
        held_out = names == name
        training = np.flatnonzero(~np.isin(groups, groups[held_out]))
        if len(np.unique(labels[training] == healthy)) < 2:
            raise DataError(
                f"Expected images with and without a tumor in the training of each fold. Without the sources of "
                f"{name!r} one of the two is missing. Give more folders with --data."
            )
        drawn.append((str(name), Split(training, np.flatnonzero(held_out))))
    return drawn


def fold_of(source: str) -> str:
    """Return the name of the fold that a source is left out with."""
    return KNOWN_SOURCES[source].fold if source in KNOWN_SOURCES else source
