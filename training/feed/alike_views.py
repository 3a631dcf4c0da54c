"""Find heads of the same view, for pasting and covering lesions."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Side of the compared thumbnails: coarse enough to hide the lesion, fine enough to show the view.
_SIDE = 20
# One is drawn among this many of the most similar.
_N_DRAWN_FROM = 12


class AlikeViews:
    """Thumbnails of images of one look; pixels: uint8, (n, size, size)."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._thumbnails = np.array([_thumbnail(p) for p in pixels], np.float32).reshape(-1, _SIDE * _SIDE)

    def draw(self, image: NDArray[np.uint8], least: float, random: np.random.Generator) -> tuple[int, bool] | None:
        """Return the index of an image of the same view and whether to mirror it; None if none is similar enough."""
        seen = _thumbnail(image)
        mirrored = seen.reshape(_SIDE, _SIDE)[:, ::-1].ravel()
        likeness = np.concatenate([self._thumbnails @ seen, self._thumbnails @ mirrored])
        best = np.argsort(-likeness)[:_N_DRAWN_FROM]
        best = best[likeness[best] >= least]
        if not best.size:
            return None
        chosen = int(random.choice(best))
        n = len(self._thumbnails)
        return chosen % n, chosen >= n


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean grey levels of a coarse grid, with mean 0 and length 1: float32 (_SIDE * _SIDE,).

    The grid covers the whole image at any size, so a mirrored image has the mirrored grid.
    """
    whole = Image.fromarray(image.astype(np.float32))
    grid = np.asarray(whole.resize((_SIDE, _SIDE), Image.Resampling.BOX))
    spread = grid - grid.mean()
    return (spread / max(float(np.linalg.norm(spread)), 1e-6)).ravel().astype(np.float32)
