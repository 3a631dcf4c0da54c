"""Small valid files of every readable format, for tests and `make fuzz` to damage."""

import functools
import io
import zipfile
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image
from pydicom.data import get_testdata_file

from tests.support.formats import research
from tests.support.heads import dicom, nifti

_DICOM_SAMPLES = (
    "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm", "MR_small_implicit.dcm",
    "MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm", "MR_small_padded.dcm", "SC_rgb_rle_2frame.dcm",
    "JPGExtended.dcm", "JPEG-lossy.dcm", "693_J2KI.dcm",
)  # fmt: skip
# Each of these starts a process, which takes a second: too slow for many.
DECODED_IN_A_CHILD = {
    "MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm", "JPGExtended.dcm", "JPEG-lossy.dcm", "693_J2KI.dcm",
    "heic",
}  # fmt: skip
_PICTURES = {
    "png": ("L", "PNG", {}), "png in colours": ("RGB", "PNG", {}), "png with a palette": ("P", "PNG", {}),
    "png of 1 bit": ("1", "PNG", {}), "png of 16 bits": ("I;16", "PNG", {}), "jpeg": ("L", "JPEG", {}),
    "progressive jpeg": ("RGB", "JPEG", {"progressive": True}), "jpeg of four colours": ("CMYK", "JPEG", {}),
    "webp": ("RGB", "WEBP", {}), "lossless webp": ("RGBA", "WEBP", {"lossless": True}), "bmp": ("L", "BMP", {}),
    "tiff": ("L", "TIFF", {}), "lzw tiff": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "deflated tiff": ("L", "TIFF", {"compression": "tiff_adobe_deflate"}), "float tiff": ("F", "TIFF", {}),
}  # fmt: skip


@functools.cache
def seeds() -> dict[str, bytes]:
    """Return the files by format."""
    pixels = np.random.default_rng(19).integers(0, 255, (32, 32), np.uint8)
    found = {name: _picture(pixels, *how) for name, how in _PICTURES.items()}
    found |= {name: Path(get_testdata_file(name)).read_bytes() for name in _DICOM_SAMPLES}
    found["made DICOM"] = dicom(pixels.astype(np.uint16))
    found |= {
        "nifti": nifti(), "nifti.gz": nifti(compressed=True), "nifti-2": nifti(kind=nibabel.Nifti2Image),
    }  # fmt: skip
    found |= {
        "mgh": research.mgh(), "mgz": research.mgh(compressed=True), "analyze header": research.analyze()[0],
        "analyze pair": research.zipped(dict(zip(("a.hdr", "a.img"), research.analyze(), strict=True))),
        "nrrd": research.nrrd(), "gzipped nrrd": research.nrrd(encoding="gzip"),
        "matlab": research.matlab(), "heic": research.HEIC,
        "mha": research.metaimage(), "compressed mha": research.metaimage(compressed=True),
    }  # fmt: skip
    return found | {"zip": _zipped(found["png"], found["MR_small.dcm"])}


def _picture(pixels: np.ndarray, mode: str, picture_format: str, options: dict[str, object]) -> bytes:
    picture = (
        Image.fromarray(pixels.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    )
    buffer = io.BytesIO()
    picture.save(buffer, picture_format, **options)
    return buffer.getvalue()


def _zipped(*contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, content in enumerate(contents):
            archive.writestr(str(i), content)
    return buffer.getvalue()
