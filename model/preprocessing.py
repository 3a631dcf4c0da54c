"""The one path from a grey image to the network's input, in training as in serving.

Whoever changes what comes out of `preprocess` raises PREPROCESSING_VERSION: a saved network refuses another version.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.errors import UnsuitableImage
from model.sentences import Sentence

PREPROCESSING_VERSION = 1

# A pixel belongs to the head when it is brighter than this share of the image's 99th percentile: scanner noise in
# air stays below it, skin and fat above.
HEAD_THRESHOLD = 0.12
# A row or column belongs to the head when at least this share of its pixels does: skips letters in the margins.
HEAD_MIN_SHARE = 0.02
# The outermost rows and columns do not count: many exports draw a thin bright frame there.
FRAME_SHARE = 0.01
# The head's box must span this share of the image, else the whole image is kept.
HEAD_MIN_EXTENT = 0.2
# The margin of a figure: lines from a side inwards whose pixels differ by at most so many grey levels, all but this
# share of them. It is at least this share of the shorter side wide.
MARGIN_LEVELS, MARGIN_STAINS, MARGIN_SHARE = 8, 0.005, 0.04
# A shorter block of lines between margin and image than this share of all lines is a caption, and is cut off too.
CAPTION_SHARE = 0.15
# Darker margins than the first need no cut: the head's box leaves them out. Those below the second may also be flat
# grey air around a head, so that this share of the image's width must differ from it where the image begins. None of
# 12,380 images of ten collections is cut by these numbers.
MARGIN_FROM, BRIGHT_FROM, STRAIGHT_EDGE = 10, 80, 0.75
# Lines in which an image begins: the very first may be a blend of both.
_EDGE_PX = 2
# Percentiles of the head's box that become black and white: scanners and exports differ in brightness.
BLACK_PERCENTILE, WHITE_PERCENTILE = 0.5, 99.5
# Black and white fewer grey levels apart than this show nothing: the image is refused as flat.
MIN_CONTRAST = 8

Level = TypeVar("Level", np.float32, np.uint8)


@dataclass(frozen=True)
class HeadBox:
    """Where the head was found: pixels of the image as read, half-open ranges [top, bottom) and [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def square_side(self) -> int:
        """The side in pixels of the centred square that the box is padded to."""
        return max(self.bottom - self.top, self.right - self.left)

    def to_input(self, row: float, column: float) -> tuple[float, float]:
        """Return where a point of the image, in pixels, lies in the network's square input, as shares of its side."""
        side = self.square_side
        pad_top, pad_left = (side - (self.bottom - self.top)) // 2, (side - (self.right - self.left)) // 2
        return (row - self.top + pad_top) / side, (column - self.left + pad_left) / side

    def in_resized(self, old: tuple[int, int], new: tuple[int, int]) -> "HeadBox":
        """Return the box after the image went from one shape (height, width) to another; at least a pixel is left."""
        top, bottom = _resized(self.top, self.bottom, new[0] / old[0], new[0])
        left, right = _resized(self.left, self.right, new[1] / old[1], new[1])
        return HeadBox(top, bottom, left, right)


def _resized(start: int, end: int, factor: float, length: int) -> tuple[int, int]:
    first = min(int(start * factor), length - 1)
    return first, min(max(round(end * factor), first + 1), length)


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """pixels: uint8, shape (size, size), 0..255; box: the part of the image that it shows."""

    pixels: NDArray[np.uint8]
    box: HeadBox


def preprocess(pixels: NDArray[np.uint8], input_size_px: int) -> NetworkInput:
    """Crop to the head, stretch the grey levels, pad to a square with black, resize. The argument stays as it was.

    pixels: uint8, shape (height, width), 0..255.

    Raises:
        UnsuitableImage: the image is of one flat grey.
    """
    box = find_head(pixels)
    head = stretch_grey_levels(pixels[box.top : box.bottom, box.left : box.right])
    return NetworkInput(resize_square(pad_to_square(head), input_size_px), box)


def find_head(pixels: NDArray[np.uint8]) -> HeadBox:
    """Find the box around everything clearly brighter than air; the whole image where that finds too little.

    A margin of a figure is left out before.
    """
    inner = within_margin(pixels)
    box = _head_in(pixels[inner.top : inner.bottom, inner.left : inner.right])
    return HeadBox(box.top + inner.top, box.bottom + inner.top, box.left + inner.left, box.right + inner.left)


def within_margin(pixels: NDArray[np.uint8]) -> HeadBox:
    """Find the image inside a figure or a screenshot: without flat margins on one side or more, and captions in them.

    pixels: uint8, shape (height, width). Returns everything if there is no wide margin.
    """
    height, width = pixels.shape
    top, bottom, left, right = 0, height, 0, width
    # Twice: a caption above hides the margin at the sides until it is cut off.
    for _ in range(2):
        rows = pixels[top:bottom, left:right]
        top, bottom = top + _margin(rows), bottom - _margin(rows[::-1])
        columns = pixels[top:bottom, left:right].T
        left, right = left + _margin(columns), right - _margin(columns[::-1])
    if bottom - top < HEAD_MIN_EXTENT * height or right - left < HEAD_MIN_EXTENT * width:
        return HeadBox(0, height, 0, width)
    return HeadBox(top, bottom, left, right)


def _margin(lines: NDArray[np.uint8]) -> int:
    """Return how many of the first lines are a margin, with the captions in it; 0 where it is narrow or none."""
    # The median, several times faster than np.median.
    ordered, n = np.sort(lines[0]), lines.shape[1]
    level = (int(ordered[(n - 1) // 2]) + int(ordered[n // 2])) // 2
    if level < MARGIN_FROM or _differs(lines[0], level).mean() > MARGIN_STAINS:
        return 0
    ink = _differs(lines, level)
    edges = np.flatnonzero(np.diff(ink.mean(axis=1) > MARGIN_STAINS, prepend=False, append=False))
    blocks = edges.reshape(-1, 2)
    images = blocks[blocks[:, 1] - blocks[:, 0] >= CAPTION_SHARE * len(lines)]
    if not len(images) or images[0][0] < MARGIN_SHARE * min(lines.shape):
        return 0
    first, end = map(int, images[0])
    edge_px = np.count_nonzero(ink[first : first + _EDGE_PX], axis=1).max()
    width_px = np.count_nonzero(ink[first:end].any(axis=0))
    return first if level >= BRIGHT_FROM or edge_px >= STRAIGHT_EDGE * width_px else 0


def _differs(pixels: NDArray[np.uint8], level: int) -> NDArray[np.bool_]:
    return (pixels > min(level + MARGIN_LEVELS, 255)) | (pixels < max(level - MARGIN_LEVELS, 0))


def _head_in(pixels: NDArray[np.uint8]) -> HeadBox:
    height, width = pixels.shape
    # Whole levels above it are those above its whole part, which are compared faster.
    head = pixels > int(head_threshold(pixels))
    frame = 1 + int(FRAME_SHARE * min(height, width))
    head[:frame] = head[-frame:] = False
    head[:, :frame] = head[:, -frame:] = False
    top, bottom = _extent(count_true(head, axis=1) / width)
    left, right = _extent(count_true(head, axis=0) / height)
    if bottom - top < HEAD_MIN_EXTENT * height or right - left < HEAD_MIN_EXTENT * width:
        return HeadBox(0, height, 0, width)
    return HeadBox(top, bottom, left, right)


def count_true(flags: NDArray[np.bool_], axis: int) -> NDArray[np.uint32]:
    """Return how many are true along an axis: np.count_nonzero in half its time, as sides are below 2**32."""
    return np.asarray(np.add.reduce(flags, axis=axis, dtype=np.uint32))


def head_threshold(pixels: NDArray[np.uint8]) -> float:
    """Return the grey level above which a pixel belongs to the head; pixels: uint8, any shape, 0..255."""
    return HEAD_THRESHOLD * grey_percentiles(pixels, 99)[0]


def grey_percentiles(pixels: NDArray[np.uint8], *percents: float) -> tuple[float, ...]:
    """Return what np.percentile gives of grey levels, uint8 of any shape, several times faster: by counting them."""
    # Pillow counts faster than NumPy.
    counts = Image.fromarray(np.atleast_2d(pixels)).histogram()
    n_up_to = np.cumsum(counts)
    return tuple(_at(n_up_to, percent / 100 * (pixels.size - 1)) for percent in percents)


def _at(n_up_to: NDArray[np.int64], place: float) -> float:
    """Return the grey level at a place among all in order, between two of them if need be: as NumPy interpolates."""
    neighbours = np.searchsorted(n_up_to, (int(place), min(int(place) + 1, n_up_to[-1] - 1)), side="right")
    below, above = map(float, neighbours)
    share, difference = place - int(place), above - below
    return below + difference * share if share < 0.5 else above - difference * (1 - share)


def _extent(shares: NDArray[np.float64]) -> tuple[int, int]:
    inside = np.flatnonzero(shares >= HEAD_MIN_SHARE)
    return (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, 0)


def has_contrast(pixels: NDArray[np.uint8]) -> bool:
    """Return whether `preprocess` takes the image, uint8 (height, width), or refuses it as one flat grey."""
    box = find_head(pixels)
    black, white = _black_and_white(pixels[box.top : box.bottom, box.left : box.right])
    return white - black >= MIN_CONTRAST


def _black_and_white(head: NDArray[np.uint8]) -> tuple[float, float]:
    black, white = grey_percentiles(head, BLACK_PERCENTILE, WHITE_PERCENTILE)
    return black, white


def stretch_grey_levels(head: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Map the percentiles BLACK_PERCENTILE and WHITE_PERCENTILE to 0 and 255; uint8 in and out, same shape."""
    black, white = _black_and_white(head)
    if white - black < MIN_CONTRAST:
        raise UnsuitableImage(Sentence("This image is almost one flat grey. Choose a slice that shows the brain."))
    levels = np.clip((np.arange(256) - black) * (255 / (white - black)), 0, 255)
    return np.asarray(Image.fromarray(head).point(np.rint(levels).astype(np.uint8).tolist()), dtype=np.uint8)


def pad_to_square(head: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Centre the image on a black square, so that resizing keeps its proportions."""
    height, width = head.shape
    side = max(height, width)
    square = np.zeros((side, side), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = head
    return square


def resize_square(square: NDArray[np.uint8], input_size_px: int) -> NDArray[np.uint8]:
    """Resize with Pillow's bilinear filter, which averages when it shrinks (TensorFlow's does not by default)."""
    picture = Image.fromarray(square)
    return np.asarray(picture.resize((input_size_px, input_size_px), Image.Resampling.BILINEAR), dtype=np.uint8)


def part_with_head(square_map: NDArray[Level], box: HeadBox) -> NDArray[Level]:
    """Return the part of a map of the network's square input, (rows, columns), in which the head's box lies: a view."""
    top, bottom, left, right = _edges_in(square_map, box)
    return square_map[int(top) : math.ceil(bottom), int(left) : math.ceil(right)]


def place_in_picture(square_map: NDArray[Level], box: HeadBox, shape: tuple[int, int]) -> NDArray[Level]:
    """Lay a map of the network's square input over the image as it was read; zero outside the head's box.

    square_map: float32 or, which is faster, uint8, shape (rows, columns), any size. Returns the same type, of
    `shape` (height, width).
    """
    top, bottom, left, right = _edges_in(square_map, box)
    size = (box.right - box.left, box.bottom - box.top)
    enlarged = Image.fromarray(square_map).resize(size, Image.Resampling.BICUBIC, (left, top, right, bottom))
    placed = np.zeros(shape, square_map.dtype)
    placed[box.top : box.bottom, box.left : box.right] = np.asarray(enlarged)
    return placed


def _edges_in(square_map: NDArray[Level], box: HeadBox) -> tuple[float, float, float, float]:
    """Return top, bottom, left and right of the head's box in the square, in places of a map of it."""
    rows, columns = square_map.shape
    (top, left), (bottom, right) = box.to_input(box.top, box.left), box.to_input(box.bottom, box.right)
    return top * rows, bottom * rows, left * columns, right * columns
