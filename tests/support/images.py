"""Small images, drawn and encoded in memory; and the beginnings of files that are not images."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def drawn_slice(side_px: int = 64) -> np.ndarray:
    """Return a bright disc with a brighter spot on black, uint8, shape (side_px, side_px)."""
    y, x = np.mgrid[:side_px, :side_px] / side_px - 0.5
    head = np.where(x**2 + y**2 < 0.16, 90 + 120 * (x + 0.5), 0)
    head[(x - 0.1) ** 2 + (y + 0.1) ** 2 < 0.01] = 250
    return head.astype(np.uint8)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return uint8 noise, shape (height, width), 0..254."""
    return np.random.default_rng(seed).integers(0, 255, (height, width), np.uint8)


def encoded(
    image: Image.Image | np.ndarray, file_format: str = "PNG", mode: str | None = None, **options: object
) -> bytes:
    """Encode a Pillow image or an array; mode: converted to before, as RGB."""
    opened = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    (opened.convert(mode) if mode else opened).save(buffer, file_format, **options)
    return buffer.getvalue()


def png_that_claims(side_px: int) -> bytes:
    """Return a small PNG whose header claims a square of this side; all pixels would decode to zero."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


GOOD = encoded(drawn_slice())
FORMATS = {"JPEG": {}, "PNG": {}, "WEBP": {"lossless": True}, "BMP": {}, "TIFF": {}}
# Beginnings of other kinds of files, long enough to be recognised.
OTHER_KINDS = {
    "text": b"probably an image\n" * 40,
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(200),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "PSD": b"8BPS\x00\x01" + bytes(200),
    "FITS": b"SIMPLE  =                    T" + bytes(200),
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(200),
}
