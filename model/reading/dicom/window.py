"""From stored values to grey levels: the file's own window where it leaves an image, else percentiles."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.preprocessing import BLACK_PERCENTILE, MIN_CONTRAST, WHITE_PERCENTILE
from model.reading.contents import MAX_MEASURED
from model.reading.dicom.header import Window
from model.reading.dicom.pixels import Slice
from model.reading.orientation import (
    BY_PERCENTILES,
    BY_WINDOW,
    MAX_MEASURED_SLICES,
    grey_range,
    to_grey,
)
from model.sentences import Sentence


def grey_slices(pieces: Sequence[Slice]) -> tuple[NDArray[np.uint8], Sentence]:
    """Make all slices grey under one window, uint8, shape (n, height, width), brighter is more; and say how.

    The files' window is used where all share one that leaves a picture; else the percentiles of all values.
    """
    windows = {piece.frame.window for piece in pieces}
    window = windows.pop() if len(windows) == 1 else None
    if window is not None and not pieces[0].header.is_coloured:
        grey = np.stack([_brighter_is_more(apply_window(piece.values(), window), piece) for piece in pieces])
        sample = grey.reshape(-1)[:: -(-grey.size // MAX_MEASURED)]
        black, white = np.percentile(sample, (BLACK_PERCENTILE, WHITE_PERCENTILE))
        if white - black >= MIN_CONTRAST:
            return grey, BY_WINDOW
    every = -(-len(pieces) // MAX_MEASURED_SLICES)
    low, high = grey_range([piece.values() for piece in pieces[::every]])
    stretched = [_brighter_is_more(to_grey(piece.values(), low, high), piece) for piece in pieces]
    return np.stack(stretched), BY_PERCENTILES


def _brighter_is_more(grey: NDArray[np.uint8], piece: Slice) -> NDArray[np.uint8]:
    """Turn a picture round in which little is bright, as MONOCHROME1 has it; padding stays black."""
    if not piece.header.is_inverted:
        return grey
    inverted: NDArray[np.uint8] = np.where(np.isfinite(piece.values()), 255 - grey, 0).astype(np.uint8)
    return inverted


def apply_window(values: NDArray[np.float32], window: Window) -> NDArray[np.uint8]:
    """Apply a grey window: float32 (height, width), any unit, to uint8 0..255; NaN becomes 0.

    Source: DICOM PS3.3, C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT).
    """
    if window.function == "SIGMOID":
        shares = 1 / (1 + np.exp(np.clip(-4 * (values - window.center) / window.width, -60, 60)))
        return to_grey(shares.astype(np.float32), 0, 1)
    if window.function == "LINEAR_EXACT" or window.width <= 1:
        return to_grey(values, window.center - window.width / 2, window.center + window.width / 2)
    low = window.center - 0.5 - (window.width - 1) / 2
    return to_grey(values, low, low + window.width - 1)
