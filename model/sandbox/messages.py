"""Pack what was read from files into bytes and unpack it, without pickle: the sender may be compromised."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import (
    EmptyFile,
    ImageError,
    TooManyFiles,
    TooManyPixels,
    UnreadableImage,
    UnsuitableImage,
    UnsupportedFormat,
)
from model.reading.contents import Content, Limits, Member, MriImage, MriVolume, Reading
from model.sentences import Sentence

_ERRORS = {
    error.code: error
    for error in (EmptyFile, TooManyFiles, TooManyPixels, UnreadableImage, UnsuitableImage, UnsupportedFormat)
}


def pack_files(contents: Sequence[bytes], limits: Limits) -> list[bytes]:
    """Pack files to be read, as the parts of a message."""
    header = {
        "sizes": [len(content) for content in contents],
        "limits": [limits.max_pixels, limits.max_voxels, limits.max_files],
    }
    return [_line(header), *contents]


def unpack_files(message: bytearray) -> tuple[list[bytes], Limits]:
    """Return the files and limits that `pack_files` packed."""
    header, start = _header(message)
    contents = []
    for size in header["sizes"]:
        contents.append(bytes(memoryview(message)[start : start + size]))
        start += size
    return contents, Limits(*header["limits"])


def pack_readings(readings: Sequence[Reading]) -> list[bytes | memoryview]:
    """Pack what was read, as the parts of a message: a line of JSON, then the pixels one after the other."""
    packed = [_pack(reading.content) for reading in readings]
    header = [
        {"files": list(reading.files), "members": [[m.place, m.sha256] for m in reading.members], **entry}
        for reading, (entry, _) in zip(readings, packed, strict=True)
    ]
    return [_line(header), *(np.ascontiguousarray(pixels).data.cast("B") for _, pixels in packed if pixels.size)]


def unpack_readings(message: bytearray) -> list[Reading]:
    """Return the readings that `pack_readings` packed.

    Raises:
        ValueError, KeyError, TypeError: the message is none that `pack_readings` makes.
    """
    header, start = _header(message)
    readings = []
    for entry in header:
        shape = [int(length) for length in entry.get("shape", ())]
        n_bytes = math.prod(shape) if shape else 0
        pixels = np.frombuffer(message, np.uint8, n_bytes, start).reshape(shape or (0,))
        start += n_bytes
        members = tuple(Member(int(place), _sha256(text)) for place, text in entry.get("members", ()))
        readings.append(Reading(tuple(map(int, entry["files"])), _unpack(entry, pixels), members))
    return readings


def _pack(content: Content) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    if isinstance(content, ImageError):
        return {"code": content.code, "sentence": _plain(content.sentence)}, np.zeros(0, np.uint8)
    pixels = content.slices if isinstance(content, MriVolume) else content.pixels
    entry: dict[str, Any] = {
        "shape": pixels.shape,
        "format": content.format,
        "notes": [_plain(note) for note in content.notes],
        "steps": [_plain(step) for step in content.steps],
        "facts": [_plain(fact) for fact in content.facts],
        "plane": content.plane,
    }
    if isinstance(content, MriVolume):
        mm = (content.spacing_mm, content.pixel_mm)
        entry["mm"] = [length if math.isfinite(length) else None for length in mm]
    return entry, pixels


def _unpack(entry: dict[str, Any], pixels: NDArray[np.uint8]) -> Content:
    if "code" in entry:
        return _ERRORS[entry["code"]](_sentence(entry["sentence"]))
    notes, steps, facts = (tuple(_sentence(plain) for plain in entry[name]) for name in ("notes", "steps", "facts"))
    file_format, plane = str(entry["format"]), str(entry["plane"])
    if "mm" not in entry:
        return MriImage(pixels, file_format, notes, steps, plane, facts)
    spacing_mm, pixel_mm = (math.nan if length is None else float(length) for length in entry["mm"])
    return MriVolume(pixels, plane, spacing_mm, file_format, notes, steps, pixel_mm, facts)


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(f"Expected a SHA-256. Received {len(text)} other characters.")
    return text


def _plain(sentence: Sentence) -> dict[str, Any]:
    values = {n: _plain(v) if isinstance(v, Sentence) else v for n, v in sentence.values.items()}
    return {"template": sentence.template, "values": values}


def _sentence(plain: dict[str, Any]) -> Sentence:
    values = {n: _sentence(v) if isinstance(v, dict) else v for n, v in plain["values"].items()}
    # Not written as a call: the catalogue gathers those, with their literal templates.
    return Sentence.__new__(Sentence, plain["template"], **values)


def _line(header: Any) -> bytes:
    return json.dumps(header, separators=(",", ":")).encode() + b"\n"


def _header(message: bytearray) -> tuple[Any, int]:
    end = message.index(b"\n")
    return json.loads(message[:end]), end + 1
