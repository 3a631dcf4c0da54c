"""Distinguish label maps, masks and sheets of many slices from an image of one slice."""

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.errors import UnsuitableImage
from model.preprocessing import count_true, head_threshold
from model.sentences import Sentence

# Share of voxels, air left out, that are equal to their neighbour. Of a brain cut into six tissues 0.87 are; of MR
# images of 256 grey levels and more under 0.3.
_EQUAL_NEIGHBOURS = 0.75
# By how many grey levels cover SHARE_OF_FEW of all that is not background: share of equal neighbours above which an
# image of so few is a drawn mask or label map. MR images of ten public collections had 25 such levels and more, and
# at most 0.66 equal neighbours; made into 16 levels, at most 0.84. One more is black but for a few pixels.
_SHARE_OF_FEW, _EQUAL_IN_IMAGES = 0.95, {4: 0.75, 32: 0.85}
# Of a mask of two levels as JPEG blurs it: pixels further than FAR from the background lie within NEAR of the other
# level, all but 1 - SHARE_OF_MASK, and nearly all pixels of the image near one of both. Of 60 masks at qualities 75 and
# 90, at least 0.969 and 0.997 do; of 2,600 images of eleven collections none reached 0.9 and 0.95 together.
_FAR, _NEAR, _SHARE_OF_MASK, _SHARE_OF_BOTH = 64, 10, 0.95, 0.98
# Of a label map as JPEG blurs it: the means of even blocks of pixels, background left out, lie within MEAN_NEAR of
# MOST_LEVELS levels or fewer, all but 1 - SHARE_OF_EVEN. They span RANGE levels, in N_GROUPS groups or more that are
# APART from each other. None of 11,573 images of eleven collections is like this.
_BLOCK_PX, _EVEN, _NOT_BACKGROUND, _MOST_LEVELS, _MEAN_NEAR = 4, 12, 16, 8, 1
_SHARE_OF_EVEN, _MIN_EVEN, _MIN_EVEN_SHARE, _RANGE, _APART, _N_GROUPS = 0.98, 60, 0.18, 150, 20, 3
# A sheet has this many slices or more, of which each is at least half as high and wide as the largest. None of 11,573
# images of eleven collections has three.
_MIN_SLICES, _ALIKE, _BETWEEN = 4, 0.5, 0.005
SHEET_NOTE = Sentence(
    "This looks like a sheet of several slices. The network judges it as one image, which is not reliable: send each "
    "slice as a file, or the series."
)
# Most grey levels measured: a sample of the slices of a large volume says as much as all.
_MAX_MEASURED = 4_000_000


def check_not_a_mask(grey: NDArray[np.uint8]) -> None:
    """Refuse an image, uint8 (height, width), of a few grey levels in regions: a drawn mask or label map.

    Raises:
        UnsuitableImage: it is one.
    """
    counts = np.bincount(grey.ravel(), minlength=256)
    background = counts.argmax()
    counts[background] = 0
    covered = np.cumsum(np.sort(counts)[::-1])
    n_levels = 1 + int(np.searchsorted(covered, _SHARE_OF_FEW * covered[-1]))
    bound = next((share for most, share in _EQUAL_IN_IMAGES.items() if n_levels <= most), None)
    inside = grey[:, :-1] != background
    if bound is not None and inside.any() and np.mean((grey[:, :-1] == grey[:, 1:])[inside]) > bound:
        raise _labels()


def check_not_a_blurred_mask(grey: NDArray[np.uint8]) -> None:
    """Refuse an image, uint8 (height, width), of two or a few grey levels with the noise of JPEG around each.

    Raises:
        UnsuitableImage: it is one.
    """
    counts = np.array(Image.fromarray(grey).histogram())
    levels, background = np.arange(256), int(counts.argmax())
    distances = np.abs(levels - background)
    far = np.where(distances > _FAR, counts, 0)
    n_at_level = int(np.convolve(far, np.ones(2 * _NEAR + 1, np.int64), "same").max())
    n_of_both = n_at_level + int(counts[distances <= _NEAR].sum())
    is_mask = n_at_level > _SHARE_OF_MASK * far.sum() and n_of_both > _SHARE_OF_BOTH * grey.size
    if is_mask or _has_even_regions(grey, background):
        raise _labels()


def _has_even_regions(grey: NDArray[np.uint8], background: int) -> bool:
    means = np.rint(_of_blocks(np.add, grey.astype(np.uint16)) / _BLOCK_PX**2).astype(np.int64)
    inside = np.abs(means - background) > _NOT_BACKGROUND
    even = means[inside & (_of_blocks(np.maximum, grey) - _of_blocks(np.minimum, grey) <= _EVEN)]
    if even.size < max(_MIN_EVEN, _MIN_EVEN_SHARE * inside.sum()) or np.ptp(even) < _RANGE:
        return False
    if np.count_nonzero(np.diff(np.unique(even)) > _APART) < _N_GROUPS - 1:
        return False
    left, n_covered = np.bincount(even, minlength=256), 0
    for _ in range(_MOST_LEVELS):
        near = np.convolve(left, np.ones(2 * _MEAN_NEAR + 1, np.int64), "same")
        level = int(near.argmax())
        n_covered += int(near[level])
        left[max(level - _MEAN_NEAR, 0) : level + _MEAN_NEAR + 1] = 0
    return bool(n_covered >= _SHARE_OF_EVEN * even.size)


def _of_blocks(combine: np.ufunc, grey: NDArray[Any]) -> NDArray[Any]:
    """Combine the pixels of each block, several times faster than by reducing along axes of four."""
    rows, columns = (n - n % _BLOCK_PX for n in grey.shape)
    lines = reduce(combine, (grey[i:rows:_BLOCK_PX] for i in range(_BLOCK_PX)))
    return np.asarray(reduce(combine, (lines[:, i:columns:_BLOCK_PX] for i in range(_BLOCK_PX))))


def is_sheet(grey: NDArray[np.uint8]) -> bool:
    """Return whether an image, uint8 (height, width), shows many slices of one size with dark lines between them."""
    sizes = _parts(grey > int(head_threshold(grey)))
    height, width = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return sum(h >= _ALIKE * height and w >= _ALIKE * width for h, w in sizes) >= _MIN_SLICES


def _parts(head: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return height and width of what lies between empty rows, and in each of these between empty columns."""
    return [(bottom - top, right - left) for top, bottom in _runs(head) for left, right in _runs(head[top:bottom].T)]


def _runs(lines: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(count_true(lines, axis=1) > _BETWEEN * lines.shape[1], prepend=False, append=False))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _labels() -> UnsuitableImage:
    return UnsuitableImage(
        Sentence("This is a label map or a mask, whose values name regions. Send the MR image itself.")
    )


def check_no_labels(stored: NDArray[Any]) -> None:
    """Refuse voxels, any number type and shape, that are whole numbers in regions of equal values.

    Raises:
        UnsuitableImage: they are a label map or a mask.
    """
    sample = stored[..., :: max(1, -(-stored.size // _MAX_MEASURED))]
    one, next_one = sample[:-1], sample[1:]
    inside = one != np.median(sample[[0, -1]])
    if not inside.any() or (sample.dtype.kind == "f" and not np.array_equal(sample, np.rint(sample))):
        return
    if np.mean(one[inside] == next_one[inside]) > _EQUAL_NEIGHBOURS and np.ptp(sample) > 0:
        raise _labels()
