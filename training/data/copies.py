"""Find near-duplicate images, and number the groups that must stay on one side of a split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from training.data.decoded import Decoded
from training.data.image_table import ImageFacts, links_of_patients

# Side of the compared thumbnails: fine enough to show a lesion, coarse enough to hide compression.
THUMBNAIL_SIZE_PX = 32
# Above this correlation two images show the same slice: re-encoded, resized or cropped.
SAME_SLICE = 0.98
# Above this one they stay on one side of a validation split, which includes many neighbouring slices. At 0.90 unrelated
# images begin to form groups (one of 166 among Sartaj's 2870); at 0.93 the largest group has 15.
SAME_GROUP = 0.93
# Above this one an image is left out of training because a test set has it. Between the 394 images of Sartaj's Testing
# and the other 5221 little changes from 0.95 to 0.97 (351 and 338 images): copies are clearly separated.
LEFT_OUT = 0.95
# Whole images share black margins: of 1.5 million pairs of different patients 1660 are above 0.95 and 16 above 0.97, of
# heads none. This much is subtracted from their similarity.
WHOLE_ALLOWANCE = 0.03
_ROWS_PER_BLOCK = 1024
_PAIR_ROWS = 512
# Indices of the two images of each pair, int64 (m,) both.
Copies = tuple[NDArray[np.int64], NDArray[np.int64]]
# figshare has 3064 slices of 233 patients, 13 each; a block takes one to three patients.
_SHORTEST_BLOCK, _LONGEST_BLOCK = 12, 30


@dataclass(frozen=True, eq=False)
class Pairs:
    """Near-duplicates: indices of both images, int64 (n,) each with first < second, and their similarity, float32."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    likeness: NDArray[np.float32]


def thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Reduce preprocessed images, uint8 (n, size, size), to float32 (n, 1024) rows of mean 0 and length 1."""
    side = (THUMBNAIL_SIZE_PX, THUMBNAIL_SIZE_PX)
    rows = [np.asarray(Image.fromarray(p).resize(side, Image.Resampling.BOX), np.float32).ravel() for p in pixels]
    centred = np.stack(rows)
    centred -= centred.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def near_duplicates(
    one: NDArray[np.uint8], other: NDArray[np.uint8], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the index pairs (in `one`, in `other`) of images correlated above the threshold, also when mirrored."""
    queries = thumbnails(one)
    references = thumbnails(other)
    mirrored = thumbnails(other[:, :, ::-1])
    pairs = []
    for start in range(0, len(queries), _ROWS_PER_BLOCK):
        block = queries[start : start + _ROWS_PER_BLOCK]
        rows, columns = np.nonzero(np.maximum(block @ references.T, block @ mirrored.T) > threshold)
        pairs.append((rows + start, columns))
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def copies_of(these: Decoded, others: Decoded) -> NDArray[np.bool_]:
    """Return which images show a slice that is also among the others: bool (n,)."""
    if not len(these.heads) or not len(others.heads):
        return np.zeros(len(these.heads), bool)
    mine, theirs = describe(these.heads, these.wholes), describe(others.heads, others.wholes)
    return np.concatenate(
        [
            likeness(mine[:, start : start + _ROWS_PER_BLOCK], theirs).max(axis=1) > LEFT_OUT
            for start in range(0, mine.shape[1], _ROWS_PER_BLOCK)
        ]
    )


