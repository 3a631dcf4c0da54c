"""Volumes in NIfTI files, `.nii` and `.nii.gz`, read from memory.

The header's free texts (descrip, aux_file, db_name) and its extensions, which may hold names, are never looked at.
Source: NIfTI-1.1 and NIfTI-2 headers, https://nifti.nimh.nih.gov.
"""

import logging
import math
import zlib
from dataclasses import dataclass
from typing import Any, cast

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from model.errors import UnreadableImage, UnsuitableImage
from model.reading.contents import MriImage, MriVolume, a_volume
from model.reading.labels import check_no_labels
from model.reading.orientation import (
    BY_PERCENTILES,
    MAX_MEASURED_SLICES,
    ORIENTATION_NOTE,
    Stack,
    grey_range,
    to_content,
    to_grey,
)
from model.reading.signatures import GZIP, GZIP_BITS, NIFTI_MAGICS, first_bytes, header_size
from model.reading.sizes import MAX_VOXELS, check_size, check_voxels
from model.sentences import Sentence

# nibabel logs what it finds in damaged headers; what is in a file stays out of logs.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL + 1)

# Bytes of the largest voxel that is read (float64, complex64) are bounded together, as if each took this many.
_BYTES_PER_VOXEL = 4
# Extensions before the voxels, and padding after them, take no more in files that are whole.
_MAX_OFFSET, _MAX_BYTES_AFTER = 16_000_000, 1_000_000
# No scanner's voxels are as large as this, or as small as its reciprocal.
_MAX_SPACING_MM = 10_000.0
# Spacings closer than this share count as equal: then slices are cut as axial ones.
_ISOTROPIC = 0.10
# From RAS, NIfTI's patient coordinates, to LPS, DICOM's.
_RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
# xyzt_units: millimetres in a unit of space; unknown ones are taken for millimetres.
_MILLIMETRES = {"meter": 1000.0, "micron": 0.001}
# Sequences of one head in a 4-D file; more are times or directions, which are no images of their own.
MAX_SETS = 8


