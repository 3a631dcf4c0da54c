"""Recognise DICOM and volume formats by their first bytes, without the libraries that read them.

Those take memory and time to import, so a process imports them only when it has such a file.
"""

import re
import struct
import zlib
from enum import StrEnum
from typing import Literal

# What a file without preamble starts with: groups 0002 or 0008, whose first elements are these.
_FIRST_GROUPS, _LAST_FIRST_ELEMENT, _LONGEST_FIRST_VALUE = (0x0002, 0x0008), 0x0018, 1024
_FIRST_VRS = {b"UI", b"CS", b"UL", b"OB", b"DA", b"TM", b"SH", b"LO"}
GZIP = b"\x1f\x8b"
# zlib: a gzip header and trailer around the stream.
GZIP_BITS = 16 + zlib.MAX_WBITS
# By size of the header, which is its first number: where its magic is, and the magics of one file and of a pair.
NIFTI_MAGICS = {348: (344, b"n+1\0", b"ni1\0"), 540: (4, b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n")}
_HEADER_BYTES = 540
# How MATLAB files of version 7.3, and of those before, begin. Source: MAT-File Format, MathWorks.
MATLAB_HDF5, MATLAB_OLDER = b"MATLAB 7.3 MAT-file", b"MATLAB 5.0 MAT-file"
# HDF5 as such, and where the names of its first groups are.
_HDF5, _MAX_HDF5_NAMES_BYTES = b"\x89HDF\r\n\x1a\n", 65_536
_NRRD = b"NRRD000"
_META_IMAGE = re.compile(rb"(ObjectType|ObjectSubType|Comment|NDims)[ \t]*=.*", re.DOTALL)
# Of MGH: version 1, the numbers of its types, and the most voxels along an axis.
_MGH_TYPES, _MGH_MAX_LENGTH = {0, 1, 3, 4}, 100_000


class VolumeFormat(StrEnum):
    """Formats of volumes other than DICOM, as people call them."""

    NIFTI = "NIfTI"
    MGH = "MGH"
    ANALYZE = "Analyze"
    NRRD = "NRRD"
    META_IMAGE = "MetaImage"


def is_dicom(content: bytes) -> bool:
    """Return whether "DICM" follows the preamble, or a file without one starts with a DICOM element.

    Source: DICOM PS3.10, 7.1; files from before it, and of some archives, start with group 0008.
    """
    return content[128:132] == b"DICM" or (
        _starts_with_an_element(content, "little") or _starts_with_an_element(content, "big")
    )


def _starts_with_an_element(content: bytes, order: Literal["little", "big"]) -> bool:
    group, element = int.from_bytes(content[:2], order), int.from_bytes(content[2:4], order)
    if len(content) < 8 or group not in _FIRST_GROUPS or element > _LAST_FIRST_ELEMENT:
        return False
    is_implicit = order == "little" and int.from_bytes(content[4:8], order) <= _LONGEST_FIRST_VALUE
    return content[4:6] in _FIRST_VRS or is_implicit


def is_matlab(content: bytes) -> bool:
    """Return whether it is MATLAB; Cheng's files saved by other programs are plain HDF5 with "cjdata" in it."""
    is_rewritten = content.startswith(_HDF5) and b"cjdata" in content[:_MAX_HDF5_NAMES_BYTES]
    return content.startswith((MATLAB_HDF5, MATLAB_OLDER)) or is_rewritten


def volume_format(content: bytes) -> VolumeFormat | None:
    """Return the format of a volume, or of the header of one; of gzip by its first bytes after inflating."""
    head = first_bytes(content)
    if _is_nifti(head):
        return VolumeFormat.NIFTI
    if _is_mgh(head):
        return VolumeFormat.MGH
    if _is_analyze(head):
        return VolumeFormat.ANALYZE
    if content.startswith(_NRRD):
        return VolumeFormat.NRRD
    return VolumeFormat.META_IMAGE if _META_IMAGE.match(content, 0, _HEADER_BYTES) else None


def _is_nifti(head: bytes) -> bool:
    """Check the header's size and magic."""
    if len(head) < 4 or not (size := header_size(head)):
        return False
    place, *magics = NIFTI_MAGICS[size]
    # A file cut off before its magic is NIfTI as far as it goes.
    magic = head[place : place + len(magics[0])]
    return any(candidate.startswith(magic) for candidate in magics)


def _is_mgh(head: bytes) -> bool:
    """Check the version, that the lengths are possible, and that the number type is known."""
    if len(head) < 24:
        return False
    version, *lengths, number_type = struct.unpack(">6i", head[:24])
    return version == 1 and all(0 < n < _MGH_MAX_LENGTH for n in lengths) and number_type in _MGH_TYPES


def _is_analyze(head: bytes) -> bool:
    """Check the header's size and its number of axes in the same byte order; there is no magic."""
    if len(head) < 348 or header_size(head) != 348:
        return False
    order = "<" if head[0] else ">"
    n_axes: int = struct.unpack(order + "h", head[40:42])[0]
    return 1 <= n_axes <= 7


def first_bytes(content: bytes) -> bytes:
    """Return as many bytes as the longer header has, of gzip after inflating; none where that is damaged."""
    if not content.startswith(GZIP):
        return content[:_HEADER_BYTES]
    try:
        return zlib.decompressobj(GZIP_BITS).decompress(content[:65_536], _HEADER_BYTES)
    except zlib.error:
        return b""


def header_size(head: bytes) -> int:
    """Return 348 or 540, whatever the byte order of a NIfTI header of four bytes or more is; 0 where it is none."""
    sizes = {int(struct.unpack(order + "i", head[:4])[0]) for order in "<>"}
    return next(iter(sizes & NIFTI_MAGICS.keys()), 0)
