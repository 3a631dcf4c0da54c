"""Headers of MetaImage files, `.mha`, or `.mhd` next to the voxels (`.raw`, `.zraw`).

Comments and names in them are never looked at; the voxels' file is found by its size, not by its name.
Source: https://itk.org/Wiki/ITK/MetaIO/Documentation; axes go along the chunks of TransformMatrix, as ITK reads it.
"""

import re

import numpy as np
from numpy.typing import NDArray

from model.reading.contents import damaged
from model.reading.research.header import VolumeHeader, assumed_affine, axes, no_grey_values
from model.reading.research.text_headers import (
    DAMAGE,
    MAX_HEADER_BYTES,
    affine_along,
    dtype_of,
    fields_of,
    kept_otherwise,
    says_where,
)
from model.reading.signatures import VolumeFormat

# The last line of the header.
_DATA_FILE = re.compile(rb"^ElementDataFile\s*=[ \t]*([^\r\n]*)(\r?\n|\Z)", re.MULTILINE)
_COLOURED_CHANNELS = {3, 4}


def metaimage_header(content: bytes) -> VolumeHeader:
    """Read the header of a MetaImage file.

    Raises:
        UnsuitableImage: colours, more sequences than MAX_SETS, or voxels written as text or into several files.
        UnreadableImage: cut off or damaged.
    """
    last = _DATA_FILE.search(content, 0, MAX_HEADER_BYTES)
    if last is None:
        raise damaged(VolumeFormat.META_IMAGE)
    fields = fields_of(content[: last.start()].decode("ascii", "replace").splitlines(), "=")
    try:
        with np.errstate(all="ignore"):
            return _interpret(fields, last.group(1).decode("ascii", "replace").strip(), last.end())
    except DAMAGE as error:
        raise damaged(VolumeFormat.META_IMAGE) from error


def _interpret(fields: dict[str, str], data_file: str, start: int) -> VolumeHeader:
    is_detached = data_file.lower() != "local"
    if data_file.startswith("LIST") or "%" in data_file or _first(fields, "BinaryData", "True").lower() == "false":
        raise kept_otherwise(VolumeFormat.META_IMAGE)
    sizes = [int(size) for size in fields["dimsize"].split()]
    n_channels = int(_first(fields, "ElementNumberOfChannels", "1"))
    dtype = dtype_of(_c_type(fields["elementtype"]), _first(fields, *_BIG_ENDIAN, "False").lower() == "true")
    if n_channels in _COLOURED_CHANNELS and dtype.itemsize == 1:
        raise no_grey_values(VolumeFormat.META_IMAGE)
    shape, n_sets = axes((*(sizes if len(sizes) != 2 else [*sizes, 1]), n_channels), VolumeFormat.META_IMAGE)
    affine, knows_orientation = _affine(fields, len(sizes))
    return VolumeHeader(
        VolumeFormat.META_IMAGE,
        shape,
        n_sets,
        dtype,
        affine if knows_orientation else assumed_affine(affine, shape),
        knows_orientation,
        int(_first(fields, "HeaderSize", "0")),
        start=0 if is_detached else start,
        compression="deflate" if _first(fields, "CompressedData", "False").lower() == "true" else "",
        sets_first=n_channels > 1,
        is_detached=is_detached,
    )


_BIG_ENDIAN = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")


def _first(fields: dict[str, str], *names: str) -> str:
    """Return the first of these fields that exists; the last name is the default."""
    *names_of_fields, default = names
    return next((fields[name.lower()] for name in names_of_fields if name.lower() in fields), default)


def _c_type(name: str) -> str:
    """Return how C names a type, of 32 bits where MetaImage says "long"."""
    word = name.upper().removeprefix("MET_").replace("_", "").lower()
    return {"long": "int", "ulong": "uint"}.get(word, word)


def _affine(fields: dict[str, str], n_axes: int) -> tuple[NDArray[np.float64], bool]:
    """Return the affine, RAS, and whether the file means it."""
    spacing = [float(mm) for mm in _first(fields, "ElementSpacing", "ElementSize", "1 " * n_axes).split()]
    matrix = _first(fields, "TransformMatrix", "Rotation", "Orientation", "")
    directions = np.array(matrix.split(), np.float64).reshape(n_axes, n_axes) if matrix else np.eye(n_axes)
    vectors = [directions[i, :3] * spacing[i] for i in range(min(n_axes, 3))]
    affine = affine_along(vectors, "LPS")
    return affine, bool(matrix) and says_where(affine, _first(fields, "Offset", "Position", "Origin", ""))
