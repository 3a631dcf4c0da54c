"""What is used of a volume's header, whatever its format; what is impossible in it is found here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from model.errors import UnsuitableImage
from model.sentences import Sentence

# No scanner's voxels are as large as this, or as small as its reciprocal.
_MAX_SPACING_MM = 10_000.0
# Spacings closer than this share count as equal: then slices are cut as axial ones.
_ISOTROPIC = 0.10
# Sequences of one head in a 4-D file; more are times or directions, which are no images of their own.
MAX_SETS = 8
# Extensions before the voxels take no more in files that are whole.
_MAX_OFFSET = 16_000_000


@dataclass(frozen=True, eq=False)
class VolumeHeader:
    """Of voxels: three axes, how many sets of them, number type, place, scaling, affine in mm (RAS).

    start: where the voxels' bytes start in the file as it is; compression: of these, "" for none; offset: where the
    voxels start in them, after decompression, -1 if they are the last of the file. sets_first: the sets are the
    fastest axis, not the slowest. is_detached: the bytes are in another file.
    """

    format: str
    shape: tuple[int, int, int]
    n_sets: int
    dtype: np.dtype[Any]
    affine: NDArray[np.float64]
    knows_orientation: bool
    offset: int = 0
    start: int = 0
    compression: str = ""
    slope: float = 1.0
    intercept: float = 0.0
    sets_first: bool = False
    is_detached: bool = False

    def __post_init__(self) -> None:
        """Refuse what is impossible.

        Raises:
            UnsuitableImage: no grey levels.
            ValueError: damage.
        """
        spacing = np.linalg.norm(self.affine[:3, :3], axis=0)
        if not (
            np.isfinite(self.affine).all() and 1 / _MAX_SPACING_MM < spacing.min() <= spacing.max() < _MAX_SPACING_MM
        ):
            raise ValueError("the affine gives impossible spacings")
        if np.isnan(io_orientation(self.affine)).any():
            raise ValueError("the affine does not place every axis")
        if self.dtype.kind not in "iuf" or self.dtype.itemsize > 8:
            raise no_grey_values(self.format)
        if not -1 <= self.offset <= _MAX_OFFSET:
            raise ValueError("the voxels start outside of the file")

    @property
    def n_voxels(self) -> int:
        """The number of voxels of one set."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def n_bytes(self) -> int:
        """The number of bytes of the voxels of all sets."""
        return self.n_sets * self.n_voxels * self.dtype.itemsize

    @property
    def end(self) -> int:
        """The number of bytes up to the end of the voxels, after decompression."""
        return max(self.offset, 0) + self.n_bytes

    def oriented_shape(self) -> tuple[int, int, int]:
        """Return the shape after the axes were brought into the order left-right, back-front, foot-head."""
        order = [int(axis) for axis in io_orientation(self.affine)[:, 0]]
        first, second, third = (self.shape[order.index(axis)] for axis in range(3))
        return first, second, third

    def oriented_affine(self) -> NDArray[np.float64]:
        """Return the affine of these axes, float64, shape (4, 4), RAS."""
        affine: NDArray[np.float64] = self.affine @ inv_ornt_aff(io_orientation(self.affine), self.shape)
        return affine

    def slice_axis(self) -> int:
        """Return the axis that slices are counted along, after orientation: 0 sagittal, 1 coronal, 2 axial."""
        single = [axis for axis, n in enumerate(self.oriented_shape()) if n == 1]
        if len(single) == 1:
            return single[0]
        spacing = np.linalg.norm(self.oriented_affine()[:3, :3], axis=0)
        return 2 if spacing[2] >= (1 - _ISOTROPIC) * spacing.max() else int(spacing.argmax())


def axes(shape: tuple[int, ...], file_format: str) -> tuple[tuple[int, int, int], int]:
    """Return the three axes of a volume, filled up with ones, and how many volumes the others count.

    Raises:
        UnsuitableImage: more volumes than MAX_SETS.
        ValueError: no voxels.
    """
    shape = tuple(int(n) for n in shape)
    if len(shape) < 2 or min(shape) < 1:
        raise ValueError("there are no voxels")
    n_sets = math.prod(shape[3:])
    if n_sets > MAX_SETS:
        raise UnsuitableImage(
            Sentence(
                "Expected one MR volume, or at most {most} sequences of it; this {format} file has shape {shape}. "
                "Export one volume.",
                most=MAX_SETS,
                format=file_format,
                shape=" x ".join(map(str, shape)),
            )
        )
    first, second, third = (*shape, 1)[:3]
    return (first, second, third), n_sets


def affine_of(codes: str, spacing_mm: Sequence[float]) -> NDArray[np.float64]:
    """Return the affine, RAS, of axes that go to the sides that letters name, "LPS" for left, back and head."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (code, mm) in enumerate(zip(codes, spacing_mm, strict=True)):
        affine["LPIRAS".index(code) % 3, axis] = mm if code in "RAS" else -mm
    return affine


def assumed_affine(usual: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the affine, RAS, of a file that does not say how the head is oriented.

    The axis that differs from two equal ones, or else in length, counts slices, whose rows and columns are those of an
    array: down and to the right. If that is the last axis, as usual, or there is none, the usual affine is it.
    """
    axis = _odd_axis(shape)
    if axis == 2 or min(shape) == 1:
        return usual
    mm = np.linalg.norm(usual[:3, :3], axis=0)
    return affine_of("SPL" if axis == 0 else "PSL", mm)


def _odd_axis(shape: tuple[int, int, int]) -> int:
    """Return the axis whose length is furthest from the other two, which are alike; the last where none is."""
    distances = [min(abs(n - other) for i, other in enumerate(shape) if i != axis) for axis, n in enumerate(shape)]
    axis = int(np.argmax(distances))
    others = [n for i, n in enumerate(shape) if i != axis]
    return axis if 2 * abs(others[0] - others[1]) < distances[axis] else 2


def no_grey_values(file_format: str) -> UnsuitableImage:
    """Return the refusal of voxels that are not grey levels."""
    return UnsuitableImage(
        Sentence(
            "This {format} file holds colours, or complex or unusual numbers, instead of grey values. Export a "
            "grey volume.",
            format=file_format,
        )
    )
