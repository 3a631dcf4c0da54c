"""Read a volume's file, and the second file if its voxels are in another."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from model.errors import ImageError, UnsuitableImage
from model.reading.contents import MriImage, MriVolume, a_volume
from model.reading.research.header import VolumeHeader
from model.reading.research.metaimage import metaimage_header
from model.reading.research.mgh import mgh_header
from model.reading.research.nifti import analyze_header, nifti_header
from model.reading.research.nrrd import nrrd_header
from model.reading.research.voxels import MAX_BYTES_AFTER, check_sizes, read_voxels
from model.reading.signatures import GZIP, VolumeFormat, volume_format
from model.reading.sizes import MAX_VOXELS
from model.sentences import Sentence

_HEADERS: dict[VolumeFormat, Callable[[bytes], VolumeHeader]] = {
    VolumeFormat.NIFTI: nifti_header,
    VolumeFormat.MGH: mgh_header,
    VolumeFormat.ANALYZE: analyze_header,
    VolumeFormat.NRRD: nrrd_header,
    VolumeFormat.META_IMAGE: metaimage_header,
}


def read_volume(
    content: bytes, max_pixels: int, max_voxels: int = MAX_VOXELS, voxels: bytes | None = None
) -> list[MriImage | MriVolume]:
    """Read a file that `volume_format` recognised: one volume, or one for each sequence of a 4-D file.

    voxels: the second file, if there is one.

    Raises:
        TooManyPixels: the header claims more; nothing is decoded.
        UnsuitableImage: of more sequences than MAX_SETS, coloured or complex, labels in place of grey levels, or a
            header without its voxels.
        UnreadableImage: cut off or damaged.
    """
    header = _header_of(content)
    if not header.is_detached:
        return read_voxels(content, header, max_pixels, max_voxels)
    if voxels is None:
        check_sizes(header, max_pixels, max_voxels)
        raise _header_alone(header)
    if _is_packed(voxels, header):
        header = replace(header, compression="deflate")
    return read_voxels(voxels, header, max_pixels, max_voxels)


def read_volume_slice(content: bytes, max_pixels: int) -> MriImage:
    """Read a file of one slice; what more there is, see `read_volume`.

    Raises:
        UnsuitableImage: a volume.
    """
    header = _header_of(content)
    n_slices = header.n_sets * header.oriented_shape()[header.slice_axis()]
    if n_slices > 1 and not header.is_detached:
        raise a_volume(n_slices)
    return cast(MriImage, read_volume(content, max_pixels)[0])


def detached_header(content: bytes) -> VolumeHeader | None:
    """Return the header of a file whose voxels are in another; None for any other file."""
    if not volume_format(content):
        return None
    try:
        header = _header_of(content)
    except ImageError:
        return None
    return header if header.is_detached else None


def fits(header: VolumeHeader, voxels: bytes, is_padded: bool = False) -> bool:
    """Return whether a file may hold the voxels of a header: by its size, of a compressed one by its beginning."""
    if header.compression or _is_packed(voxels, header):
        return not volume_format(voxels) and voxels.startswith((GZIP, b"\x78", b"BZh"))
    n_more = len(voxels) - header.end
    return n_more == 0 or ((is_padded or header.offset < 0) and 0 < n_more <= MAX_BYTES_AFTER)


def _header_of(content: bytes) -> VolumeHeader:
    return _HEADERS[cast(VolumeFormat, volume_format(content))](content)


def _is_packed(voxels: bytes, header: VolumeHeader) -> bool:
    """Return whether a file is compressed although its header, which may be of any file of its name, does not say."""
    return not header.compression and voxels.startswith(GZIP) and len(voxels) < header.end


def _header_alone(header: VolumeHeader) -> UnsuitableImage:
    return UnsuitableImage(
        Sentence(
            "This is the {format} header of a volume, whose voxels are in another file (.img, .raw or .zraw). No file "
            "of their size, {n_bytes} bytes, came with it. Send both files together; for several volumes, send a zip "
            "file.",
            format=header.format,
            n_bytes=header.end,
        )
    )
