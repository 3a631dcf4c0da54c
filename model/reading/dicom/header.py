"""What a DICOM file says of its image, read without anything that says whose it is.

Only the elements named in TAGS are converted; names, numbers and institutions are skipped over unread. No text of a
file is repeated in a sentence: codes are translated through tables or called unknown, and of descriptions only words
that are in a list of facts.py are kept.
"""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from model.errors import ImageError, UnreadableImage, UnsupportedFormat
from model.sentences import Sentence

# pydicom repeats values of damaged elements in warnings, which it also logs.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

HEADER_TAGS = (
    "SOPClassUID", "Modality", "BodyPartExamined", "BurnedInAnnotation", "SeriesInstanceUID", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SpacingBetweenSlices", "Rows", "Columns",
    "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PresentationLUTShape", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "WindowCenter",
    "WindowWidth", "VOILUTFunction", "RescaleIntercept", "RescaleSlope", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "SeriesDescription", "ScanningSequence", "MagneticFieldStrength", "EchoTime",
    "RepetitionTime", "SliceThickness", "ImagesInAcquisition", "ImageType", "VOILUTSequence",
)  # fmt: skip
_PALETTE_TAGS = tuple(
    f"{prefix}{colour}PaletteColorLookupTable{kind}"
    for prefix, kind in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
    for colour in ("Red", "Green", "Blue")
)
PIXEL_TAGS = (
    *HEADER_TAGS, *_PALETTE_TAGS, "PlanarConfiguration", "ModalityLUTSequence", "PixelData", "FloatPixelData",
    "DoubleFloatPixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip
# In an enhanced multi-frame file these are in a macro of the frame's or the shared functional groups.
# Source: DICOM PS3.3, C.7.6.16.2.
_MACROS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "VOILUTFunction": "FrameVOILUTSequence",
}
# Photometric interpretations of one sample for each pixel; "" where the tag is missing.
_ONE_SAMPLE = {"", "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"}
# Deflated Explicit VR Little Endian: pydicom would inflate it whole, however much that is.
_DEFLATED = b"1.2.840.10008.1.2.1.99"


