"""Find pictures of the same view, to cover a lesion with what stands at its place in another head."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Side of the thumbnails that are compared: coarse enough to forget the lesion, fine enough to tell the view.
_SIDE = 20
# Least correlation of two thumbnails of one view, and among how many of the most alike one is drawn.
_LEAST_ALIKE = 0.8
_N_DRAWN_FROM = 12
# How far the other picture's own lesion must stay from the covered place, as a share of the side.
_DISTANCE = 0.06


class AlikeViews:
    """Thumbnails of the pictures that may cover a lesion: those without tumor, and those whose tumor has a box.

    pixels: uint8, (n, size, size); boxes: float32, (n, 4), top, bottom, left, right as shares of the side, NaN where
    unknown; free: bool, (n,), true where there is no tumor.
    """

    def __init__(self, pixels: NDArray[np.uint8], boxes: NDArray[np.float32], free: NDArray[np.bool_]) -> None:
        self._usable = np.flatnonzero(free | np.isfinite(boxes[:, 0]))
        self._thumbnails = np.stack([_thumbnail(pixels[i]) for i in self._usable]) if len(self._usable) else None
        self._boxes, self._free = boxes[self._usable], free[self._usable]

    def draw(
        self, picture: NDArray[np.uint8], box: NDArray[np.float32], random: np.random.Generator
    ) -> tuple[int, bool] | None:
        """Give a picture of the same view whose tissue at the box is free of tumor, and whether to mirror it."""
        if self._thumbnails is None:
            return None
        seen = _thumbnail(picture)
        upright, mirrored = self._thumbnails @ seen, self._thumbnails @ seen.reshape(_SIDE, _SIDE)[:, ::-1].ravel()
        turned = self._boxes[:, [0, 1, 3, 2]] * np.array([1, 1, -1, -1]) + np.array([0, 0, 1, 1])
        likeness = np.concatenate([
            np.where(self._free | _apart(self._boxes, box), upright, -1),
            np.where(self._free | _apart(turned, box), mirrored, -1),
        ])  # fmt: skip
        best = np.argsort(-likeness)[:_N_DRAWN_FROM]
        best = best[likeness[best] >= _LEAST_ALIKE]
        if not best.size:
            return None
        chosen = int(random.choice(best))
        return int(self._usable[chosen % len(self._usable)]), chosen >= len(self._usable)


def _apart(boxes: NDArray[np.floating], box: NDArray[np.float32]) -> NDArray[np.bool_]:
    above = (boxes[:, 1] + _DISTANCE < box[0]) | (boxes[:, 0] - _DISTANCE > box[1])
    beside = (boxes[:, 3] + _DISTANCE < box[2]) | (boxes[:, 2] - _DISTANCE > box[3])
    return np.asarray(above | beside)


def _thumbnail(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean grey levels of a coarse grid, their mean taken off, of length 1; float32 (_SIDE * _SIDE,).

    The grid covers the whole picture, whatever its size, so that a mirrored picture has the mirrored grid.
    """
    whole = Image.fromarray(picture.astype(np.float32))
    grid = np.asarray(whole.resize((_SIDE, _SIDE), Image.Resampling.BOX))
    spread = grid - grid.mean()
    return (spread / max(float(np.linalg.norm(spread)), 1e-6)).ravel().astype(np.float32)
