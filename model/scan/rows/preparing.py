"""Read a unit's files, decode them in a child process, and prepare the network's inputs."""

import hashlib
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.errors import UNREADABLE_FILE, ImageError, TooManyPixels
from model.preprocessing import preprocess
from model.reading.archives import is_zip
from model.reading.contents import OWN_MACHINE, MriImage, MriVolume, Reading
from model.records import Row, read_cells, refused_cells, source_cells
from model.sandbox.readers import DecoderFailed, Readers
from model.scan.errors import ScanError
from model.scan.listing.contents import Contents, refuse_archive
from model.scan.listing.inputs import Input
from model.scan.listing.units import Unit

_INCOMPLETE = "Not all files of this folder were read together: a part of this series may be missing here."


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image or volume, ready for the network, or a file that is not, and why.

    cells: what its row says of what was read, or of why not. slice_indices: which of the volume's slices are to be
    classified; (0,) for an image. pixels: of each, uint8, shape (size, size), 0..255, preprocessed.
    """

    files: tuple[Input, ...]
    cells: Row
    slice_indices: tuple[int, ...] = ()
    pixels: tuple[NDArray[np.uint8], ...] = ()


@dataclass(frozen=True, eq=False)
class PreparedUnit:
    """What was read from a unit: every file of it is in a part, one of several stacks in several."""

    unit: Unit
    parts: list[Prepared]


class Preparer:
    """Prepares units for a network of one size. Safe to use from several threads."""

    def __init__(self, input_size_px: int, readers: Readers) -> None:
        self._size_px, self._readers = input_size_px, readers
        self._contents = Contents()

    def __call__(self, unit: Unit) -> PreparedUnit:
        """Prepare one unit. Errors of files are in the result."""
        parts: list[Prepared] = []
        read: list[tuple[Input, bytes]] = []
        for file in unit.files:
            try:
                read.append((file, self._content(file)))
            except Exception as error:  # noqa: BLE001 - one file of millions must not end the scan
                parts.append(_refused(file, error))
        is_whole = not unit.is_cut and not any(part.cells["error_code"] == UNREADABLE_FILE for part in parts)
        try:
            parts += self._parts([file for file, _ in read], [content for _, content in read], is_whole)
        except Exception as error:  # noqa: BLE001 - as above
            parts += [_refused(file, error, hashlib.sha256(content).hexdigest()) for file, content in read]
        return PreparedUnit(unit, parts)

    def require_readers(self) -> None:
        """Try a child process without a file, to blame no file for an error that all share.

        Raises:
            ScanError: it does not start.
        """
        (reading,) = self._readers.read([b""], OWN_MACHINE)
        if isinstance(reading.content, DecoderFailed):
            raise ScanError(
                f"A decoding process did not start: it {reading.content.why}. "
                "Give them more memory (--decoder-memory-mb)."
            )

    def _content(self, file: Input) -> bytes:
        """Read a file.

        Raises:
            ImageError: it cannot be decoded: it is too large, or a zip file where none is opened.
            OSError: it cannot be read.
        """
        content = self._contents.read(file)
        if is_zip(content):
            refuse_archive(file, content, OWN_MACHINE.max_files)
        return content

    def _parts(self, files: Sequence[Input], contents: Sequence[bytes], is_whole: bool) -> list[Prepared]:
        sha256 = [hashlib.sha256(content).hexdigest() for content in contents]
        readings = self._read(contents)
        # A child that a file took over can return anything, even nothing.
        forgotten = {*range(len(files))} - {i for reading in readings for i in reading.files}
        parts = [_refused(files[i], DecoderFailed("said nothing of it"), sha256[i]) for i in sorted(forgotten)]
        for reading in readings:
            if isinstance(reading.content, ImageError):
                parts += [_refused(files[i], reading.content, sha256[i]) for i in reading.files]
                continue
            cells = read_cells(reading.content) | source_cells(reading, sha256)
            if not is_whole and (len(reading.files) > 1 or isinstance(reading.content, MriImage)):
                cells["notes"] = f"{cells['notes']} {_INCOMPLETE}".strip()
            parts.append(self._prepare(tuple(files[i] for i in reading.files), reading.content, cells))
        return parts

    def _prepare(self, files: tuple[Input, ...], content: MriImage | MriVolume, cells: Row) -> Prepared:
        try:
            if isinstance(content, MriVolume):
                indices = tuple(int(i) for i in content.brain_slices())
                slices = [content.slices[i] for i in indices]
            else:
                indices, slices = (0,), [content.pixels]
            return Prepared(files, cells, indices, tuple(preprocess(p, self._size_px).pixels for p in slices))
        except ImageError as error:
            return Prepared(files, cells | refused_cells(error.code, error.sentence))

    def _read(self, contents: Sequence[bytes]) -> list[Reading]:
        """Read files together in a child process; files beyond its voxel limit in further rounds."""
        readings = self._readers.read(contents, OWN_MACHINE) if contents else []
        if any(isinstance(reading.content, DecoderFailed) for reading in readings):
            readings = self._read_again(contents)
        left = [i for reading in readings if isinstance(reading.content, TooManyPixels) for i in reading.files]
        if 0 < len(left) < len(contents):
            kept = [reading for reading in readings if not isinstance(reading.content, TooManyPixels)]
            readings = [*kept, *_placed(left, self._read([contents[i] for i in left]))]
        return readings

    def _read_again(self, contents: Sequence[bytes]) -> list[Reading]:
        """Read each file alone, each with its own time, then all but those that fail again together.

        The end of a child process may have had another cause than the file.
        """
        alone = [self._readers.read([content], OWN_MACHINE) for content in contents]
        if len(alone) == 1:
            return alone[0]
        good = [i for i, readings in enumerate(alone) if not isinstance(readings[0].content, DecoderFailed)]
        failed = [Reading((i,), alone[i][0].content) for i in sorted({*range(len(alone))} - {*good})]
        together = self._readers.read([contents[i] for i in good], OWN_MACHINE) if good else []
        return [*failed, *_placed(good, together)]


def _placed(places: Sequence[int], readings: Sequence[Reading]) -> list[Reading]:
    return [replace(reading, files=tuple(places[i] for i in reading.files)) for reading in readings]


def _refused(file: Input, error: Exception, sha256: str = "") -> Prepared:
    code, sentence = _code_and_sentence(error)
    return Prepared((file,), {"sha256": sha256, **refused_cells(code, sentence)})


def _code_and_sentence(error: Exception) -> tuple[str, str]:
    if isinstance(error, DecoderFailed):
        return error.code, f"This file cannot be decoded here: it {error.why}, and did so again at a second try."
    if isinstance(error, ImageError):
        return error.code, error.sentence
    if isinstance(error, OSError):
        # The system's own word for it; other libraries' messages may repeat the address.
        reason = error.strerror or str(error)
        said = f"The file cannot be read: {reason}. See whether it is there and open to you; then --resume."
        return UNREADABLE_FILE, said
    traceback.print_exception(error, file=sys.stderr)
    return DecoderFailed.code, f"This file cannot be decoded here: {type(error).__name__}. The log has more."
