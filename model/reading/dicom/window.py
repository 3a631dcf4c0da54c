"""From stored values to grey levels: the file's own window where it leaves an image, else percentiles."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.preprocessing import BLACK_PERCENTILE, WHITE_PERCENTILE, grey_percentiles, head_threshold
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

# A stored window fits its pixels where it clips at most this share of the head to white, and as much to black; leaves
# air darker than this grey level; and spreads the percentiles of all pixels over so many levels. Chosen on 40 slices of
# ten heads: windows that clip 10 % of the head, or lift air to a third of the grey levels, changed one answer in four;
# those that cover the values from air to the brightest, one in twenty. The bound for air was set without a trial.
_CLIPPED, _AIR, _SPAN = 0.03, 12, 100
_DOES_NOT_FIT = Sentence("The window that the DICOM file states does not fit its pixels, and was not used.")


def grey_slices(pieces: Sequence[Slice]) -> tuple[NDArray[np.uint8], Sentence, list[Sentence]]:
    """Make all slices grey under one window, uint8, shape (n, height, width), brighter is more.

    The files' window is used where all share one that fits the pixels; else the percentiles of all values.

    Returns the slices, how their grey levels came about, and notes.
    """
    every = -(-len(pieces) // MAX_MEASURED_SLICES)
    low, high = grey_range([piece.values() for piece in pieces[::every]])
    stretched = np.stack([_brighter_is_more(to_grey(piece.values(), low, high), piece) for piece in pieces])
    windows = {piece.frame.window for piece in pieces}
    window = windows.pop() if len(windows) == 1 else None
    if window is None or pieces[0].header.is_coloured:
        return stretched, BY_PERCENTILES, []
    grey = np.stack([_brighter_is_more(apply_window(piece.values(), window), piece) for piece in pieces])
    if _fits(grey, stretched):
        return grey, BY_WINDOW, []
    return stretched, BY_PERCENTILES, [_DOES_NOT_FIT]


def _fits(grey: NDArray[np.uint8], stretched: NDArray[np.uint8]) -> bool:
    """Return whether windowed slices show what percentiles show of them: uint8, (n, height, width), both."""
    every = -(-grey.size // MAX_MEASURED)
    grey, stretched = grey.reshape(-1)[::every], stretched.reshape(-1)[::every]
    head = grey[stretched > head_threshold(stretched)]
    black, white = grey_percentiles(grey, BLACK_PERCENTILE, WHITE_PERCENTILE)
    clipped = max(np.mean(head == 0), np.mean(head == 255)) if head.size else 1.0
    return bool(black <= _AIR and white - black >= _SPAN and clipped <= _CLIPPED)


def _brighter_is_more(grey: NDArray[np.uint8], piece: Slice) -> NDArray[np.uint8]:
    """Turn an image round in which little is bright, as MONOCHROME1 has it; padding stays black."""
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