@dataclass(frozen=True)
class Window:
    """A grey window. Source: DICOM PS3.3, C.11.2.1.2."""

    center: float
    width: float
    function: str


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a file.

    position: float64, (3,), of the first pixel's centre in mm; orientation: float64, (2, 3), unit vectors along a row
    and along a column; both in patient coordinates, None where unknown.
    row_mm, column_mm: between rows, between columns; spacing_mm: between slices; nan where unknown.
    slope, intercept: stored values times slope plus intercept are the scanner's values.
    """

    position: NDArray[np.float64] | None
    orientation: NDArray[np.float64] | None
    row_mm: float
    column_mm: float
    spacing_mm: float
    slope: float
    intercept: float
    window: Window | None


@dataclass(frozen=True, eq=False)
class Header:
    """What is used of a file besides its pixels.

    series: only to be compared; it goes nowhere. modality, body_part: as coded, "" where missing.
    image_type: the words that tell what kind of image it is, in capitals.
    padding: lowest and highest stored value of pixels outside of the image, None where there are none.
    is_completed: whether tags that it lacks were given their usual values; see `with_usual_values`.
    n_in_acquisition: how many images the acquisition has by its own account, 0 where it does not say.
    """

    sop_class: str
    series: str
    instance_number: int
    modality: str
    body_part: str
    is_burned_in: bool
    image_type: frozenset[str]
    rows: int
    columns: int
    n_frames: int
    is_coloured: bool
    is_inverted: bool
    padding: tuple[int, int] | None
    is_completed: bool
    n_in_acquisition: int
    dataset: Dataset

    @property
    def n_pixels(self) -> int:
        """The number of pixels of all frames."""
        return self.rows * self.columns * self.n_frames

    def frames(self) -> list[Frame]:
        """Return the frames in stored order; the caller has checked their number.

        Raises:
            UnreadableImage: the file describes another number of frames than it holds.
        """
        with damage_translated():
            shared = list(self.dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
            each = list(self.dataset.get("PerFrameFunctionalGroupsSequence") or [])
            if each and len(each) != self.n_frames:
                raise damaged()
            if each or self.n_frames == 1:
                return [_frame([*each[i : i + 1], *shared], self.dataset) for i in range(self.n_frames)]
            return [_frame(shared, self.dataset, has_position=False)] * self.n_frames


def read_header(content: bytes) -> Header:
    """Read the elements before the pixels.

    Raises:
        UnsupportedFormat: the file is deflated.
        UnreadableImage: it is cut off or damaged.
    """
    dataset = read_dataset(content, HEADER_TAGS)
    with damage_translated():
        is_completed = with_usual_values(dataset)
        interpretation = _code(dataset, "PhotometricInterpretation")
        return Header(
            sop_class=_code(dataset, "SOPClassUID"),
            series=_code(dataset, "SeriesInstanceUID"),
            instance_number=int(_number(dataset.get("InstanceNumber"), 0)),
            modality=_code(dataset, "Modality"),
            body_part=_code(dataset, "BodyPartExamined"),
            is_burned_in=_code(dataset, "BurnedInAnnotation") == "YES",
            image_type=_words(dataset.get("ImageType")),
            rows=int(dataset.get("Rows") or 0),
            columns=int(dataset.get("Columns") or 0),
            n_frames=max(int(dataset.get("NumberOfFrames") or 1), 1),
            is_coloured=not interpretation.startswith("MONOCHROME"),
            # Source: DICOM PS3.3, C.11.6: the shape INVERSE says the same as MONOCHROME1.
            is_inverted=(interpretation == "MONOCHROME1" or _code(dataset, "PresentationLUTShape") == "INVERSE")
            != _has_falling_lut(dataset),
            padding=_padding(dataset),
            is_completed=is_completed,
            n_in_acquisition=int(_number(dataset.get("ImagesInAcquisition"), 0)),
            dataset=dataset,
        )


def with_usual_values(dataset: Dataset) -> bool:
    """Fill in the pixel tags that writers often leave out, as viewers do; return whether any was missing.

    Source: DICOM PS3.3, C.7.6.3; all of them are required there.
    """
    if not dataset.get("Rows"):
        return False
    n_bits = dataset.get("BitsAllocated") or 16
    n_stored = dataset.get("BitsStored") or n_bits
    usual = {
        "PhotometricInterpretation": "RGB" if dataset.get("SamplesPerPixel") == 3 else "MONOCHROME2",
        "SamplesPerPixel": 1 if _code(dataset, "PhotometricInterpretation") in _ONE_SAMPLE else 3,
        "BitsAllocated": n_bits, "BitsStored": n_stored, "HighBit": n_stored - 1, "PixelRepresentation": 0,
    }  # fmt: skip
    lacking = [keyword for keyword in usual if dataset.get(keyword) in (None, "")]
    for keyword in lacking:
        setattr(dataset, keyword, usual[keyword])
    if dataset.SamplesPerPixel > 1 and dataset.get("PlanarConfiguration") is None:
        dataset.PlanarConfiguration = 0
    return bool(lacking)


def read_dataset(content: bytes, tags: tuple[str, ...]) -> Dataset:
    """Read the elements of these keywords; up to the pixels, where PixelData is not among them.

    Raises:
        UnsupportedFormat: the file is deflated.
        UnreadableImage: it is cut off or damaged.
    """
    if _DEFLATED in content:
        raise UnsupportedFormat(
            Sentence(
                "This DICOM file is deflated (Deflated Explicit VR), which is not read here. Export it uncompressed "
                "(Explicit VR Little Endian)."
            )
        )
    with damage_translated():
        return pydicom.dcmread(
            io.BytesIO(content), force=True, specific_tags=list(tags), stop_before_pixels="PixelData" not in tags
        )


@contextmanager
def damage_translated() -> Iterator[None]:
    """Turn what libraries answer to damaged files into UnreadableImage, and keep their warnings quiet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    # pydicom, gdcm and numpy answer damaged files with sixteen kinds of exceptions, AssertionError among them.
    except Exception as error:
        raise damaged() from error


def damaged() -> UnreadableImage:
    """Return the refusal of a file that is cut off or damaged."""
    return UnreadableImage(Sentence("This DICOM file is cut off or damaged. Export it again."))


