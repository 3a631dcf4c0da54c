"""Headers of NRRD files, `.nrrd`, or `.nhdr` next to the voxels.

Comments, contents and key/value pairs, which may hold names, are never looked at.
Source: https://teem.sourceforge.net/nrrd/format.html.
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

_COMPRESSIONS = {"raw": "", "gzip": "deflate", "gz": "deflate", "bzip2": "bzip2", "bz2": "bzip2"}
_END = re.compile(rb"\r?\n\r?\n")
_VECTOR = re.compile(r"none|\([^)]*\)")
_SPACES = {"RAS", "LAS", "LPS"}
# Kinds of axes that are neither directions in space nor sequences.
_COLOURS = re.compile(r"(rgb|hsv|xyz|rgba)-color|complex|.*(matrix|quaternion|gradient|normal)")
_IN_SPACE = {"domain", "space", "???"}


def nrrd_header(content: bytes) -> VolumeHeader:
    """Read the header of an NRRD file.

    Raises:
        UnsuitableImage: colours, more sequences than MAX_SETS, or voxels written as text or into several files.
        UnreadableImage: cut off or damaged.
    """
    end = _END.search(content, 0, MAX_HEADER_BYTES)
    lines = content[: end.start() if end else MAX_HEADER_BYTES].decode("ascii", "replace").splitlines()
    fields = fields_of((line for line in lines if not line.startswith("#") and ":=" not in line), ":")
    try:
        with np.errstate(all="ignore"):
            return _interpret(fields, end.end() if end else len(content))
    except DAMAGE as error:
        raise damaged(VolumeFormat.NRRD) from error


def _interpret(fields: dict[str, str], start: int) -> VolumeHeader:
    data_file = fields.get("data file", fields.get("datafile", ""))
    compression = _COMPRESSIONS.get(fields["encoding"].lower())
    if compression is None or data_file.startswith("LIST") or "%" in data_file or fields.get("line skip", "0") != "0":
        raise kept_otherwise(VolumeFormat.NRRD)
    sizes = [int(size) for size in fields["sizes"].split()]
    vectors = _vectors(fields, len(sizes))
    in_space = [n for n, vector in zip(sizes, vectors, strict=True) if vector is not None]
    others = [n for n, vector in zip(sizes, vectors, strict=True) if vector is None]
    shape, n_sets = axes((*in_space, *[1] * (3 - len(in_space)), *others), VolumeFormat.NRRD)
    affine, knows_orientation = _affine(fields, [vector for vector in vectors if vector is not None])
    return VolumeHeader(
        VolumeFormat.NRRD,
        shape,
        n_sets,
        dtype_of(fields["type"], fields.get("endian", "little").lower() == "big"),
        affine if knows_orientation else assumed_affine(affine, shape),
        knows_orientation,
        int(fields.get("byte skip", "0")),
        start=0 if data_file else start,
        compression=compression,
        sets_first=n_sets > 1 and vectors[0] is None,
        is_detached=bool(data_file),
    )


def _vectors(fields: dict[str, str], n_axes: int) -> list[NDArray[np.float64] | None]:
    """Return the vector along each axis, float64 (2,) or (3,), in mm; None for one that is no direction in space.

    Raises:
        UnsuitableImage: an axis of colours.
        ValueError: not two or three axes in space.
    """
    kinds = (fields.get("kinds", "").lower().split() + ["???"] * n_axes)[:n_axes]
    if any(_COLOURS.fullmatch(kind) for kind in kinds):
        raise no_grey_values(VolumeFormat.NRRD)
    found = _VECTOR.findall(fields.get("space directions", ""))
    if found:
        vectors = [None if text == "none" else np.array(text[1:-1].split(","), np.float64) for text in found]
    else:
        units = iter(np.eye(3) * _spacings(fields, kinds)[:, None])
        vectors = [next(units, None) if kind in _IN_SPACE else None for kind in kinds]
    if len(vectors) != n_axes or not 2 <= sum(vector is not None for vector in vectors) <= 3:
        raise ValueError("there is no volume in space")
    return vectors


def _spacings(fields: dict[str, str], kinds: list[str]) -> NDArray[np.float64]:
    """Return the millimetres along three axes in space, float64 (3,); 1 where the file does not say."""
    words = fields.get("spacings", "nan " * len(kinds)).split()
    in_space = [float(word) for word, kind in zip(words, kinds, strict=True) if kind in _IN_SPACE]
    spacings = np.array([*in_space, 1.0, 1.0, 1.0][:3])
    return np.where(np.isfinite(spacings), spacings, 1.0)


def _affine(fields: dict[str, str], vectors: list[NDArray[np.float64]]) -> tuple[NDArray[np.float64], bool]:
    """Return the affine, RAS, and whether the file means it; without a space it is taken for DICOM's."""
    words = fields.get("space", "").upper()
    space = ("".join(word[0] for word in words.split("-") if word) if "-" in words else words)[:3]
    if space not in _SPACES:
        return affine_along(vectors, "LPS"), False
    affine = affine_along(vectors, space)
    return affine, says_where(affine, fields.get("space origin", ""))