@dataclass(frozen=True, eq=False)
class _Header:
    """What is used of a header: three axes, how many sets of such voxels, dtype, place, scaling, affine in mm (RAS)."""

    shape: tuple[int, int, int]
    n_sets: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    affine: NDArray[np.float64]
    knows_orientation: bool

    @property
    def n_voxels(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def end(self) -> int:
        """The number of bytes up to the end of the voxels."""
        return self.offset + self.n_sets * self.n_voxels * self.dtype.itemsize


def read_nifti(content: bytes, max_pixels: int, max_voxels: int = MAX_VOXELS) -> list[MriImage | MriVolume]:
    """Read a file that `is_nifti` recognised: one volume, or one for each sequence of a 4-D file.

    Slices are cut across the axis of the largest spacing, in which they were acquired, and as axial ones where that
    is not larger than the spacing from foot to head.

    Raises:
        TooManyPixels: the header claims more; nothing is decoded.
        UnsuitableImage: of more sequences than MAX_SETS, coloured or complex, labels in place of grey levels, or a
            header without its voxels.
        UnreadableImage: cut off or damaged.
    """
    header = _read_header(content)
    axis, shape = _slice_axis(header), _oriented_shape(header)
    height, width = (n for i, n in enumerate(shape) if i != axis)
    check_size(width, height, max_pixels)
    n_voxels = header.n_sets * header.n_voxels
    check_voxels(n_voxels * header.dtype.itemsize // _BYTES_PER_VOXEL, max_voxels)
    check_voxels(n_voxels, max_voxels)
    known = () if header.knows_orientation else (ORIENTATION_NOTE,)
    contents = []
    for i, stored in enumerate(_sets(content, header)):
        check_no_labels(stored)
        voxels = apply_orientation(stored, io_orientation(header.affine))
        set_note = Sentence("Sequence {i} of {n} in the file.", i=i + 1, n=header.n_sets)
        notes = (*((set_note,) if header.n_sets > 1 else ()), *known)
        contents.append(to_content(_stack(header, np.moveaxis(voxels, axis, 0), axis), "NIfTI", notes, BY_PERCENTILES))
    return contents


def read_nifti_slice(content: bytes, max_pixels: int) -> MriImage:
    """Read a file of one slice; what more there is, see `read_nifti`.

    Raises:
        UnsuitableImage: a volume.
    """
    header = _read_header(content)
    n_slices = header.n_sets * _oriented_shape(header)[_slice_axis(header)]
    if n_slices > 1:
        raise a_volume(n_slices)
    return cast(MriImage, read_nifti(content, max_pixels)[0])


def _read_header(content: bytes) -> _Header:
    head = first_bytes(content)
    size = header_size(head)
    if len(head) < size:
        raise _damaged()
    place, _, pair = NIFTI_MAGICS[size]
    if head[place : place + len(pair)] == pair:
        raise UnsuitableImage(
            Sentence(
                "Expected a NIfTI file with its voxels. Received the header of a pair of files (.hdr and .img). "
                "Export it as one .nii file and try again."
            )
        )
    try:
        with np.errstate(all="ignore"):
            return _interpret(nibabel.Nifti1Header(head[:348]) if size == 348 else nibabel.Nifti2Header(head[:540]))
    # What nibabel and numpy answer to damaged headers.
    except (HeaderDataError, WrapStructError, ValueError, TypeError, KeyError, OverflowError, ArithmeticError) as error:
        raise _damaged() from error


def _interpret(raw: nibabel.Nifti1Header) -> _Header:
    slope, intercept = raw.get_slope_inter()
    shape, n_sets = _axes(raw.get_data_shape())
    affine, knows_orientation = _affine(raw, shape)
    affine[:3] *= _MILLIMETRES.get(raw.get_xyzt_units()[0], 1.0)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(affine).all() and spacing.min() > 1 / _MAX_SPACING_MM and spacing.max() < _MAX_SPACING_MM):
        raise ValueError("the affine gives impossible spacings")
    if np.isnan(io_orientation(affine)).any():
        raise ValueError("the affine does not place every axis")
    dtype = raw.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnsuitableImage(
            Sentence(
                "Expected grey MR values. Received a NIfTI file of colours, complex or unusual numbers. "
                "Export a grey volume and try again."
            )
        )
    offset = int(raw.get_data_offset())
    if not 0 <= offset <= _MAX_OFFSET:
        raise ValueError("the voxels start outside of the file")
    # Voxels never lie in the header: some writers leave the offset at 0. Four bytes behind it tell of extensions.
    offset = max(offset, int(raw["sizeof_hdr"]) + 4)
    return _Header(
        shape,
        n_sets,
        dtype,
        offset,
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
        affine,
        knows_orientation,
    )


def _affine(raw: nibabel.Nifti1Header, shape: tuple[int, int, int]) -> tuple[NDArray[np.float64], bool]:
    """Return the affine, RAS, and whether the file means it.

    An sform of zeros gives way to a valid qform. A unit matrix is what programs write that know nothing of the head;
    then the axis that differs from two equal ones, or else in length, counts slices, whose rows and columns are those
    of an array: down and to the right.
    """
    affine = np.array(raw.get_best_affine(), np.float64)
    if not affine[:3, :3].any() and raw["qform_code"] > 0:
        affine = np.array(raw.get_qform(), np.float64)
    if (raw["qform_code"] > 0 or raw["sform_code"] > 0) and not np.array_equal(affine, np.eye(4)):
        return affine, True
    axis = _odd_axis(shape)
    if axis != 2 and min(shape) > 1:
        mm = np.linalg.norm(affine[:3, :3], axis=0)
        rows, columns = (i for i in range(3) if i != axis)
        affine = np.diag([0.0, 0.0, 0.0, 1.0])
        affine[2, axis], affine[1, rows], affine[0, columns] = mm[axis], -mm[rows], -mm[columns]
    return affine, False


def _odd_axis(shape: tuple[int, int, int]) -> int:
    """Return the axis whose length is furthest from the other two, which are alike; the last where none is."""
    distances = [min(abs(n - other) for i, other in enumerate(shape) if i != axis) for axis, n in enumerate(shape)]
    axis = int(np.argmax(distances))
    others = [n for i, n in enumerate(shape) if i != axis]
    return axis if 2 * abs(others[0] - others[1]) < distances[axis] else 2


def _axes(shape: tuple[int, ...]) -> tuple[tuple[int, int, int], int]:
    """Return the three axes of a volume, filled up with ones, and how many volumes the others count."""
    shape = tuple(int(n) for n in shape)
    if len(shape) < 2 or min(shape) < 1:
        raise ValueError("there are no voxels")
    n_sets = math.prod(shape[3:])
    if n_sets > MAX_SETS:
        raise UnsuitableImage(
            Sentence(
                "Expected one MR volume, or at most {most} sequences of it. This NIfTI has shape {shape}. "
                "Export one volume and try again.",
                most=MAX_SETS,
                shape=" x ".join(map(str, shape)),
            )
        )
    first, second, third = (*shape, 1)[:3]
    return (first, second, third), n_sets


def _oriented_shape(header: _Header) -> tuple[int, int, int]:
    """Give the shape after the axes were brought into the order left-right, back-front, foot-head."""
    order = [int(axis) for axis in io_orientation(header.affine)[:, 0]]
    first, second, third = (header.shape[order.index(axis)] for axis in range(3))
    return first, second, third


def _oriented_affine(header: _Header) -> NDArray[np.float64]:
    affine: NDArray[np.float64] = header.affine @ inv_ornt_aff(io_orientation(header.affine), header.shape)
    return affine


def _slice_axis(header: _Header) -> int:
    """Give the axis that slices are counted along, after orientation: 0 sagittal, 1 coronal, 2 axial."""
    single = [axis for axis, n in enumerate(_oriented_shape(header)) if n == 1]
    if len(single) == 1:
        return single[0]
    spacing = np.linalg.norm(_oriented_affine(header)[:3, :3], axis=0)
    return 2 if spacing[2] >= (1 - _ISOTROPIC) * spacing.max() else int(spacing.argmax())


def _sets(content: bytes, header: _Header) -> list[NDArray[Any]]:
    """Return the stored values of each volume, shape as in the header; views of the content if not compressed."""
    if content.startswith(GZIP):
        content = _unzipped(content, header.end + _MAX_BYTES_AFTER)
    if len(content) < header.end:
        raise _damaged()
    stored = np.frombuffer(content, header.dtype, header.n_sets * header.n_voxels, header.offset)
    return [one.reshape(header.shape, order="F") for one in np.split(stored, header.n_sets)]


def _unzipped(content: bytes, max_bytes: int) -> bytes:
    """Decompress a whole gzip file of one or more members, checksums included.

    Raises:
        UnreadableImage: it is cut off, damaged, or longer than its header says.
    """
    parts: list[bytes] = []
    while content.startswith(GZIP):
        member = zlib.decompressobj(GZIP_BITS)
        try:
            parts.append(member.decompress(content, max_bytes))
        except zlib.error as error:
            raise _damaged() from error
        max_bytes -= len(parts[-1])
        if not member.eof or max_bytes <= 0:
            raise _damaged()
        content = member.unused_data
    return b"".join(parts)


def _stack(header: _Header, voxels: NDArray[Any], axis: int) -> Stack:
    """Make slices grey; voxels: shape (slices, ...) after orientation, with `axis` moved to the front."""
    columns = _oriented_affine(header)[:3, :3].T
    columns = columns[[axis, *(i for i in range(3) if i != axis)]]
    spacing = np.linalg.norm(columns, axis=1)
    black, white = grey_range([_scaled(stored, header) for stored in voxels[:: -(-len(voxels) // MAX_MEASURED_SLICES)]])
    grey = np.stack([to_grey(_scaled(stored, header), black, white) for stored in voxels])
    first, second, third = map(float, spacing)
    return Stack(grey, columns / spacing[:, None] * _RAS_TO_LPS, (first, second, third))


def _scaled(stored: NDArray[Any], header: _Header) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return (stored.astype(np.float64) * header.slope + header.intercept).astype(np.float32)


def _damaged() -> UnreadableImage:
    return UnreadableImage(
        Sentence("Expected a complete NIfTI file. Received one that is cut off or damaged. Export it again and retry.")
    )
