"""What the decoding processes do with an input: read it, decode it, prepare the network's inputs."""

import hashlib
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import ImageError
from model.preprocessing import preprocess
from model.reading.archives import is_zip
from model.reading.contents import Content, Limits, MriImage, MriVolume
from model.reading.many_files import read_files
from model.reading.sizes import MAX_VOXELS
from model.scan.listing.contents import Contents, refuse_archive
from model.scan.listing.inputs import Input

# As for `python -m model` on one's own machine.
LIMITS = Limits(max_voxels=4 * MAX_VOXELS, max_files=20_000)
UNREADABLE_FILE, DECODER_FAILED = "unreadable_file", "decoder_failed"


@dataclass(frozen=True, eq=False)
class Prepared:
    """An input, ready for the network, or why it is not.

    sha256: of its bytes, "" where they cannot be read. kind: "image", "volume" or "".
    slice_indices: which of the volume's slices are to be classified; (0,) for a picture.
    pixels: uint8, shape (len(slice_indices), size, size), 0..255, preprocessed.
    """

    item: Input
    sha256: str = ""
    kind: str = ""
    format: str = ""
    n_slices: int = 0
    slice_indices: tuple[int, ...] = ()
    pixels: NDArray[np.uint8] | None = None
    notes: str = ""
    error_code: str = ""
    error: str = ""


class Preparer:
    """Prepares inputs for a network of one size, in one process."""

    def __init__(self, input_size_px: int) -> None:
        self._size_px = input_size_px
        self._contents = Contents()

    def __call__(self, item: Input) -> Prepared:
        """Prepare one input. What is wrong with it stands in the answer; only a lack of memory is raised."""
        sha256 = ""
        try:
            content = self._contents.read(item)
            sha256 = hashlib.sha256(content).hexdigest()
            return self._prepare(item, content, sha256)
        except ImageError as error:
            return Prepared(item, sha256, error_code=error.code, error=str(error))
        except OSError as error:
            # The system's own word for it; other libraries' messages may repeat the address.
            reason = error.strerror or str(error)
            sentence = f"The file cannot be read: {reason}. See whether it is there and open to you; then --resume."
            return Prepared(item, sha256, error_code=UNREADABLE_FILE, error=sentence)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - one file of millions must not end the scan
            traceback.print_exc(file=sys.stderr)
            sentence = f"This file cannot be decoded here: {type(error).__name__}. The log has more."
            return Prepared(item, sha256, error_code=DECODER_FAILED, error=sentence)

    def _prepare(self, item: Input, content: bytes, sha256: str) -> Prepared:
        if is_zip(content):
            refuse_archive(item, content, LIMITS.max_files)
        read = largest([reading.content for reading in read_files([content], LIMITS)])
        match read:
            case ImageError():
                raise read
            case MriVolume():
                indices = tuple(int(i) for i in read.brain_slices())
                slices = [read.slices[i] for i in indices]
                kind, n_slices = "volume", len(read.slices)
            case _:
                indices, slices, kind, n_slices = (0,), [read.pixels], "image", 1
        pixels = [preprocess(p, self._size_px).pixels for p in slices]
        stacked = np.stack(pixels) if pixels else np.zeros((0, self._size_px, self._size_px), np.uint8)
        notes = " ".join(read.notes)
        return Prepared(item, sha256, kind, read.format, n_slices, indices, stacked, notes)


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


def preparer(input_size_px: int) -> Callable[[Input], Prepared]:
    """Make what a decoding process runs; it is called in that process."""
    return Preparer(input_size_px)
