"""JPEG files of more than 8 bits, or without loss, which Pillow does not read and DICOM's decoder does."""

import io

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLosslessSV1, JPEGLSLossless, SecondaryCaptureImageStorage, generate_uid

from model.errors import UnreadableImage
from model.reading.contents import MriImage, damaged
from model.reading.dicom.decoder import Decoder
from model.reading.dicom.jpeg_frame import JPEG_LS, JpegFrame
from model.reading.orientation import BY_PERCENTILES, grey_range, to_grey
from model.reading.sizes import check_size

# Source: ITU-T T.81, table B.2, lossless.
_BITS = range(2, 17)


def read_deep_jpeg(content: bytes, frame: JpegFrame, max_pixels: int) -> MriImage:
    """Read a grey JPEG file of such a frame.

    Raises:
        TooManyPixels: the header claims more than `max_pixels`; nothing is decoded.
        UnreadableImage: cut off or damaged.
    """
    check_size(frame.width, frame.height, max_pixels)
    if frame.n_bits not in _BITS:
        raise damaged("JPEG")
    try:
        with Decoder() as decoder:
            values = decoder.pixels(_as_dicom(content, frame)).astype(np.float32)
    except UnreadableImage as error:
        raise damaged("JPEG") from error
    return MriImage(to_grey(values, *grey_range([values])), "JPEG", steps=(BY_PERCENTILES,))


def _as_dicom(content: bytes, frame: JpegFrame) -> bytes:
    """Return the codestream as the pixels of a DICOM file; gdcm decodes JPEG of any kind as JPEGLosslessSV1."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.Rows, dataset.Columns = frame.height, frame.width
    dataset.BitsAllocated, dataset.BitsStored = 8 if frame.n_bits <= 8 else 16, frame.n_bits
    dataset.HighBit = frame.n_bits - 1
    dataset.PixelData = encapsulate([content])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless if frame.marker == JPEG_LS else JPEGLosslessSV1
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
