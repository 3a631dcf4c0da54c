"""What a DICOM file says of how its image was made, in numbers and known words: nothing that may name somebody."""

import re
import unicodedata
from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from model.errors import UnreadableImage
from model.reading.dicom.header import Header, damage_translated
from model.sentences import Sentence

# Source: DICOM PS3.3, C.8.3.1.1.1.
_SEQUENCES = {
    "SE": Sentence("spin echo"),
    "IR": Sentence("inversion recovery"),
    "GR": Sentence("gradient echo"),
    "EP": Sentence("echo planar"),
}
# A description is free text and may hold a name: only these words of it are repeated.
_WORDS = {
    "T1", "T2", "T1W", "T2W", "T1WI", "T2WI", "T2STAR", "PD", "PDW", "FLAIR", "STIR", "DWI", "ADC", "SWI", "SWAN",
    "TRACE", "B0", "B500", "B1000", "MPRAGE", "MPR", "SPGR", "FSPGR", "BRAVO", "VIBE", "SPACE", "CUBE", "TSE",
    "FSE", "SE", "GRE", "EPI", "TIRM", "TOF", "MRA", "TIR", "IR", "FFE", "TFE", "HASTE", "BLADE", "PROPELLER", "2D",
    "3D", "AX", "AXIAL", "TRA", "TRANS", "TRANSVERSE", "COR", "CORONAL", "SAG", "SAGITTAL", "OBL", "ISO", "FS",
    "FATSAT", "FAT", "SAT", "GD", "GADO", "CONTRAST", "POST", "PRE", "KM", "BRAIN", "HEAD",
}  # fmt: skip
# Beyond these a value is a slip of the pen. Source: the strongest scanner of human heads has 11.7 T.
_MOST = {"tesla": 15.0, "mm": 100.0, "ms": 60_000.0}


def facts_of(header: Header) -> list[Sentence]:
    """Return what the file says of its sequence, echo, field strength and slices; nothing where one is damaged."""
    try:
        with damage_translated():
            return list(_facts(header.dataset))
    except UnreadableImage:
        return []


def _facts(dataset: Dataset) -> Iterator[Sentence]:
    words = _known_words(str(dataset.get("SeriesDescription") or ""))
    if words:
        yield Sentence("Known words of the series description: {words}.", words=" ".join(words))
    for code in _codes(dataset.get("ScanningSequence")):
        yield Sentence("Sequence: {words}.", words=_SEQUENCES[code])
    tesla = _number(dataset, "MagneticFieldStrength", "tesla")
    if tesla:
        yield Sentence("Field strength: {tesla} T.", tesla=tesla)
    echo, repetition = _number(dataset, "EchoTime", "ms"), _number(dataset, "RepetitionTime", "ms")
    if echo and repetition:
        yield Sentence("Echo time {echo} ms, repetition time {repetition} ms.", echo=echo, repetition=repetition)
    mm = _number(dataset, "SliceThickness", "mm")
    if mm:
        yield Sentence("Slice thickness: {mm} mm.", mm=mm)


def _known_words(description: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", description[:200]).upper()
    return list(dict.fromkeys(word for word in re.findall(r"[A-Z0-9]+", plain) if word in _WORDS))


def _codes(value: object) -> list[str]:
    codes = list(value) if isinstance(value, MultiValue) else [value]
    return [code for code in _SEQUENCES if code in codes]


def _number(dataset: Dataset, keyword: str, unit: str) -> float:
    """Return the value of an element, rounded; 0 where it is missing, none or beyond _MOST."""
    try:
        value = float(dataset.get(keyword))
    except (TypeError, ValueError):
        return 0.0
    return round(value, 2) if 0 < value <= _MOST[unit] else 0.0
