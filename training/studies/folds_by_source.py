"""Leave out whole sources, in folds that each have both answers."""

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
    """Leave out each fold of sources in turn, and from training every group with an image of it.

    labels, groups: int64 (n,); healthy: the label of "no tumor". A source outside the table of sources is its own
    fold.

    Raises:
        DataError: there is only one fold, or the training of a fold lacks tumors or images without.
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
    """Return the name of a source's fold."""
    return KNOWN_SOURCES[source].fold if source in KNOWN_SOURCES else source
