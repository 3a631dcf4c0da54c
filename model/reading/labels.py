"""Distinguish label maps and masks, whose values name regions, from images, whose values are grey levels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import UnsuitableImage
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
    """Refuse an image, uint8 (height, width), of two grey levels with the noise of JPEG around each.

    Raises:
        UnsuitableImage: it is one.
    """
    counts = np.bincount(grey.ravel(), minlength=256)
    levels, background = np.arange(256), int(counts.argmax())
    distances = np.abs(levels - background)
    far = np.where(distances > _FAR, counts, 0)
    if not far.any():
        return
    n_at_level = int(np.convolve(far, np.ones(2 * _NEAR + 1, np.int64), "same").max())
    n_of_both = n_at_level + int(counts[distances <= _NEAR].sum())
    if n_at_level > _SHARE_OF_MASK * far.sum() and n_of_both > _SHARE_OF_BOTH * grey.size:
        raise _labels()


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
