"""Pairs of pictures that are nearly the same."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.decoded import Decoded

_ROWS_PER_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Pairs:
    """Near-duplicates: places of two pictures, int64 (n,) each with first < second, and their likeness, float32."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    likeness: NDArray[np.float32]


def pairs_above(threshold: float, n: int, likeness_of: Callable[[slice], NDArray[np.float32]]) -> Pairs:
    """Give all pairs of n pictures that are more alike; likeness_of: of a block of them to all, float32 (block, n)."""
    firsts, seconds, values = [], [], []
    for start in range(0, n, _ROWS_PER_BLOCK):
        alike = likeness_of(slice(start, start + _ROWS_PER_BLOCK))
        rows, columns = np.nonzero(alike > threshold)
        later = columns > rows + start
        firsts.append(rows[later] + start)
        seconds.append(columns[later])
        values.append(alike[rows[later], columns[later]])
    return Pairs(np.concatenate(firsts), np.concatenate(seconds), np.concatenate(values))


def side_of(decoded: Decoded, place: int) -> str:
    """Name the collection and the split that a picture stands in."""
    picture = decoded.pictures[place]
    return f"{picture.source}/{picture.split}"
