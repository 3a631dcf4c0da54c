"""Tell label maps and masks, whose values name regions, from images, whose values are grey levels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import UnsuitableImage
from model.sentences import Sentence

# Share of voxels, air left out, that are equal to their neighbour. Of a brain cut into six tissues 0.87 are; of MR
# images of 256 grey levels and more under 0.3.
_EQUAL_NEIGHBOURS = 0.75
# Grey levels measured at most: every few slices of a large volume tell as much as all.
_MAX_MEASURED = 4_000_000


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
        raise UnsuitableImage(
            Sentence("This is a label map or a mask, whose values name regions. Send the MR image itself.")
        )
