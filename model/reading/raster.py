"""Images as cameras, scanners and screenshots make them (JPEG, PNG, WebP, TIFF, HEIC, ...), read with Pillow."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import nan

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from model.errors import ImageError, UnreadableImage, UnsupportedFormat
from model.preprocessing import HeadBox, within_margin
from model.reading.contents import MriImage, MriVolume
from model.reading.dicom.jpeg_frame import JPEG_LS, LOSSLESS, jpeg_frame
from model.reading.labels import SHEET_NOTE, check_not_a_blurred_mask, check_not_a_mask, is_sheet
from model.reading.orientation import BY_PERCENTILES, Stack, grey_range, to_content, to_grey
from model.reading.research.heic import as_png
from model.reading.sizes import check_size, check_voxels, too_many_pixels
from model.sentences import Sentence

_PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000")
# These keep the levels of a mask; others blur its edges.
_LOSSLESS = {"PNG", "GIF", "TIFF", "BMP"}
# A copy in text mode, as FTP makes one, puts a carriage return before each line feed. In a JPEG file that is whole, one
# line feed of 256 has one.
_JPEG, _MIN_LINE_ENDS = b"\xff\xd8\xff", 20
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
# TIFF 6.0: the tag that says what a 0 is, and its value for white.
_TIFF_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
# Pillow's names for the layouts of PNG files with 16 bits for each colour and alpha, of which it keeps the high bytes.
_DEEP_LAYOUTS = {"RGB;16B", "RGBA;16B", "LA;16B"}
# Brands of HEIC. Source: ISO/IEC 23008-12, B.4 and 10.2.
_NO_PICTURE = b"\x89PNG"
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# Of the JPEG files that Pillow reads.
_USUAL_BITS = 8
_EXIF_ORIENTATION = 0x0112
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_DEEP_MODES = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
# Exif 2.32, section 4.6.4: Make and Model of the equipment that took the image.
_EXIF_MAKE, _EXIF_MODEL = 0x010F, 0x0110
# Pixels brighter than this, of 255, say whether an image is coloured: in darker ones JPEG's noise looks like colour.
NOT_DARK = 40
# Mean distance in grey levels between the strongest and the weakest of red, green and blue, from which an image is
# coloured. Of 3,645 exported MR slices (sartaj, figshare, br35h) none was above 6.9, and 99 % at 4.3 or below.
COLOURED_FROM = 10.0
# The side to which an image is shrunk at least for that measurement.
_COLOUR_SIDE_PX = 256
# Pillow's parsers raise any of these for damaged files; SyntaxError is its "broken PNG file", RuntimeError of HEIC.
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, OverflowError, RuntimeError)
_STACK_NOTE = Sentence("The pages of the TIFF file were read as the slices of one volume, in their order.")
PHOTOGRAPH_NOTE = Sentence(
    "This looks like a photograph of a screen or a film, or like a coloured image. Reflections, edges and colours "
    "mislead the network: export the slice itself if you can."
)


MARGIN_NOTE = Sentence("A wide margin of the image was cut off, with any caption in it.")


def is_picture(content: bytes) -> bool:
    """Return whether the first bytes are those of one of these formats. Source: the specification of each."""
    return (
        content.startswith(
            (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", *_TIFF, b"GIF8", b"\0\0\0\x0cjP  \r\n", b"\xff\x4f\xff\x51")
        )
        or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")
        or (content[4:8] == b"ftyp" and content[8:12] in {b"avif", b"avis"} | _HEIC)
    )


def read_picture(content: bytes, max_pixels: int) -> MriImage:
    """Read the first image of a file that `is_picture` recognised.

    Raises:
        TooManyPixels: the header claims more than `max_pixels`; nothing is decoded.
        UnreadableImage: the image is cut off or damaged.
        UnsuitableImage: it is a mask or a label map.
        UnsupportedFormat: it is a colour JPEG of more than 8 bits, or without loss.
    """
    if content.startswith(_JPEG) and content.count(b"\n") == content.count(b"\r\n") >= _MIN_LINE_ENDS:
        raise UnreadableImage(
            Sentence("This JPEG file was changed while it was copied as if it were text. Copy it again in binary mode.")
        )
    frame = jpeg_frame(content)
    is_unusual = frame is not None and (frame.n_bits != _USUAL_BITS or frame.marker in {LOSSLESS, JPEG_LS})
    if frame and is_unusual and frame.n_components > 1:
        raise UnsupportedFormat(
            Sentence(
                "A colour JPEG of {n_bits} bits, or without loss, is not supported. Export the image as PNG or as an "
                "8-bit JPEG.",
                n_bits=frame.n_bits,
            )
        )
    if frame and is_unusual:
        # Imported only for such a file: see model.reading.signatures.
        from model.reading.dicom.deep_jpeg import read_deep_jpeg

        return read_deep_jpeg(content, frame, max_pixels)
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC:
        return _read_heic(content, max_pixels)
    with _damage_translated(max_pixels), Image.open(io.BytesIO(content), formats=_PILLOW_FORMATS) as picture:
        check_size(*picture.size, max_pixels)
        n_frames = getattr(picture, "n_frames", 1)
        picture.seek(0)
        layout = picture.tile[0].args if picture.format == "PNG" and picture.tile else ""
        picture.load()
        is_photograph = _names_a_camera(picture) or _is_coloured(picture)
        picture_format = picture.format or ""
        upright = _with_all_bits(content, picture, layout) if layout in _DEEP_LAYOUTS else picture
        ImageOps.exif_transpose(upright, in_place=True)
        pixels = _to_grey(upright)
    if picture_format in _LOSSLESS:
        check_not_a_mask(pixels)
    else:
        check_not_a_blurred_mask(pixels)
    height, width = pixels.shape
    has_margin = within_margin(pixels) != HeadBox(0, height, 0, width)
    return MriImage(pixels, picture_format, _notes(n_frames, is_photograph, has_margin, is_sheet(pixels)))


def _read_heic(content: bytes, max_pixels: int) -> MriImage:
    png = as_png(content, max_pixels)
    if png is None:
        raise too_many_pixels(None, max_pixels)
    return replace(read_picture(png or _NO_PICTURE, max_pixels), format="HEIF")


def read_stack(content: bytes, max_pixels: int, max_voxels: int) -> MriImage | MriVolume | None:
    """Read the pages of a TIFF file as slices of a volume; None for another file, one page, or pages of several sizes.

    Raises:
        TooManyPixels, UnreadableImage: as `read_picture`.
    """
    if not content.startswith(_TIFF):
        return None
    with _damage_translated(max_pixels), Image.open(io.BytesIO(content), formats=("TIFF",)) as picture:
        n_pages, (width, height) = getattr(picture, "n_frames", 1), picture.size
        check_size(width, height, max_pixels)
        if n_pages < 2:
            return None
        check_voxels(n_pages * width * height, max_voxels)
        pages = []
        for i in range(n_pages):
            picture.seek(i)
            if picture.size != (width, height):
                return None
            is_deep = picture.mode in _DEEP_MODES
            pages.append(np.asarray(picture, np.float32) * _sign(picture) if is_deep else _to_grey(picture))
    low, high = grey_range([page.astype(np.float32) for page in pages])
    stack = Stack(np.stack([to_grey(page.astype(np.float32), low, high) for page in pages]), None, (nan, nan, nan))
    return to_content(stack, "TIFF", [_STACK_NOTE], BY_PERCENTILES)


@contextmanager
def _damage_translated(max_pixels: int) -> Iterator[None]:
    """Translate Pillow's errors on damaged files into UnreadableImage, and silence its warnings.

    max_pixels is checked before decoding; Pillow's own softer warning would only repeat it. Its other warnings (damaged
    metadata) do not concern the pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise too_many_pixels(None, max_pixels) from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(
            Sentence(
                "This image is cut off or damaged, or of a rare kind such as TIFF with 64 bits for each pixel. "
                "Open it in a viewer and save it as PNG."
            )
        ) from error
    except _DAMAGE as error:
        raise UnreadableImage(
            Sentence("This image is cut off or damaged. Open it in a viewer, then save or export it again.")
        ) from error


