"""Whole sources left out, in folds that each hold both answers: how good a network is on heads from elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.folders import Picture
from training.data.split import Split
from training.errors import DataError
from training.figures import Figures
from training.known_sources import KNOWN_SOURCES

# A share of fewer images says little of a source.
LEAST_OF_A_SOURCE = 20


@dataclass(frozen=True)
class Strangers(Figures):
    """Figures over sources, each judged by a network that saw none of its fold.

    right: by source, the share of its images that are rightly called a tumor or none, at a probability of 0.5;
    worst_source: the one of LEAST_OF_A_SOURCE images or more with the lowest; kind: by source, the share of its tumors
    whose kind is the most probable of the three; mean_kind: over sources.
    """

    right: dict[str, float]
    worst_source: str
    worst_right: float
    kind: dict[str, float]
    mean_kind: float


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


def measure_strangers(
    sources: NDArray[np.str_], labels: NDArray[np.int64], probabilities: NDArray[np.float32], healthy: int
) -> Strangers:
    """Measure each source by itself; sources: (n,); labels: int64 (n,); probabilities: float32 (n, n_classes)."""
    shows = labels != healthy
    found = (1 - probabilities[:, healthy] >= 0.5) == shows
    kinds = np.where(np.arange(probabilities.shape[1]) == healthy, -1, probabilities).argmax(axis=1) == labels
    right = {str(s): float(found[sources == s].mean()) for s in np.unique(sources)}
    kind = {str(s): float(kinds[(sources == s) & shows].mean()) for s in np.unique(sources[shows])}
    large = [s for s in right if (sources == s).sum() >= LEAST_OF_A_SOURCE] or list(right)
    worst = min(large, key=right.__getitem__)
    return Strangers(right, worst, right[worst], kind, float(np.mean(list(kind.values()))) if kind else float("nan"))
