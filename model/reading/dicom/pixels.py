"""From the encoded pixels of a DICOM file to stored values, one array per frame."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from model.errors import UnreadableImage, UnsuitableImage, UnsupportedFormat
from model.reading.dicom.decoder import Decoder
from model.reading.dicom.header import (
    PIXEL_TAGS,
    Frame,
    Header,
    damage_translated,
    damaged,
    read_dataset,
    with_usual_values,
)
from model.reading.dicom.jpeg_frame import jpeg_frame
from model.reading.dicom.suitability import SLICES, SOP_CLASSES
from model.sentences import Sentence

# Luma of red, green and blue. Source: ITU-R BT.601, as Pillow's grey.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_NO_KNOWN_CLASS = Sentence("a report, a directory, or the first part of a file")
# SOC and SIZ, with which a JPEG 2000 codestream starts; boxes around it are not allowed.
# Source: ITU-T T.800, A.4.1, A.5.1; DICOM PS3.5, A.4.4.
_JPEG_2000_START = b"\xff\x4f\xff\x51"


@dataclass(frozen=True, eq=False)
class Slice:
    """One frame as it was stored; stored: any number type, shape (height, width)."""

    stored: NDArray[Any]
    frame: Frame
    header: Header

    def values(self) -> NDArray[np.float32]:
        """Return the scanner's values, float32, shape (height, width), any unit; NaN outside of the image."""
        with np.errstate(over="ignore", invalid="ignore"):
            values: NDArray[np.float32] = (self.stored * np.float64(self.frame.slope) + self.frame.intercept).astype(
                np.float32
            )
        padding = self.header.padding or _undeclared_padding(self.stored)
        if padding is not None and not self.header.is_coloured:
            low, high = padding
            is_padding = (self.stored >= low) & (self.stored <= high)
            # A file whose padding would leave nothing does not mean it.
            if not is_padding.all():
                values[is_padding] = np.nan
        return values


def _undeclared_padding(stored: NDArray[Any]) -> tuple[int, int] | None:
    """Return the lowest or highest number of 16 bits or more where all four corners hold it: no measured value."""
    corners = {int(corner) for corner in stored[:: len(stored) - 1 or 1, :: stored.shape[1] - 1 or 1].flat}
    if stored.dtype.kind not in "iu" or stored.dtype.itemsize < 2 or len(corners) > 1:
        return None
    value, limits = corners.pop(), np.iinfo(stored.dtype)
    return (value, value) if value in {limits.min, limits.max} - {0} else None


def decode(content: bytes, header: Header, decoder: Decoder) -> list[Slice]:
    """Decode all frames of a file whose size was found bearable.

    Raises:
        UnsupportedFormat: nothing here decodes its transfer syntax.
        UnsuitableImage: it holds no pixels.
        UnreadableImage: it is cut off or damaged.
    """
    dataset = read_dataset(content, PIXEL_TAGS)
    with damage_translated():
        with_usual_values(dataset)
        if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
            raise UnsupportedFormat(
                Sentence("The pixels of this DICOM file are floating-point numbers. Export it with whole numbers.")
            )
        if not dataset.get("PixelData"):
            raise no_pixels(header)
        syntax = _transfer_syntax(dataset)
        _check_decodable(syntax)
        if syntax.is_encapsulated and syntax != RLELossless:
            _check_codestreams(dataset)
            decoded = decoder.pixels(content)
        else:
            decoded = _all_bits(dataset)
        stored = _stored_values(decoded, dataset, header)
        return [Slice(s, frame, header) for s, frame in zip(stored, header.frames(), strict=True)]


def no_pixels(header: Header) -> UnreadableImage | UnsuitableImage:
    """Return the refusal of a file without pixels: damaged if it describes some, else what it is."""
    if header.sop_class in SLICES or (header.rows and header.sop_class not in SOP_CLASSES):
        return damaged()
    return UnsuitableImage(
        Sentence(
            "This DICOM file holds no image: it is {kind}. Send the slices themselves.",
            kind=SOP_CLASSES.get(header.sop_class, _NO_KNOWN_CLASS),
        )
    )


def _check_decodable(syntax: UID) -> None:
    try:
        is_available = get_decoder(syntax).is_available
    except NotImplementedError:
        is_available = False
    if not is_available:
        raise UnsupportedFormat(
            Sentence(
                "The transfer syntax {syntax} of this DICOM file cannot be decoded here. Export it uncompressed "
                "(Explicit VR Little Endian).",
                # An unregistered number is not repeated: it can be anything.
                syntax=Sentence("one that is unknown") if syntax.name == syntax else str(syntax.name),
            )
        )


def _transfer_syntax(dataset: Dataset) -> UID:
    """Return the transfer syntax, and write it into the file's meta information where that lacks it."""
    meta = getattr(dataset, "file_meta", None)
    if meta is None or "TransferSyntaxUID" not in meta:
        is_implicit, is_little_endian = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else explicit
    return UID(dataset.file_meta.TransferSyntaxUID)


def _check_codestreams(dataset: Dataset) -> None:
    """Refuse a file whose compressed frames are of another size than it says: decoders would make room for it."""
    expected = (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)
    for frame in generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)):
        if _codestream_shape(frame) != expected:
            raise damaged()


def _codestream_shape(frame: bytes) -> tuple[int, int, int] | None:
    """Return height, width and number of components by the header of a JPEG, JPEG-LS or JPEG 2000 codestream."""
    if frame.startswith(_JPEG_2000_START):
        right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
        return bottom - top, right - left, struct.unpack_from(">H", frame, 40)[0]
    found = jpeg_frame(frame)
    return (found.height, found.width, found.n_components) if found else None


def _stored_values(decoded: NDArray[Any], dataset: Dataset, header: Header) -> list[NDArray[Any]]:
    """Mask what is not of the image in its words, look values up, make colours grey; one array per frame."""
    shape = (header.n_frames, header.rows, header.columns)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        decoded = apply_color_lut(decoded, dataset)
    if header.is_coloured:
        return list(decoded.reshape(*shape, 3).astype(np.float32) @ _LUMA)
    decoded = _masked(decoded.reshape(shape), dataset)
    if any(item.get("LUTData") and item.get("LUTDescriptor") for item in dataset.get("ModalityLUTSequence") or ()):
        decoded = apply_modality_lut(decoded, dataset)
    return list(decoded)


def _all_bits(dataset: Dataset) -> NDArray[Any]:
    """Return uncompressed pixels with all their bits; pydicom alone drops those above BitsStored, whatever HighBit."""
    described = dataset.BitsStored, dataset.HighBit
    dataset.BitsStored, dataset.HighBit = dataset.BitsAllocated, dataset.BitsAllocated - 1
    decoded: NDArray[Any] = pixel_array(dataset)
    dataset.BitsStored, dataset.HighBit = described
    return decoded


def _masked(decoded: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Drop the bits above and below the stored ones, where old files keep overlays. Source: DICOM PS3.5, 8.1.1."""
    n_bits, n_stored = decoded.dtype.itemsize * 8, int(dataset.BitsStored)
    n_above = n_bits - 1 - int(dataset.HighBit)
    if decoded.dtype.kind not in "iu" or not (0 <= n_above <= n_bits - n_stored and 0 < n_stored < n_bits):
        return decoded
    masked: NDArray[Any] = np.right_shift(np.left_shift(decoded, n_above), n_bits - n_stored)
    return masked
