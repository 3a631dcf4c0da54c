"""Pictures as cameras, scanners and screenshots make them: JPEG, PNG, WebP, BMP and TIFF, read with Pillow."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from model.errors import ImageError, UnreadableImage
from model.reading.contents import MriImage
from model.reading.sizes import check_size, too_many_pixels
from model.sentences import Sentence

_PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_DEEP_MODES = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
# Exif 2.32, section 4.6.4: Make and Model of the equipment that took the picture.
_EXIF_MAKE, _EXIF_MODEL = 0x010F, 0x0110
# Pixels brighter than this, of 255, say whether a picture is coloured: in darker ones JPEG's noise looks like colour.
NOT_DARK = 40
# Mean distance in grey levels between the strongest and the weakest of red, green and blue, from which a picture is
# coloured. Of 3,645 exported MR slices (sartaj, figshare, br35h) none was above 6.9, and 99 % at 4.3 or below.
COLOURED_FROM = 10.0
# The side to which a picture is shrunk at least for that measurement.
_COLOUR_SIDE_PX = 256
PHOTOGRAPH_NOTE = Sentence(
    "This looks like a photograph of a screen or a film, or like a coloured picture. Reflections, edges and colours "
    "mislead the network: export the slice itself if you can."
)


def is_picture(content: bytes) -> bool:
    """Tell by the first bytes. Source: the file signatures of the five format specifications."""
    return content.startswith(
        (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
    ) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")


def read_picture(content: bytes, max_pixels: int) -> MriImage:
    """Read the first picture of a file that `is_picture` recognised.

    Raises:
        TooManyPixels: the header claims more than `max_pixels`; nothing is decoded.
        UnreadableImage: the picture is cut off or damaged.
    """
    try:
        # max_pixels is checked below, before decoding; Pillow's own softer warning would only repeat it. Its other
        # warnings (damaged metadata) do not concern the pixels.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=_PILLOW_FORMATS) as picture:
                check_size(*picture.size, max_pixels)
                n_frames = getattr(picture, "n_frames", 1)
                picture.seek(0)
                picture.load()
                is_photograph = _names_a_camera(picture) or _is_coloured(picture)
                ImageOps.exif_transpose(picture, in_place=True)
                pixels = _to_grey(picture)
                picture_format = picture.format or ""
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise too_many_pixels(None, max_pixels) from error
    # Pillow's parsers answer damaged files with any of these; SyntaxError is its "broken PNG file".
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise UnreadableImage(
            Sentence(
                "Expected a complete picture. Received one that is cut off or damaged. "
                "Open it in a viewer, save or export it again, and retry."
            )
        ) from error
    return MriImage(pixels, picture_format, _notes(n_frames, is_photograph))


def _notes(n_frames: int, is_photograph: bool) -> tuple[Sentence, ...]:
    several = Sentence("The file holds {n_frames} pictures; only the first was read.", n_frames=n_frames)
    return ((several,) if n_frames > 1 else ()) + ((PHOTOGRAPH_NOTE,) if is_photograph else ())


def _names_a_camera(picture: Image.Image) -> bool:
    """Tell whether EXIF names the equipment. Which one it is stays unread: it may tell whose it is."""
    exif = picture.getexif()
    return _EXIF_MAKE in exif or _EXIF_MODEL in exif


def _is_coloured(picture: Image.Image) -> bool:
    """Tell a coloured picture from a grey one that is only stored in colours."""
    if picture.mode in _DEEP_MODES or picture.mode in {"1", "L", "LA", "La"}:
        return False
    coloured = picture if picture.mode == "RGB" else picture.convert("RGBA").convert("RGB")
    red, green, blue = coloured.reduce(-(-max(coloured.size) // _COLOUR_SIDE_PX)).split()
    strongest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    weakest = ImageChops.darker(ImageChops.darker(red, green), blue)
    distances = np.asarray(ImageChops.subtract(strongest, weakest))[np.asarray(strongest) > NOT_DARK]
    return distances.size > 0 and float(distances.mean()) > COLOURED_FROM


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
