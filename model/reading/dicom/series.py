"""DICOM files: single slices, multi-frame files, and series of files that make one volume."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from model.errors import ImageError
from model.reading.contents import MriImage, MriVolume, a_volume
from model.reading.dicom.completeness import notes_on_missing
from model.reading.dicom.decoder import Decoder
from model.reading.dicom.facts import facts_of
from model.reading.dicom.header import Header, read_header
from model.reading.dicom.pixels import Slice, decode, no_pixels
from model.reading.dicom.suitability import check_suitable, notes_on
from model.reading.dicom.window import grey_slices
from model.reading.orientation import (
    Stack,
    to_content,
)
from model.reading.sizes import MAX_VOXELS, check_size, check_voxels
from model.sentences import Sentence

# Orientations whose cosines differ by no more than this, about one degree, are the same.
_SAME_ORIENTATION = 0.02
# Slices closer than this lie at one place.
_SAME_PLACE_MM = 0.01

# The places of files and what was read from them.
_Placed = tuple[tuple[int, ...], Slice]
Placed = tuple[tuple[int, ...], MriImage | MriVolume | ImageError]

_ONE_PLACE = Sentence("All slices of the series claim the same place; they were put in order by their numbers.")
_SEVERAL_SIZES = Sentence("The series holds slices of several sizes; each size gets its own answer.")
_SEVERAL_SETS = Sentence(
    "The series holds several images of the same places, such as echoes or times; each set gets its own answer."
)


@dataclass(frozen=True, eq=False)
class _Source:
    """A file of a series: its places among the files given (more than one where it came again), bytes and header."""

    places: tuple[int, ...]
    content: bytes
    header: Header


def read_dicom_files(contents: Mapping[int, bytes], max_pixels: int, max_voxels: int = MAX_VOXELS) -> list[Placed]:
    """Read files that `is_dicom` recognised, by their places; those of one series and orientation become one volume.

    max_voxels: bounds all files together, by what their headers claim; series beyond it are refused undecoded.

    Returns what was read; for what cannot be read, the content is its ImageError.
    """
    sources, results = _read_headers(contents)
    n_voxels = 0
    groups = _by_series(sources)
    sizes: dict[str, set[tuple[int, int]]] = {}
    for header in (group[0].header for group in groups):
        sizes.setdefault(header.series, set()).add((header.rows, header.columns))
    for group in groups:
        series = group[0].header.series
        claimed = sum(source.header.n_pixels for source in group)
        try:
            check_suitable(group[0].header)
            _check_header(group[0].header, max_pixels)
            check_voxels(n_voxels + claimed, max_voxels)
            n_voxels += claimed
            results += _read_group(group, [_SEVERAL_SIZES] if series and len(sizes[series]) > 1 else [])
        except ImageError as error:
            results.append((tuple(place for source in group for place in source.places), error))
    return results


def read_dicom_slice(content: bytes, max_pixels: int) -> MriImage:
    """Read a file of one slice.

    Raises:
        UnsuitableImage: a volume, or no MR slice of a head.
        UnsupportedFormat, UnreadableImage, TooManyPixels: as for images.
    """
    header = read_header(content)
    check_suitable(header)
    _check_header(header, max_pixels)
    if header.n_frames > 1:
        raise a_volume(header.n_frames)
    # One frame gives one slice, which is an image.
    with Decoder() as decoder:
        return cast(MriImage, _to_content(decode(content, header, decoder), float("nan"), ()))


def series_of(content: bytes) -> str:
    """Return what the files of one series have in common, to be compared and forgotten; "" where it cannot be read.

    The beginning of a file is enough if it contains the id.
    """
    try:
        return read_header(content).series
    except ImageError:
        return ""


def _check_header(header: Header, max_pixels: int) -> None:
    if not (header.rows and header.columns):
        raise no_pixels(header)
    check_size(header.columns, header.rows, max_pixels)


def _read_headers(contents: Mapping[int, bytes]) -> tuple[list[_Source], list[Placed]]:
    """Read the headers; a file that was sent twice is one source."""
    sources: dict[bytes, _Source] = {}
    refused: list[Placed] = []
    for place, content in contents.items():
        try:
            header = read_header(content)
        except ImageError as error:
            refused.append(((place,), error))
            continue
        earlier = sources[content].places if content in sources else ()
        sources[content] = _Source((*earlier, place), content, header)
    return list(sources.values()), refused


def _by_series(sources: Sequence[_Source]) -> list[list[_Source]]:
    """Group files whose slices may lie in one volume, or that are refused alike; a file without a series is alone."""
    groups: dict[object, list[_Source]] = {}
    for source in sources:
        header = source.header
        alike = (header.modality, header.body_part, header.rows, header.columns)
        key = (header.series, *alike) if header.series else source.places
        groups.setdefault(key, []).append(source)
    return list(groups.values())


def _read_group(group: Sequence[_Source], notes_on_all: Sequence[Sentence]) -> list[Placed]:
    """Decode the files of a series, and give a content per orientation and an error per file that failed."""
    results: list[Placed] = []
    decoded: dict[object, _Placed] = {}
    with Decoder() as decoder:
        for source in group:
            try:
                for i, piece in enumerate(decode(source.content, source.header, decoder)):
                    # A slice that was exported twice differs in its header only.
                    key = _identity(i, piece) or (i, source.places)
                    earlier = decoded[key][0] if key in decoded else ()
                    decoded[key] = (tuple(sorted((*earlier, *source.places))), piece)
            except ImageError as error:
                results.append(((*source.places,), error))
    orientations = _by_orientation([*decoded.values()])
    for alike in orientations:
        volumes = _volumes(alike)
        is_whole = len(orientations) == len(volumes) == 1 and not notes_on_all
        for placed, spacing_mm, notes in volumes:
            notes = [*notes_on_all, *notes, *_missing(placed, is_whole)]
            places = tuple(sorted({place for own, _ in placed for place in own}))
            results.append((places, _to_content([piece for _, piece in placed], spacing_mm, notes)))
    return results


def _identity(i: int, piece: Slice) -> object:
    """Return what only copies of a frame have in common, its number in the file being i; None without a number."""
    number, frame = piece.header.instance_number, piece.frame
    place = None if frame.position is None else frame.position.tobytes()
    values = hashlib.sha256(piece.stored.tobytes()).digest()
    return (i, number, place, frame.slope, frame.intercept, values) if number > 0 else None


def _by_orientation(decoded: Sequence[_Placed]) -> list[list[_Placed]]:
    groups: list[list[_Placed]] = []
    for placed in decoded:
        like = (group for group in groups if _have_same_orientation(group[0][1], placed[1]))
        group = next(like, None)
        if group is None:
            groups.append([placed])
        else:
            group.append(placed)
    return groups


def _have_same_orientation(one: Slice, other: Slice) -> bool:
    first, second = one.frame.orientation, other.frame.orientation
    if first is None or second is None:
        return first is second
    return bool(np.abs(first - second).max() <= _SAME_ORIENTATION)


def _to_content(ordered: Sequence[Slice], spacing_mm: float, notes: Sequence[Sentence]) -> MriImage | MriVolume:
    """Make slices of one size and orientation grey under one window, and turn them upright."""
    frame = ordered[0].frame
    directions = None
    if frame.orientation is not None:
        along_row, along_column = frame.orientation
        directions = np.stack([np.cross(along_row, along_column), along_column, along_row])
    grey, step, window_notes = grey_slices(ordered)
    stack = Stack(grey, directions, (spacing_mm, frame.row_mm, frame.column_mm))
    all_notes = [*notes, *notes_on([piece.header for piece in ordered]), *window_notes]
    return to_content(stack, "DICOM", all_notes, step, facts_of(ordered[0].header))


def _volumes(placed: Sequence[_Placed]) -> list[tuple[list[_Placed], float, list[Sentence]]]:
    """Part slices of one orientation into volumes of one slice for each place along the normal, in anatomical order.

    Slices without position keep the order of InstanceNumber. So do those that all claim one place. Of echoes, contrasts
    or times of the same places, the first of each place make the first volume, and so on: none is left out.

    Returns, by volume, its slices, the spacing between their centres in mm, nan where unknown, and notes.
    """
    numbered = sorted(placed, key=lambda one: one[1].header.instance_number)
    spacing_mm = numbered[0][1].frame.spacing_mm
    heights = _heights([piece for _, piece in numbered])
    if heights is None or len(numbered) == 1:
        return [(numbered, spacing_mm, [])]
    if np.ptp(heights) <= _SAME_PLACE_MM:
        return [(numbered, spacing_mm, [_ONE_PLACE])]
    volumes: list[list[int]] = []
    last, rank = -np.inf, 0
    for i in np.argsort(heights, kind="stable"):
        rank = rank + 1 if heights[i] - last <= _SAME_PLACE_MM else 0
        last = last if rank else heights[i]
        volumes[rank : rank + 1] = [[*(volumes[rank] if rank < len(volumes) else []), int(i)]]
    notes = [_SEVERAL_SETS] if len(volumes) > 1 else []
    spacings = [float(np.median(np.diff(heights[kept]))) if len(kept) > 1 else spacing_mm for kept in volumes]
    return [([numbered[i] for i in kept], mm, notes) for kept, mm in zip(volumes, spacings, strict=True)]


def _missing(placed: Sequence[_Placed], is_whole: bool) -> list[Sentence]:
    pieces = [piece for _, piece in placed]
    heights = _heights(pieces)
    is_placed = heights is not None and np.ptp(heights) > _SAME_PLACE_MM
    return notes_on_missing([piece.header for piece in pieces], heights if is_placed else None, is_whole)


def _heights(pieces: Sequence[Slice]) -> NDArray[np.float64] | None:
    """Return how far along the normal slices lie, in mm, float64 (n,); None if a position or orientation is unknown."""
    orientation = pieces[0].frame.orientation
    positions = [piece.frame.position for piece in pieces]
    if orientation is None or any(position is None for position in positions):
        return None
    heights: NDArray[np.float64] = np.array(positions, np.float64) @ np.cross(*orientation)
    return heights
