"""The head of `tests.support.heads` in research formats, with only what their readers need."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path

import h5py
import nibabel
import numpy as np
from nibabel.freesurfer.mghformat import MGHImage
from nibabel.nifti1 import Nifti1Pair

from tests.support.heads import head

# The head's axes go to the left, to the back and to the head: LPS.
RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SPACING_MM = (1.0, 1.0, 3.0)


def mgh(values: np.ndarray | None = None, compressed: bool = False) -> bytes:
    stored = (head() if values is None else values).astype(np.int16)
    content = MGHImage(stored, RAS @ np.diag([*SPACING_MM, 1.0])).to_bytes()
    return gzip.compress(content) if compressed else content


def analyze(values: np.ndarray | None = None, orient: int = 0) -> tuple[bytes, bytes]:
    """Return header and voxels; orient: Analyze's byte for the axes' directions."""
    stored = head() if values is None else values
    header = nibabel.AnalyzeHeader()
    header.set_data_dtype(stored.dtype)
    header.set_data_shape(stored.shape)
    header.set_zooms(SPACING_MM)
    block = bytearray(header.binaryblock)
    block[252] = orient
    return bytes(block), stored.tobytes("F")


def nifti_pair() -> tuple[bytes, bytes]:
    pair = Nifti1Pair(head(), RAS @ np.diag([*SPACING_MM, 1.0]))
    files = Nifti1Pair.make_file_map({"header": io.BytesIO(), "image": io.BytesIO()})
    pair.to_file_map(files)
    return files["header"].fileobj.getvalue(), files["image"].fileobj.getvalue()


def nrrd(values: np.ndarray | None = None, encoding: str = "raw", detached: str = "", **fields: str) -> bytes:
    """Return a header and, unless a file's name is given for them, the voxels."""
    stored = head() if values is None else values
    lines = {
        "type": {"int16": "short", "uint8": "unsigned char", "float32": "float"}[stored.dtype.name],
        "dimension": str(stored.ndim), "sizes": " ".join(map(str, stored.shape)), "endian": "little",
        "encoding": encoding, "space": "left-posterior-superior", "space directions": "(1,0,0) (0,1,0) (0,0,3)",
        "space origin": "(-10,-12,-11)",
    } | {name.replace("_", " "): value for name, value in fields.items()}  # fmt: skip
    lines |= {"data file": detached} if detached else {}
    text = "NRRD0004\n# Complete\n" + "".join(f"{name}: {value}\n" for name, value in lines.items() if value)
    packed = {"gzip": gzip.compress, "raw": bytes}[encoding](stored.tobytes("F"))
    return text.encode() + (b"" if detached else b"\n" + packed)


def metaimage(values: np.ndarray | None = None, compressed: bool = False, data: str = "LOCAL", **fields: str) -> bytes:
    """Return a header and, unless a file's name is given for them, the voxels."""
    stored = head() if values is None else values
    lines = {
        "ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
        "CompressedData": str(compressed), "TransformMatrix": "1 0 0 0 1 0 0 0 1", "Offset": "-10 -12 -11",
        "ElementSpacing": "1 1 3", "DimSize": " ".join(map(str, stored.shape)),
        "ElementType": {"int16": "MET_SHORT", "uint8": "MET_UCHAR"}[stored.dtype.name],
    } | fields | {"ElementDataFile": data}  # fmt: skip
    text = "".join(f"{name} = {value}\n" for name, value in lines.items()).encode()
    packed = zlib.compress(stored.tobytes("F")) if compressed else stored.tobytes("F")
    return text + (packed if data == "LOCAL" else b"")


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def matlab(image: np.ndarray | None = None, version: bytes = b"7.3", **cjdata: np.ndarray) -> bytes:
    """Write a file like those of Cheng's collection; cjdata: further values, as MATLAB shows them."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        for name, values in {"image": head()[:, :, 11].T if image is None else image, **cjdata}.items():
            file[f"cjdata/{name}"] = np.asarray(values).T
    return b"MATLAB " + version + b" MAT-file" + buffer.getvalue()[19:]


HEIC = (Path(__file__).parent / "slice.heic").read_bytes()
"""A half-bright ellipse with a spot, 48 x 64 pixels, written by pillow-heif: nothing here encodes HEIC."""
