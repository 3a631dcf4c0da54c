"""Read an image from bytes or from a path. The content decides the format, never the name."""

from collections.abc import Callable
from pathlib import Path

from model.errors import EmptyFile, UnsupportedFormat
from model.reading.contents import MriImage as MriImage
from model.reading.other_kinds import what_it_is
from model.reading.raster import is_picture, read_picture
from model.reading.signatures import is_dicom, is_matlab, volume_format
from model.reading.sizes import MAX_PIXELS as MAX_PIXELS
from model.sentences import Sentence

FORMATS_IN_WORDS = Sentence(
    "JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, HEIC, JPEG 2000, DICOM, NIfTI, MGH, Analyze, NRRD, MetaImage or MATLAB 7.3"
)


def read_image(source: bytes | Path, max_pixels: int = MAX_PIXELS) -> MriImage:
    """Read one image from its bytes, or from the file at a path; both give the same MriImage.

    Raises:
        EmptyFile: there are no bytes.
        UnsupportedFormat: the content is of no known format.
        TooManyPixels: the header claims more than `max_pixels`; nothing is decoded.
        UnreadableImage: the image is cut off or damaged.
        UnsuitableImage: a volume, which `read_files` reads, or a file of no MR slice.
        OSError: the path cannot be read.
    """
    content = source.read_bytes() if isinstance(source, Path) else source
    if not content:
        raise EmptyFile(Sentence("This file is empty. Save or export the image again."))
    for is_format, reader in _READERS:
        if is_format(content):
            return reader(content, max_pixels)
    raise UnsupportedFormat(
        what_it_is(content)
        or Sentence(
            "This file is in none of the formats that are read here: {formats}. Export the slice in one of them. "
            "Voxels alone, such as .img, .raw, .REC or .BRIK, need the header beside them: send both, or NIfTI.",
            formats=FORMATS_IN_WORDS,
        )
    )


def _read_dicom(content: bytes, max_pixels: int) -> MriImage:
    # Imported only for a DICOM file: see model.reading.signatures.
    from model.reading.dicom.series import read_dicom_slice

    return read_dicom_slice(content, max_pixels)


def _read_matlab(content: bytes, max_pixels: int) -> MriImage:
    from model.reading.research.matlab import read_matlab

    return read_matlab(content, max_pixels)


def _read_volume(content: bytes, max_pixels: int) -> MriImage:
    from model.reading.research.reader import read_volume_slice

    return read_volume_slice(content, max_pixels)


# DICOM comes first: its preamble may be that of a TIFF file, which most viewers of DICOM also ignore.
_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, int], MriImage]], ...] = (
    (is_dicom, _read_dicom),
    (is_picture, read_picture),
    (is_matlab, _read_matlab),
    (lambda content: volume_format(content) is not None, _read_volume),
)
