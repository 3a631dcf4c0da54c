"""What the servers that the app is compared with draw: a heat map over an image."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def overlay_png(picture: Image.Image, heat: NDArray[np.float32]) -> bytes:
    """Lay a heat map, float32 (rows, columns), 0..1, over a grey image of any size; return a PNG."""
    strength = np.asarray(Image.fromarray(heat).resize(picture.size, Image.Resampling.BICUBIC))
    colours = np.dstack([255 * strength, 255 * (1 - np.abs(2 * strength - 1)), 255 * (1 - strength)])
    drawn = 0.6 * np.asarray(picture, np.float32)[..., None] + 0.4 * colours
    buffer = io.BytesIO()
    Image.fromarray(np.clip(drawn, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
