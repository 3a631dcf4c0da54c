"""Parallel slices of any orientation, made grey, upright and square: the steps that all formats of volumes share.

Patient coordinates are DICOM's: x to the patient's left, y to the back, z to the head.
Source: DICOM PS3.3, C.7.6.2.1.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.preprocessing import BLACK_PERCENTILE, WHITE_PERCENTILE
from model.reading.contents import MAX_MEASURED, MriImage, MriVolume
from model.reading.labels import SHEET_NOTE, is_sheet
from model.sentences import Sentence

# Evenly spread slices used to measure a volume's grey levels: copies of all of them would not fit in memory.
MAX_MEASURED_SLICES = 64
# Pixels whose sides differ by more than this share are resampled to squares.
SQUARE_TOLERANCE = 0.02
# A larger ratio is treated as a damaged header, and the pixels are left as they are.
MAX_PIXEL_RATIO = 4.0
# By plane: where slices, rows and columns go, in patient coordinates. Columns to the patient's left put the right on
# the left of the image; the order of slices is that of the right-hand rule, as DICOM's normal.
UPRIGHT = {
    "sagittal": np.array([[-1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64),
    "coronal": np.array([[0, 1, 0], [0, 0, -1], [1, 0, 0]], np.float64),
    "axial": np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], np.float64),
}
# A note where the plane is a guess.
ORIENTATION_NOTE = Sentence(
    "The file does not say how the head is oriented; its slices are shown as if they were stored in the usual order."
)
# How stored values became grey levels.
BY_WINDOW = Sentence("Grey levels by the window that the file states.")
BY_PERCENTILES = Sentence("Grey levels stretched between the darkest and the brightest half percent of the values.")
_TURNED = {
    "sagittal": Sentence("Turned upright; the plane is sagittal."),
    "coronal": Sentence("Turned upright; the plane is coronal."),
    "axial": Sentence("Turned upright; the plane is axial."),
}
# The planes in the order of the axis that they are perpendicular to: x, y, z.
PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices and how they lie in the patient.

    slices: uint8, shape (n, height, width), 0..255.
    directions: float64, shape (3, 3): unit vectors in which slices, rows and columns are counted, in patient
        coordinates; None where unknown.
    spacing_mm: between the centres of slices, rows and columns; nan where unknown.
    """

    slices: NDArray[np.uint8]
    directions: NDArray[np.float64] | None
    spacing_mm: tuple[float, float, float]


def to_content(
    stack: Stack, file_format: str, notes: Sequence[Sentence], grey_step: Sentence, facts: Sequence[Sentence] = ()
) -> MriImage | MriVolume:
    """Turn the stack upright, make its pixels square, and return an image if it is a single slice.

    grey_step: how the grey levels were made, BY_WINDOW or BY_PERCENTILES. facts: what the file says of itself.
    """
    plane = plane_of(stack)
    stack = upright(stack)
    all_facts = (*facts, *_sizes(stack))
    stack = square_pixels(stack)
    distinct = tuple(dict.fromkeys(notes))
    steps = (grey_step, *((_TURNED[plane],) if plane else ()))
    if len(stack.slices) == 1:
        distinct += (SHEET_NOTE,) if is_sheet(stack.slices[0]) else ()
        return MriImage(stack.slices[0], file_format, distinct, steps, plane, all_facts)
    slices, (spacing_mm, pixel_mm, _) = np.ascontiguousarray(stack.slices), stack.spacing_mm
    return MriVolume(slices, plane, spacing_mm, file_format, distinct, steps, pixel_mm, all_facts)


def _sizes(stack: Stack) -> list[Sentence]:
    """Say how far apart the middles of pixels and slices are, as far as that is known."""
    between, rows, columns = (round(float(mm), 2) for mm in stack.spacing_mm)
    said = []
    if np.isfinite(rows) and np.isfinite(columns):
        said.append(Sentence("Pixels: {columns} × {rows} mm.", columns=columns, rows=rows))
    if np.isfinite(between) and len(stack.slices) > 1:
        said.append(Sentence("Between slices: {mm} mm.", mm=between))
    return said


def plane_of(stack: Stack) -> str:
    """Return the plane that the slices are closest to, "" where directions are unknown."""
    return "" if stack.directions is None else PLANES[int(np.abs(stack.directions[0]).argmax())]


def upright(stack: Stack) -> Stack:
    """Swap and flip axes until the slices lie as UPRIGHT says, as near as right angles get."""
    if stack.directions is None:
        return stack
    along = UPRIGHT[plane_of(stack)] @ stack.directions.T
    straight, crossed = abs(along[1, 1]) + abs(along[2, 2]), abs(along[1, 2]) + abs(along[2, 1])
    axes = (0, 1, 2) if straight >= crossed else (0, 2, 1)
    turned = [along[i, axis] < 0 for i, axis in enumerate(axes)]
    slices = stack.slices.transpose(axes)[tuple(slice(None, None, -1 if turn else 1) for turn in turned)]
    signs = np.where(turned, -1.0, 1.0)[:, None]
    first, second, third = (stack.spacing_mm[axis] for axis in axes)
    return Stack(slices, stack.directions[list(axes)] * signs, (first, second, third))


def square_pixels(stack: Stack) -> Stack:
    """Resample slices whose pixels are oblong to square pixels.

    The finer side keeps its spacing: nothing is lost, and the image grows MAX_PIXEL_RATIO times at most.
    """
    between, row_mm, column_mm = stack.spacing_mm
    if not (np.isfinite(row_mm) and np.isfinite(column_mm)) or min(row_mm, column_mm) <= 0:
        return stack
    finer = min(row_mm, column_mm)
    if not 1 + SQUARE_TOLERANCE < max(row_mm, column_mm) / finer <= MAX_PIXEL_RATIO:
        return stack
    height, width = stack.slices.shape[1:]
    size = (round(width * column_mm / finer), round(height * row_mm / finer))
    slices = np.empty((len(stack.slices), size[1], size[0]), np.uint8)
    for i, pixels in enumerate(stack.slices):
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        slices[i] = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
    return replace(stack, slices=slices, spacing_mm=(between, finer, finer))


def grey_range(slices: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Return the values that become black and white: percentiles of the finite values of all slices together.

    slices: float32, shape (height, width) each, any unit. Of large volumes, MAX_MEASURED values spread evenly.
    """
    every = -(-sum(values.size for values in slices) // MAX_MEASURED)
    sample = np.concatenate([values.reshape(-1)[::every] for values in slices])
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 0.0
    black, white = np.percentile(sample, (BLACK_PERCENTILE, WHITE_PERCENTILE))
    if white <= black:
        black, white = sample.min(), sample.max()
    return float(black), float(white)


def to_grey(values: NDArray[np.float32], black: float, white: float) -> NDArray[np.uint8]:
    """Map black..white onto 0..255, clipped, NaN and infinity onto 0; float32 (height, width) to uint8."""
    if not white > black:
        return np.zeros(values.shape, np.uint8)
    finite = np.isfinite(values)
    shares = (np.where(finite, values, black).astype(np.float64) - black) / (white - black)
    return np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