def describe(pixels: NDArray[np.uint8], wholes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the descriptions by which images are compared: float32 (4, n, 1024).

    Thumbnails of the preprocessed head, uint8 (n, size, size), and of the whole image, uint8 (n, 32, 32), each by
    its grey levels and by their ranks: the head finds crops, the whole what moved the head's outline, ranks any gamma.
    """
    return np.stack([thumbnails(change(p)) for p in (pixels, wholes) for change in (np.asarray, equalize)])


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the similarity of all pairs of described images, also mirrored: float32 (n, m), 1 for the same image."""
    side = THUMBNAIL_SIZE_PX
    best = np.full((one.shape[1], other.shape[1]), -1, np.float32)
    for mine, theirs, allowance in zip(one, other, (0, 0, WHOLE_ALLOWANCE, WHOLE_ALLOWANCE), strict=True):
        mirrored = theirs.reshape(-1, side, side)[..., ::-1].reshape(theirs.shape)
        for turned in (theirs, mirrored):
            np.maximum(best, mine @ turned.T - np.float32(allowance), out=best)
    return best


def find_pairs(described: NDArray[np.float32]) -> Pairs:
    """Find all pairs of near-duplicates among described images."""
    return pairs_above(LEFT_OUT, described.shape[1], lambda block: likeness(described[:, block], described))


def equalize(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace grey levels by their ranks, which removes gamma, contrast and brightness; same shape."""
    ranked = np.empty_like(pixels)
    for i, picture in enumerate(pixels):
        counts = np.bincount(picture.ravel(), minlength=256)
        ranks = (counts.cumsum() - counts / 2) * (255 / picture.size)
        ranked[i] = np.rint(ranks).astype(np.uint8)[picture]
    return ranked


def group(
    decoded: Decoded,
    series: NDArray[np.int64] | None = None,
    links: Copies | None = None,
    facts: Sequence[ImageFacts | None] = (),
) -> NDArray[np.int64]:
    """Number the groups of images that must not be on both sides of a split: int64, shape (n,).

    Near-duplicates share a group, and so do neighbouring slices if their numbers are known.
    series: int64 (n,), the collection's slice numbers, rising, -1 if unknown; links: int64 (m,) each, the indices of
    further pairs known to be copies; facts: what a table says about each image, or empty.
    """
    series = _no_series(decoded) if series is None else series
    facts = facts or [None] * len(series)
    tabled = np.array([row is not None for row in facts], bool)
    named = np.array([bool(row and row.patient) for row in facts], bool)
    rows, columns = near_duplicates(decoded.heads, decoded.heads, SAME_GROUP)
    # Between numbered slices only copies count: the numbers already keep neighbours together, and the lower threshold
    # would put a quarter of them into one group, and 2102 of the 10,621 images of ten sources with a table.
    loose = ((series[rows] < 0) | (series[columns] < 0)) & ~tabled[rows] & ~tabled[columns]
    copied_rows, copied_columns = copies_among(decoded, series, named)
    first, others = neighbours(decoded.heads, series)
    of_patient, same_patient = links_of_patients(facts)
    known = links or (first[:0], first[:0])
    rows = np.concatenate([rows[loose], copied_rows, first, of_patient, known[0]])
    columns = np.concatenate([columns[loose], copied_columns, others, same_patient, known[1]])
    return _connected(rows, columns, len(decoded.heads))


def copies_among(
    decoded: Decoded, series: NDArray[np.int64] | None = None, named: NDArray[np.bool_] | None = None
) -> Copies:
    """Return the indices of all pairs that show one slice: int64 (m,) each, the first of a pair before the second.

    These are the near-duplicates that `audit` lists and that are removed before testing. Neighbouring slices can be as
    similar as copies: between numbered slices, and between images of named patients, bool (n,), only the closest count.
    """
    numbered = (_no_series(decoded) if series is None else series) >= 0
    numbered = numbered if named is None else numbered | named
    pairs = find_pairs(describe(decoded.heads, decoded.wholes))
    loose = ~(numbered[pairs.first] & numbered[pairs.second])
    rows, columns = near_duplicates(decoded.heads, decoded.heads, SAME_SLICE)
    once = rows < columns
    return np.concatenate([pairs.first[loose], rows[once]]), np.concatenate([pairs.second[loose], columns[once]])


def first_copies(places: NDArray[np.int64], n: int, copies: Copies) -> NDArray[np.int64]:
    """Keep the first image of each slice among the given indices, int64 (m,), and drop its copies.

    copies: pairs among all n images, as `copies_among` returns them.
    """
    among = np.full(n, -1, np.int64)
    among[places] = np.arange(len(places))
    rows, columns = among[copies[0]], among[copies[1]]
    inside = (rows >= 0) & (columns >= 0)
    slices = _connected(rows[inside], columns[inside], len(places))
    return places[np.sort(np.unique(slices, return_index=True)[1])]


def unknown_to(training: NDArray[np.int64], held_out: NDArray[np.int64], n: int, copies: Copies) -> NDArray[np.int64]:
    """Keep the held-out indices without a copy in training: earlier runs split some copies."""
    rows, columns = copies
    in_training = np.zeros(n, bool)
    in_training[training] = True
    known = np.zeros(n, bool)
    known[rows[in_training[columns]]] = True
    known[columns[in_training[rows]]] = True
    return held_out[~known[held_out]]


def joined(groups: NDArray[np.int64], copies: Copies) -> NDArray[np.int64]:
    """Renumber the groups, int64 (n,), to put copies into one; tables of earlier runs split some."""
    _, first_of_group, places = np.unique(groups, return_index=True, return_inverse=True)
    members = np.arange(len(groups))
    rows = np.concatenate([members, copies[0]])
    return _connected(rows, np.concatenate([first_of_group[places], copies[1]]), len(groups))


def _no_series(decoded: Decoded) -> NDArray[np.int64]:
    return np.full(len(decoded.heads), -1, np.int64)


def _connected(rows: NDArray[np.int64], columns: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Number the connected components of n images under these pairs: int64 (n,)."""
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def neighbours(pixels: NDArray[np.uint8], series: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Link the numbered slices into blocks of about one patient: index pairs (first of its block, member).

    The collection does not say where one patient ends. Blocks are cut between the two least similar adjacent slices.
    """
    order = np.flatnonzero(series >= 0)
    order = order[np.argsort(series[order], kind="stable")]
    if not order.size:
        return order, order
    rows = thumbnails(pixels[order])
    alike = np.concatenate([(rows[1:] * rows[:-1]).sum(axis=1), [-1.0]])
    # Missing slices separate two images as much as a change of view.
    alike[:-1] -= np.minimum(np.diff(series[order]) - 1, 10) * 0.05
    first = np.empty_like(order)
    start = 0
    while start < len(order):
        window = alike[start + _SHORTEST_BLOCK - 1 : start + _LONGEST_BLOCK]
        rest = len(order) - start
        length = rest if rest <= _LONGEST_BLOCK else _SHORTEST_BLOCK + int(window.argmin())
        first[start : start + length] = order[start]
        start += length
    return first, order


def pairs_above(threshold: float, n: int, likeness_of: Callable[[slice], NDArray[np.float32]]) -> Pairs:
    """Return all pairs above the threshold; likeness_of: similarity of a block of images to all, float32 (block, n)."""
    firsts, seconds, values = [], [], []
    for start in range(0, n, _PAIR_ROWS):
        alike = likeness_of(slice(start, start + _PAIR_ROWS))
        rows, columns = np.nonzero(alike > threshold)
        later = columns > rows + start
        firsts.append(rows[later] + start)
        seconds.append(columns[later])
        values.append(alike[rows[later], columns[later]])
    return Pairs(np.concatenate(firsts), np.concatenate(seconds), np.concatenate(values))


def side_of(decoded: Decoded, place: int) -> str:
    """Return the collection and the split of an image, as one name."""
    picture = decoded.pictures[place]
    return f"{picture.source}/{picture.split}"
