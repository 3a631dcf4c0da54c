"""Images in MATLAB 7.3 files, which are HDF5, as Cheng's collection of brain tumors comes.

Nothing outside of the file is ever opened, though HDF5 can name files as the place of its values.
Source: https://doi.org/10.6084/m9.figshare.1512427 (cjdata.image, label, PID, tumorMask).
"""

import io
from typing import Any, cast

import h5py
import numpy as np
from numpy.typing import NDArray

from model.errors import UnsuitableImage
from model.reading.contents import MriImage, damaged
from model.reading.orientation import BY_PERCENTILES, grey_range, to_grey
from model.reading.signatures import MATLAB_OLDER
from model.reading.sizes import check_size, too_many_pixels
from model.sentences import Sentence

MATLAB = "MATLAB"
_IMAGES = ("cjdata/image", "image")
# Chunks are decompressed whole: a file may claim any size of them.
_MAX_CHUNK_BYTES = 100_000_000
# What h5py answers to damaged files.
DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, IndexError, OverflowError, EOFError)


def read_matlab(content: bytes, max_pixels: int) -> MriImage:
    """Read the image of a file that `is_matlab` recognised.

    Raises:
        TooManyPixels: it claims more than `max_pixels`; nothing is decoded.
        UnsuitableImage: of an older version, or without an image.
        UnreadableImage: cut off or damaged.
    """
    if content.startswith(MATLAB_OLDER):
        raise UnsuitableImage(
            Sentence(
                'This is a MATLAB file of an older version. Save it with save(..., "-v7.3"), or save the image as '
                "PNG, and try again."
            )
        )
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            values = _image(file, max_pixels)
    except DAMAGE as error:
        raise damaged(MATLAB) from error
    return MriImage(to_grey(values, *grey_range([values])), MATLAB, steps=(BY_PERCENTILES,))


def stored_values(file: h5py.File, name: str, max_pixels: int) -> NDArray[Any] | None:
    """Return the numbers of a variable, any number type, (height, width) as MATLAB shows them; None where it is not.

    Raises:
        TooManyPixels, UnreadableImage: they claim too much, or to be in another file.
    """
    found = _inside(file, name)
    if found is None or found.ndim != 2 or found.dtype.kind not in "iuf":
        return None
    width, height = found.shape
    if width * height > max_pixels:
        raise too_many_pixels((width, height), max_pixels)
    if found.external or found.is_virtual or _chunk_bytes(found) > _MAX_CHUNK_BYTES:
        raise damaged(MATLAB)
    # MATLAB counts down the columns first.
    return cast(NDArray[Any], found[()]).T


def _image(file: h5py.File, max_pixels: int) -> NDArray[np.float32]:
    for name in _IMAGES:
        values = stored_values(file, name, max_pixels)
        if values is not None:
            check_size(values.shape[1], values.shape[0], max_pixels)
            return values.astype(np.float32)
    raise UnsuitableImage(
        Sentence(
            "This MATLAB file holds no single slice in cjdata.image or in a variable named image. Rename the variable, "
            "or save the slice as PNG."
        )
    )


def _inside(file: h5py.File, name: str) -> h5py.Dataset | None:
    """Return a variable that is in this file itself: links may lead into others."""
    place: Any = file
    for part in name.split("/"):
        if not isinstance(place, h5py.Group) or not isinstance(place.get(part, getlink=True), h5py.HardLink):
            return None
        place = place[part]
    return place if isinstance(place, h5py.Dataset) else None


def _chunk_bytes(found: h5py.Dataset) -> int:
    return int(np.prod(found.chunks or (1,), dtype=np.float64)) * int(found.dtype.itemsize)
