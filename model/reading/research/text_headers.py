"""What the headers of NRRD and MetaImage share: lines of text, words for number types, directions of axes."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import UnsuitableImage
from model.sentences import Sentence

# Longer headers than this are none.
MAX_HEADER_BYTES = 100_000
# What is answered to damaged values.
DAMAGE = (KeyError, ValueError, TypeError, IndexError, OverflowError, ArithmeticError)
_TYPES = {
    **{"char": "i1", "int8": "i1", "short": "i2", "int16": "i2", "int": "i4", "int32": "i4"},
    **{"longlong": "i8", "int64": "i8", "float": "f4", "double": "f8"},
}


def fields_of(lines: Iterable[str], separator: str) -> dict[str, str]:
    """Return the values of lines such as "key: value", by their keys in lower case; of a key twice the first."""
    fields: dict[str, str] = {}
    for line in lines:
        key, found, value = line.partition(separator)
        if found:
            fields.setdefault(key.strip().lower(), value.strip())
    return fields


def dtype_of(words: str, is_big_endian: bool) -> np.dtype[Any]:
    """Return the number type that words name as in C, "unsigned short int" or "ushort" or "uint16_t".

    Raises:
        KeyError: they name none.
    """
    name = words.strip().lower().replace("unsigned ", "u").replace("signed ", "").removesuffix("_t")
    name = name.removesuffix(" int").replace(" ", "")
    code = _TYPES[name.removeprefix("u")]
    return np.dtype((">" if is_big_endian else "<") + (code.replace("i", "u") if name.startswith("u") else code))


def affine_along(vectors: Sequence[NDArray[np.float64]], space: str) -> NDArray[np.float64]:
    """Return the affine, RAS, of two or three axes along these vectors, in mm.

    vectors: float64, shape (2,) or (3,) each. space: where their numbers rise, "LPS" for left, back and head.
    """
    columns = np.zeros((3, 3))
    for axis, vector in enumerate(vectors):
        columns[: len(vector), axis] = vector
    if len(vectors) < 3:
        columns[:, 2] = np.cross(columns[:, 0], columns[:, 1])
        columns[:, 2] /= np.linalg.norm(columns[:, 2])
    affine = np.eye(4)
    affine[:3, :3] = columns * np.array([[1.0 if letter in "RAS" else -1.0] for letter in space])
    return affine


def says_where(affine: NDArray[np.float64], origin: str) -> bool:
    """Return whether a file means its directions: programs write those of an array and no origin by default."""
    unturned = affine[:3, :3] * np.array([[-1.0], [-1.0], [1.0]])
    is_array = np.array_equal(unturned, np.diag(np.diag(unturned))) and (np.diag(unturned) > 0).all()
    return not is_array or bool(set(origin) & set("123456789"))


def kept_otherwise(file_format: str) -> UnsuitableImage:
    """Return the refusal of voxels in text, in several files and the like."""
    return UnsuitableImage(
        Sentence(
            "This {format} file keeps its voxels in a way that is not read here. Save it as one file, raw or "
            "compressed, and try again.",
            format=file_format,
        )
    )
