"""Read an input, have it decoded in a child process, and prepare the network's inputs."""

import hashlib
import sys
import traceback
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.errors import UNREADABLE_FILE, ImageError
from model.preprocessing import preprocess
from model.reading.archives import is_zip
from model.reading.contents import OWN_MACHINE, Content, MriImage, MriVolume
from model.records import Row, read_cells, refused_cells
from model.sandbox.readers import DecoderFailed, Readers
from model.scan.errors import ScanError
from model.scan.listing.contents import Contents, refuse_archive
from model.scan.listing.inputs import Input

_TRIES = 2


@dataclass(frozen=True, eq=False)
class Prepared:
    """An input, ready for the network, or why it is not.

    sha256: of its bytes, "" where they cannot be read. cells: what its row says of what was read, or of why not.
    slice_indices: which of the volume's slices are to be classified; (0,) for an image.
    pixels: uint8, shape (len(slice_indices), size, size), 0..255, preprocessed.
    """

    item: Input
    sha256: str = ""
    cells: Row = field(default_factory=dict)
    slice_indices: tuple[int, ...] = ()
    pixels: NDArray[np.uint8] | None = None


class Preparer:
    """Prepares inputs for a network of one size. Safe to use from several threads."""

    def __init__(self, input_size_px: int, readers: Readers) -> None:
        self._size_px, self._readers = input_size_px, readers
        self._contents = Contents()

    def __call__(self, item: Input) -> Prepared:
        """Prepare one input. What is wrong with it is in the result."""
        sha256 = ""
        try:
            content = self._contents.read(item)
            sha256 = hashlib.sha256(content).hexdigest()
            return self._prepare(item, self._read(item, content), sha256)
        except DecoderFailed as error:
            sentence = f"This file cannot be decoded here: it {error.why}, and did so again at a second try."
            return Prepared(item, sha256, refused_cells(error.code, sentence))
        except ImageError as error:
            return Prepared(item, sha256, refused_cells(error.code, error.sentence))
        except OSError as error:
            # The system's own word for it; other libraries' messages may repeat the address.
            reason = error.strerror or str(error)
            sentence = f"The file cannot be read: {reason}. See whether it is there and open to you; then --resume."
            return Prepared(item, sha256, refused_cells(UNREADABLE_FILE, sentence))
        except Exception as error:  # noqa: BLE001 - one file of millions must not end the scan
            traceback.print_exc(file=sys.stderr)
            sentence = f"This file cannot be decoded here: {type(error).__name__}. The log has more."
            return Prepared(item, sha256, refused_cells(DecoderFailed.code, sentence))

    def require_readers(self) -> None:
        """Try a child process on nothing, so that no file is blamed for what is wrong with all of them.

        Raises:
            ScanError: it does not start.
        """
        (reading,) = self._readers.read([b""], OWN_MACHINE)
        if isinstance(reading.content, DecoderFailed):
            raise ScanError(
                f"Expected decoding processes to start. One did not: it {reading.content.why}. "
                "Give them more memory (--decoder-memory-mb)."
            )

    def _read(self, item: Input, content: bytes) -> MriImage | MriVolume:
        """Decode an input in a child process, which gets a second try: what ended it may not be the file's fault.

        Raises:
            ImageError: it cannot be decoded.
            OSError: nothing is wrong with it, its store did not give the part that lists its files.
        """
        if is_zip(content):
            refuse_archive(item, content, OWN_MACHINE.max_files)
        for _ in range(_TRIES):
            read = largest([reading.content for reading in self._readers.read([content], OWN_MACHINE)])
            if not isinstance(read, DecoderFailed):
                break
        if isinstance(read, ImageError):
            raise read
        return read

    def _prepare(self, item: Input, read: MriImage | MriVolume, sha256: str) -> Prepared:
        if isinstance(read, MriVolume):
            indices = tuple(int(i) for i in read.brain_slices())
            slices = [read.slices[i] for i in indices]
        else:
            indices, slices = (0,), [read.pixels]
        pixels = [preprocess(p, self._size_px).pixels for p in slices]
        stacked = np.stack(pixels) if pixels else np.zeros((0, self._size_px, self._size_px), np.uint8)
        return Prepared(item, sha256, read_cells(read), indices, stacked)


def largest(contents: list[Content]) -> Content:
    """Choose what a file of several stacks is judged by: the one of most slices, the first of equal ones.

    A multi-frame file of several orientations gives a stack for each: a localizer, or a study in one file.
    """
    return max(contents, key=_n_slices)


def _n_slices(content: Content) -> int:
    match content:
        case MriVolume():
            return len(content.slices)
        case MriImage():
            return 1
        case _:
            return 0