def _notes(n_frames: int, is_photograph: bool, has_margin: bool, is_of_many: bool) -> tuple[Sentence, ...]:
    several = Sentence("The file holds {n_frames} images; only the first was read.", n_frames=n_frames)
    given = (
        (n_frames > 1, several),
        (is_photograph, PHOTOGRAPH_NOTE),
        (has_margin, MARGIN_NOTE),
        (is_of_many, SHEET_NOTE),
    )
    return tuple(note for is_true, note in given if is_true)


def _names_a_camera(picture: Image.Image) -> bool:
    """Return whether EXIF names the equipment. The name itself is not read: it may identify the owner."""
    exif = picture.getexif()
    return _EXIF_MAKE in exif or _EXIF_MODEL in exif


def _is_coloured(picture: Image.Image) -> bool:
    """Return whether an image is coloured, and not a grey one stored in colours."""
    if picture.mode in _DEEP_MODES or picture.mode in {"1", "L", "LA", "La"}:
        return False
    coloured = picture if picture.mode == "RGB" else picture.convert("RGBA").convert("RGB")
    red, green, blue = coloured.reduce(-(-max(coloured.size) // _COLOUR_SIDE_PX)).split()
    strongest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    weakest = ImageChops.darker(ImageChops.darker(red, green), blue)
    distances = np.asarray(ImageChops.subtract(strongest, weakest))[np.asarray(strongest) > NOT_DARK]
    return distances.size > 0 and float(distances.mean()) > COLOURED_FROM


def _with_all_bits(content: bytes, picture: Image.Image, layout: str) -> Image.Image:
    """Return a PNG file's colours as grey levels of all 16 bits, over black where there is alpha; mode F."""
    if layout == "LA;16B":
        # Four bytes for each pixel, as RGBA has them.
        first, second, third, fourth = np.moveaxis(_decoded_as(content, "RGBA", "RGBA"), 2, 0)
        grey, alpha = 256 * first + second, 256 * third + fourth
    else:
        low_bytes = layout.replace("16B", "16L")
        values = 256 * _decoded_as(content, picture.mode, layout) + _decoded_as(content, picture.mode, low_bytes)
        grey, alpha = values[..., :3] @ _LUMA, values[..., 3] if values.shape[2] > 3 else np.float32(65535)
    deep = Image.fromarray(grey * alpha / np.float32(65535))
    deep.getexif()[_EXIF_ORIENTATION] = picture.getexif().get(_EXIF_ORIENTATION, 1)
    return deep


def _decoded_as(content: bytes, mode: str, layout: str) -> NDArray[np.float32]:
    """Decode a PNG file as if its pixels had another layout of as many bytes: float32 (height, width, channels)."""
    with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
        picture._mode = mode
        picture.tile = [picture.tile[0]._replace(args=layout)]
        return np.asarray(picture, np.float32)


def _sign(picture: Image.Image) -> np.float32:
    """Return -1 for a TIFF file of deep pixels whose 0 is white; Pillow turns negatives of 8 bits itself."""
    is_negative = getattr(picture, "tag_v2", {}).get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO
    return np.float32(-1 if is_negative else 1)


def _to_grey(picture: Image.Image) -> NDArray[np.uint8]:
    """Turn any Pillow mode into grey, uint8, (height, width). What is transparent becomes black."""
    if picture.mode in _DEEP_MODES:
        values = np.asarray(picture, dtype=np.float32) * _sign(picture)
        return to_grey(values, *grey_range([values]))
    if picture.mode in {"LA", "PA", "RGBA", "RGBa", "La"} or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        black = Image.new("RGBA", coloured.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, coloured)
    return np.asarray(picture.convert("L"), dtype=np.uint8)
