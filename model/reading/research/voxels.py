"""From the bytes of voxels to upright slices, bounded before anything is decompressed."""

import bz2
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation
from numpy.typing import NDArray

from model.reading.contents import MriImage, MriVolume, damaged
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
from model.reading.research.header import VolumeHeader
from model.reading.sizes import check_size, check_voxels
from model.sentences import Sentence

# Bytes of the largest voxel that is read (float64, complex64) are bounded together, as if each took this many.
_BYTES_PER_VOXEL = 4
# Padding after the voxels takes no more in files that are whole.
MAX_BYTES_AFTER = 1_000_000
# From RAS, the patient coordinates of NIfTI, to LPS, DICOM's.
_RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    # With a header of gzip or of zlib: MetaImage has both.
    "deflate": lambda: zlib.decompressobj(32 + zlib.MAX_WBITS),
    "bzip2": bz2.BZ2Decompressor,
}


def read_voxels(content: bytes, header: VolumeHeader, max_pixels: int, max_voxels: int) -> list[MriImage | MriVolume]:
    """Read the file that a header describes: one volume for each set of voxels.

    Slices are cut across the axis of the largest spacing, in which they were acquired, and as axial ones where that
    is not larger than the spacing from foot to head.

    Raises:
        TooManyPixels: the header claims more; nothing is decoded.
        UnsuitableImage: labels in place of grey levels.
        UnreadableImage: cut off or damaged.
    """
    axis = header.slice_axis()
    check_sizes(header, max_pixels, max_voxels)
    known = () if header.knows_orientation else (ORIENTATION_NOTE,)
    contents = []
    for i, stored in enumerate(_sets(content, header)):
        check_no_labels(stored)
        voxels = apply_orientation(stored, io_orientation(header.affine))
        set_note = Sentence("Sequence {i} of {n} in the file.", i=i + 1, n=header.n_sets)
        notes = (*((set_note,) if header.n_sets > 1 else ()), *known)
        stack = _stack(header, np.moveaxis(voxels, axis, 0), axis)
        contents.append(to_content(stack, header.format, notes, BY_PERCENTILES))
    return contents


def check_sizes(header: VolumeHeader, max_pixels: int, max_voxels: int) -> None:
    """Refuse a volume by what its header claims.

    Raises:
        TooManyPixels: more.
        UnreadableImage: slices that are strips.
    """
    axis = header.slice_axis()
    height, width = (n for i, n in enumerate(header.oriented_shape()) if i != axis)
    check_size(width, height, max_pixels)
    check_voxels(header.n_bytes // _BYTES_PER_VOXEL, max_voxels)
    check_voxels(header.n_sets * header.n_voxels, max_voxels)


def _sets(content: bytes, header: VolumeHeader) -> list[NDArray[Any]]:
    """Return the stored values of each volume, shape as in the header; views of the content if not compressed."""
    content = content[header.start :] if header.start else content
    if header.compression:
        content = _decompressed(content, header)
    if len(content) < header.end:
        raise damaged(header.format)
    offset = header.offset if header.offset >= 0 else len(content) - header.n_bytes
    stored = np.frombuffer(content, header.dtype, header.n_sets * header.n_voxels, offset)
    n_sets = header.n_sets
    sets = [stored[i::n_sets] for i in range(n_sets)] if header.sets_first else np.split(stored, n_sets)
    return [one.reshape(header.shape, order="F") for one in sets]


def _decompressed(content: bytes, header: VolumeHeader) -> bytes:
    """Decompress one member or more, checksums included.

    Raises:
        UnreadableImage: cut off, damaged, or longer than the header says.
    """
    parts: list[bytes] = []
    max_bytes = header.end + MAX_BYTES_AFTER
    beginning = content[:2]
    while content[:2] == beginning:
        member = _DECOMPRESSORS[header.compression]()
        try:
            parts.append(member.decompress(content, max_bytes))
        except (zlib.error, OSError, ValueError, EOFError) as error:
            raise damaged(header.format) from error
        max_bytes -= len(parts[-1])
        if not member.eof or max_bytes <= 0:
            raise damaged(header.format)
        content = member.unused_data
    return b"".join(parts)


def _stack(header: VolumeHeader, voxels: NDArray[Any], axis: int) -> Stack:
    """Make slices grey; voxels: shape (slices, ...) after orientation, with `axis` moved to the front."""
    columns = header.oriented_affine()[:3, :3].T
    columns = columns[[axis, *(i for i in range(3) if i != axis)]]
    spacing = np.linalg.norm(columns, axis=1)
    black, white = grey_range([_scaled(stored, header) for stored in voxels[:: -(-len(voxels) // MAX_MEASURED_SLICES)]])
    grey = np.stack([to_grey(_scaled(stored, header), black, white) for stored in voxels])
    first, second, third = map(float, spacing)
    return Stack(grey, columns / spacing[:, None] * _RAS_TO_LPS, (first, second, third))


def _scaled(stored: NDArray[Any], header: VolumeHeader) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return (stored.astype(np.float64) * header.slope + header.intercept).astype(np.float32)
