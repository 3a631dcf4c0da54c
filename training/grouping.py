"""Find pictures that are (nearly) the same, and split data so that they never stand on both sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

# Side of the thumbnails that are compared: fine enough to see a lesion, coarse enough to forget compression.
THUMBNAIL_SIZE_PX = 32
# Above this correlation two pictures show the same slice: re-encoded, resized or cropped.
SAME_SLICE = 0.98
# Above this one they stay on one side of a validation split: takes many neighbouring slices along. At 0.90 whole sets
# of unrelated pictures begin to hang together (one group of 166 in the 2870 of Sartaj), at 0.93 the largest has 15.
SAME_GROUP = 0.93
_ROWS_PER_BLOCK = 1024


def thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Reduce preprocessed pictures, uint8 (n, size, size), to float32 (n, 1024) rows of mean 0 and length 1."""
    side = (THUMBNAIL_SIZE_PX, THUMBNAIL_SIZE_PX)
    rows = [np.asarray(Image.fromarray(p).resize(side, Image.Resampling.BOX), np.float32).ravel() for p in pixels]
    centred = np.stack(rows)
    centred -= centred.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def near_duplicates(
    one: NDArray[np.uint8], other: NDArray[np.uint8], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the index pairs (in `one`, in `other`) of pictures correlated above the threshold, also when mirrored."""
    queries = thumbnails(one)
    references = thumbnails(other)
    mirrored = thumbnails(other[:, :, ::-1])
    pairs = []
    for start in range(0, len(queries), _ROWS_PER_BLOCK):
        block = queries[start : start + _ROWS_PER_BLOCK]
        rows, columns = np.nonzero(np.maximum(block @ references.T, block @ mirrored.T) > threshold)
        pairs.append((rows + start, columns))
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def group(pixels: NDArray[np.uint8], threshold: float = SAME_GROUP) -> NDArray[np.int64]:
    """Number the groups of connected near-duplicates: int64, shape (n,)."""
    rows, columns = near_duplicates(pixels, pixels, threshold)
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(len(pixels), len(pixels)))
    _, groups = connected_components(graph, directed=False)
    return groups.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Split:
    """Indices of the pictures on each side, int64."""

    training: NDArray[np.int64]
    validation: NDArray[np.int64]


def split_by_group(labels: NDArray[np.int64], groups: NDArray[np.int64], validation_share: float, seed: int) -> Split:
    """Draw whole groups at random into validation, until each class has its share there."""
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    wanted = np.bincount(labels) * validation_share
    in_validation = np.zeros(len(labels), bool)
    for number in order:
        members = groups == number
        classes = np.unique(labels[members])
        counts = np.bincount(labels[in_validation | members], minlength=len(wanted))
        # A class may go over its share only with its first group: no class is left without validation pictures.
        first = np.bincount(labels[in_validation], minlength=len(wanted))[classes] == 0
        if np.all((counts[classes] <= np.ceil(wanted[classes])) | first):
            in_validation |= members
    return Split(np.flatnonzero(~in_validation), np.flatnonzero(in_validation))
