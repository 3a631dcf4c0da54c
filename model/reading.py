"""Read a picture from bytes or from a path. The content decides on the format, never the name.

DICOM and NIfTI will be further entries of `_READERS`: a test on the first bytes and a function from bytes to MriImage.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model.errors import EmptyFile, TooManyPixels, UnreadableImage, UnsupportedFormat
from model.sentences import Sentence

# A grey picture of this size takes 25 MB; MR slices are rarely above 1024 x 1024.
MAX_PIXELS = 25_000_000
# Thinner pictures are strips of text or damage, not slices, and cost more to resample than to refuse.
MAX_ASPECT_RATIO = 20

FORMATS_IN_WORDS = Sentence("JPEG, PNG, WebP, BMP or TIFF")
_PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_DEEP_MODES = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}


@dataclass(frozen=True, eq=False)
class MriImage:
    """One picture as it was read.

    pixels: uint8, shape (height, width), 0..255, higher is brighter; upright by the EXIF orientation.
    format: the format that the content showed, in Pillow's spelling ("JPEG", "PNG", ...).
    notes: sentences on what was done to the picture that its sender should know.
    """

    pixels: NDArray[np.uint8]
    format: str
    notes: tuple[Sentence, ...] = ()


def read_image(source: bytes | Path, max_pixels: int = MAX_PIXELS) -> MriImage:
    """Read one picture from its bytes, or from the file at a path; both give the same MriImage.

    Raises:
        EmptyFile: there are no bytes.
        UnsupportedFormat: the content is of no known format.
        TooManyPixels: the header claims more than `max_pixels`; nothing is decoded.
        UnreadableImage: the picture is cut off or damaged.
        OSError: the path cannot be read.
    """
    content = source.read_bytes() if isinstance(source, Path) else source
    if not content:
        raise EmptyFile(
            Sentence("Expected a picture. Received an empty file. Save or export the picture again and retry.")
        )
    for is_format, reader in _READERS:
        if is_format(content):
            return reader(content, max_pixels)
    raise UnsupportedFormat(
        Sentence(
            "Expected a {formats} picture. Received a file of another kind. "
            "Export the slice as one of these formats and try again.",
            formats=FORMATS_IN_WORDS,
        )
    )


def _is_picture(content: bytes) -> bool:
    """Tell by the first bytes. Source: the file signatures of the five format specifications."""
    return content.startswith(
        (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
    ) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")


def _read_picture(content: bytes, max_pixels: int) -> MriImage:
    try:
        # max_pixels is checked below, before decoding; Pillow's own softer warning would only repeat it. Its other
        # warnings (damaged metadata) do not concern the pixels.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=_PILLOW_FORMATS) as picture:
                _check_size(picture, max_pixels)
                n_frames = getattr(picture, "n_frames", 1)
                picture.seek(0)
                picture.load()
                upright = ImageOps.exif_transpose(picture)
                pixels = _to_grey(upright)
                picture_format = picture.format or ""
    except TooManyPixels:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(None, max_pixels) from error
    # Pillow's parsers answer damaged files with any of these; SyntaxError is its "broken PNG file".
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise UnreadableImage(
            Sentence(
                "Expected a complete picture. Received one that is cut off or damaged. "
                "Open it in a viewer, save or export it again, and retry."
            )
        ) from error
    several = Sentence("The file holds {n_frames} pictures; only the first was read.", n_frames=n_frames)
    notes = () if n_frames == 1 else (several,)
    return MriImage(pixels, picture_format, notes)


def _check_size(picture: Image.Image, max_pixels: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise _too_many_pixels(picture.size, max_pixels)
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise UnreadableImage(
            Sentence(
                "Expected a slice, about as wide as high. Received {width} x {height} pixels. "
                "Crop the picture to the slice and try again.",
                width=width,
                height=height,
            )
        )


def _too_many_pixels(size: tuple[int, int] | None, max_pixels: int) -> TooManyPixels:
    limit = f"{max_pixels / 1e6:.0f}"
    if size is None:
        return TooManyPixels(
            Sentence(
                "Expected at most {limit} million pixels. Received far more. "
                "Export the slice at a smaller size and try again.",
                limit=limit,
            )
        )
    return TooManyPixels(
        Sentence(
            "Expected at most {limit} million pixels. Received {width} x {height}. "
            "Export the slice at a smaller size and try again.",
            limit=limit,
            width=size[0],
            height=size[1],
        )
    )


def _to_grey(picture: Image.Image) -> NDArray[np.uint8]:
    """Turn any Pillow mode into grey, uint8, (height, width). What is transparent becomes black."""
    if picture.mode in _DEEP_MODES:
        return _stretch_to_uint8(np.asarray(picture, dtype=np.float32))
    if picture.mode in {"LA", "PA", "RGBA", "RGBa", "La"} or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        black = Image.new("RGBA", coloured.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, coloured)
    return np.asarray(picture.convert("L"), dtype=np.uint8)


def _stretch_to_uint8(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Map the finite range of deep pixels (16 or 32 bit, any scale) onto 0..255; NaN and infinity become 0.

    Scanners use 12 of 16 bits, or arbitrary floating-point units, so that the nominal range says nothing.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = values[finite].min(), values[finite].max()
    scaled = np.where(finite, (values - low) / max(high - low, 1e-12) * 255, 0)
    return np.rint(scaled).astype(np.uint8)


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, int], MriImage]], ...] = ((_is_picture, _read_picture),)