def _frame(groups: list[Dataset], dataset: Dataset, has_position: bool = True) -> Frame:
    """Look each value up in the frame's own groups, then in the shared ones, then outside both."""

    def find(keyword: str) -> Any:
        for group in groups:
            for item in list(group.get(_MACROS[keyword]) or [])[:1]:
                if item.get(keyword) is not None:
                    return item.get(keyword)
        return dataset.get(keyword)

    spacing = _vector(find("PixelSpacing"), 2)
    return Frame(
        position=_vector(find("ImagePositionPatient"), 3) if has_position else None,
        orientation=_orientation(_vector(find("ImageOrientationPatient"), 6)),
        row_mm=float("nan") if spacing is None else float(spacing[0]),
        column_mm=float("nan") if spacing is None else float(spacing[1]),
        spacing_mm=abs(_number(find("SpacingBetweenSlices"), float("nan"))) or float("nan"),
        slope=_number(find("RescaleSlope"), 1.0) or 1.0,
        intercept=_number(find("RescaleIntercept"), 0.0),
        window=_window(find),
    )


def _window(find: Any) -> Window | None:
    center, width = _number(find("WindowCenter"), float("nan")), _number(find("WindowWidth"), float("nan"))
    if not (np.isfinite(center) and np.isfinite(width) and width > 0):
        return None
    return Window(center, width, str(find("VOILUTFunction") or "LINEAR"))


def _orientation(cosines: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return the two unit vectors, float64 (2, 3), if they are ones and at right angles, within what rounding does."""
    if cosines is None:
        return None
    pair = cosines.reshape(2, 3)
    lengths = np.linalg.norm(pair, axis=1, keepdims=True)
    if np.abs(lengths - 1).max() > 0.1 or abs(float(pair[0] @ pair[1])) > 0.1:
        return None
    unit: NDArray[np.float64] = pair / lengths
    return unit


def _vector(value: Any, length: int) -> NDArray[np.float64] | None:
    try:
        vector = np.array([float(number) for number in value], np.float64)
    except (TypeError, ValueError):
        return None
    return vector if len(vector) == length and np.isfinite(vector).all() else None


def _number(value: Any, default: float) -> float:
    """Return the first number of an element, the default where it is missing, empty or none."""
    if not isinstance(value, str | int | float):
        value = next(iter(value), None) if hasattr(value, "__iter__") else value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if np.isfinite(number) else default


def _code(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return value.strip().upper() if isinstance(value, str) else ""


def _words(value: Any) -> frozenset[str]:
    return frozenset(str(word).strip().upper() for word in ([value] if isinstance(value, str) else value or ()))


def _has_falling_lut(dataset: Dataset) -> bool:
    """Return whether the table in place of a window turns bright into dark. Source: DICOM PS3.3, C.11.2.1.1."""
    table = next((item.get("LUTData") for item in dataset.get("VOILUTSequence") or ()), None)
    if not table or dataset.get("WindowWidth"):
        return False
    entries = np.frombuffer(table, "<u2") if isinstance(table, bytes) else np.atleast_1d(table)
    return bool(entries[0] > entries[-1])


def _padding(dataset: Dataset) -> tuple[int, int] | None:
    """Return the lowest and highest stored value of the padding, as pixels of this representation hold them.

    Writers store it unsigned next to signed pixels, or as bytes: only its bits count.
    Source: DICOM PS3.3, C.7.5.1.1.2.
    """
    value, limit = (_stored(dataset, dataset.get(k)) for k in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if value is None:
        return None
    limit = value if limit is None else limit
    return min(value, limit), max(value, limit)


def _stored(dataset: Dataset, value: Any) -> int | None:
    if isinstance(value, bytes):
        value = int.from_bytes(value, "little")
    n_bits = int(dataset.get("BitsAllocated") or 0)
    if not isinstance(value, int) or n_bits not in (8, 16, 32):
        return None
    value %= 1 << n_bits
    return int(value - (1 << n_bits) if dataset.get("PixelRepresentation") == 1 and value >> (n_bits - 1) else value)
