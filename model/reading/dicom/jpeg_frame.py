"""The header of a frame in a JPEG or JPEG-LS codestream, read without decoding anything."""

import struct
from typing import NamedTuple

# Markers that start a frame's header (SOF) in JPEG and JPEG-LS. Source: ITU-T T.81, table B.1; T.87, C.1.1.
_SOF_MARKERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
LOSSLESS, JPEG_LS = 0xC3, 0xF7
_START = b"\xff\xd8"


class JpegFrame(NamedTuple):
    """marker: which kind of JPEG; n_bits: of each sample."""

    marker: int
    n_bits: int
    height: int
    width: int
    n_components: int


def jpeg_frame(content: bytes) -> JpegFrame | None:
    """Return the header of the first frame; None where there is none."""
    place = 2
    while content.startswith(_START) and place + 10 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in _SOF_MARKERS:
            return JpegFrame(marker, *struct.unpack_from(">BHHB", content, place + 4))
        # A byte 0xFF before a marker fills up.
        place += 1 if marker == 0xFF else 2 + struct.unpack_from(">H", content, place + 2)[0]
    return None
