"""Pictures drawn by formula, the same everywhere: what a network says of them tells two copies of it apart."""

import numpy as np
from numpy.typing import NDArray

_SIZE_PX = 256


def known_pictures() -> list[NDArray[np.uint8]]:
    """Give three drawings of a head, uint8 (256, 256): without a lesion, with one aside, with one in the middle."""
    return [_head(None), _head((-0.35, 0.3)), _head((0.1, 0.0))]


def _head(lesion: tuple[float, float] | None) -> NDArray[np.uint8]:
    y, x = np.meshgrid(np.linspace(-1, 1, _SIZE_PX), np.linspace(-1, 1, _SIZE_PX), indexing="ij")
    radius = np.hypot(x / 0.7, y / 0.85)
    picture = np.where(radius < 1, 200.0, 0.0)
    picture = np.where(radius < 0.9, 30.0, picture)
    folds = 20 * np.sin(18 * x) * np.sin(16 * y)
    picture = np.where(radius < 0.86, 110 + folds, picture)
    picture = np.where(np.hypot((np.abs(x) - 0.12) / 0.07, y / 0.25) < 1, 40.0, picture)
    if lesion:
        picture = np.where(np.hypot(y - lesion[0], x - lesion[1]) < 0.15, 230.0, picture)
    return np.clip(picture, 0, 255).astype(np.uint8)
