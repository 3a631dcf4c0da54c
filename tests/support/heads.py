"""A head that differs in every direction, written as DICOM slices and as NIfTI files of any orientation."""

import gzip
import io
from pathlib import Path

import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from model.reading.contents import MriVolume
from model.reading.many_files import read_files

# Vectors along a row, along a column, and to the next slice, in patient coordinates, as scanners store each plane.
STORED = {
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
    "axial, head first prone": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "axial, turned by a quarter": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    "sagittal, face to the right": ((0, -1, 0), (0, 0, -1), (1, 0, 0)),
}


def head() -> np.ndarray:
    """Return int16, shape (20, 24, 22): x to the left, y to the back, z to the head; a bright spot left, front, top."""
    x, y, z = np.mgrid[-1:1:20j, -1:1:24j, -1:1:22j]
    values = np.where(x**2 + y**2 + z**2 < 0.8, 300 + 100 * x - 60 * y + 40 * z, 0)
    values[(x - 0.4) ** 2 + (y + 0.4) ** 2 + (z - 0.4) ** 2 < 0.04] = 900
    return values.astype(np.int16)


def upright(plane: str) -> np.ndarray:
    """Return the head's slices as they must be shown, by hand-written axes, not by our code."""
    return {
        "axial": head().transpose(2, 1, 0),
        "coronal": head().transpose(1, 2, 0)[:, ::-1],
        "sagittal": head().transpose(0, 2, 1)[::-1, ::-1],
    }[plane]


def grey(values: np.ndarray) -> np.ndarray:
    """Stretch the percentiles 0.5 and 99.5 of all values to 0..255, uint8."""
    low, high = np.percentile(values, (0.5, 99.5))
    return np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def dicom(pixels: np.ndarray, **elements: object) -> bytes:
    """Write a file of one MR slice, or of frames, int16 or uint16; elements by keyword, None leaves one out."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, generate_uid()
    dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MR", "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return as_file(dataset)


def as_file(dataset: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def series(stored: str = "axial", uid: str = "1.2.3", spacing_mm: float = 1.0, **elements: object) -> list[bytes]:
    """Write the head as a series of single slices in one of the orientations of STORED, ordered by place."""
    row, column, slice_ = (np.array(vector) for vector in STORED[stored])
    voxels = head()
    axes = [int(np.abs(vector).argmax()) for vector in (slice_, column, row)]
    signs = [int(vector.sum()) for vector in (slice_, column, row)]
    slices = voxels.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)]
    origin = sum(-vector * (n - 1) / 2 for vector, n in zip((slice_, column, row), slices.shape, strict=True))
    return [
        dicom(
            pixels,
            **{
                "SeriesInstanceUID": uid, "ImageOrientationPatient": [*map(float, (*row, *column))],
                "ImagePositionPatient": [*map(float, origin + i * spacing_mm * slice_)], "PixelSpacing": [1, 1],
                "InstanceNumber": 1, **elements,
            },
        )
        for i, pixels in enumerate(slices)
    ]  # fmt: skip


def nifti(
    orientation: str = "RAS", spacing_mm: tuple[float, float, float] = (1, 1, 1), values: np.ndarray | None = None,
    compressed: bool = False, kind: type = nibabel.Nifti1Image,
) -> bytes:  # fmt: skip
    """Write the head (or other values on its axes), stored along the axes named, with spacings along x, y, z."""
    ras = (head() if values is None else values)[::-1, ::-1]
    image = kind(ras, np.diag([*spacing_mm, 1.0]))
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(orientation))
    content = image.as_reoriented(turn).to_bytes()
    return gzip.compress(content) if compressed else content


def pydicom_file(name: str) -> bytes:
    """Return one of pydicom's files."""
    return Path(get_testdata_file(name)).read_bytes()


def volume_of(contents: list[bytes]) -> MriVolume:
    """Read the files of one volume."""
    (reading,) = read_files(contents)
    assert isinstance(reading.content, MriVolume), reading.content
    return reading.content


SLICE = head()[:, :, 11]
MR_SMALL = pydicom_file("MR_small.dcm")
