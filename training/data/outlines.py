"""Lesion outlines in the network's input, one bit per pixel: ten thousand at 208 px take 54 MB."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Outlines:
    """The outlines of n images; packed: uint8, (m, side * side / 8); rows: int64, (n,), into packed, -1 for none."""

    packed: NDArray[np.uint8]
    rows: NDArray[np.int64]
    side_px: int

    @classmethod
    def of(cls, masks: Sequence[NDArray[np.bool_] | None], side_px: int) -> "Outlines":
        """Pack masks of shape (side, side); an empty mask counts as none."""
        drawn = [mask for mask in masks if mask is not None and mask.any()]
        n_bytes = -(-(side_px**2) // 8)
        packed = np.array([np.packbits(mask) for mask in drawn], np.uint8).reshape(len(drawn), n_bytes)
        has = np.array([mask is not None and mask.any() for mask in masks], bool)
        return cls(packed, np.where(has, np.cumsum(has) - 1, -1).astype(np.int64), side_px)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which images have an outline: bool (n,)."""
        return self.rows >= 0

    def subset(self, indices: NDArray[np.int64]) -> "Outlines":
        """Return the outlines of the images at the given indices."""
        return Outlines(self.packed, self.rows[indices], self.side_px)

    def boxes(self) -> NDArray[np.float32]:
        """Return the box around each outline: float32 (n, 4), top, bottom, left, right as shares, NaN for none."""
        found = np.full((len(self.rows), 4), np.nan, np.float32)
        for i in np.flatnonzero(self.known):
            rows, columns = np.nonzero(self[i])
            found[i] = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        return found / np.float32(self.side_px)

    def __getitem__(self, i: int) -> NDArray[np.float32] | None:
        """Return an image's outline, float32 (side, side), 0 or 1, or None."""
        if self.rows[i] < 0:
            return None
        bits = np.unpackbits(self.packed[self.rows[i]], count=self.side_px**2)
        return bits.reshape(self.side_px, self.side_px).astype(np.float32)


def ellipse_in(box: NDArray[np.float32], side_px: int) -> NDArray[np.bool_] | None:
    """Return the ellipse in a box of shares (top, bottom, left, right): bool (side, side), or None for a NaN box."""
    if np.isnan(box).any():
        return None
    top, bottom, left, right = box * side_px
    y, x = np.mgrid[0:side_px, 0:side_px] + 0.5
    half_height, half_width = max((bottom - top) / 2, 1), max((right - left) / 2, 1)
    centre_y, centre_x = (top + bottom) / 2, (left + right) / 2
    return np.asarray(((y - centre_y) / half_height) ** 2 + ((x - centre_x) / half_width) ** 2 <= 1)
