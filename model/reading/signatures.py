"""Tell DICOM and NIfTI by their first bytes, without the libraries that read them.

Those take memory and time to import: a process has them only once there is something for them to read.
"""

import struct
import zlib
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


def is_dicom(content: bytes) -> bool:
    """Tell by "DICM" after the preamble, or by the first element of a file without one.

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


def is_nifti(content: bytes) -> bool:
    """Tell by the header's size and magic, of gzip by those of its first bytes."""
    head = first_bytes(content)
    if len(head) < 4 or not (size := header_size(head)):
        return False
    place, *magics = NIFTI_MAGICS[size]
    # A file cut off before its magic is NIfTI as far as it goes.
    magic = head[place : place + len(magics[0])]
    return any(candidate.startswith(magic) for candidate in magics)


def first_bytes(content: bytes) -> bytes:
    """Give as many bytes as the longer header has, of gzip after inflating; none where that is damaged."""
    if not content.startswith(GZIP):
        return content[:_HEADER_BYTES]
    try:
        return zlib.decompressobj(GZIP_BITS).decompress(content[:65_536], _HEADER_BYTES)
    except zlib.error:
        return b""


def header_size(head: bytes) -> int:
    """Give 348 or 540, whatever the byte order of a NIfTI header of four bytes or more is; 0 where it is none."""
    sizes = {int(struct.unpack(order + "i", head[:4])[0]) for order in "<>"}
    return next(iter(sizes & NIFTI_MAGICS.keys()), 0)
