"""Which files are read together: those of one folder that may belong to one series."""

import functools
import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass

from model.reading.pairs import half_of
from model.scan.listing.inputs import ID_BYTES, Input

# A series of 600 slices of 512 x 512 x 2 bytes has 315 MB. Each decoding process has one unit in memory, and reads at
# most 256 million voxels of it: 400 MB are 200 million of 16 bits. 2000 slices at 160 px wait in 51 MB for the network.
MAX_FILES, MAX_BYTES = 2000, 400_000_000
# By the name alone: listing opens no file. A second member of one name in a zip file ends in "#2".
_ALONE = re.compile(
    r"\.(png|jpe?g|bmp|webp|gif|tiff?|avif|hei[cf]|jp2|nii|nii\.gz|mg[hz]|mgh\.gz|nrrd|mha|mat|zip)(#\d+)?$"
)


@dataclass(frozen=True)
class Unit:
    """Files that are read together, whose rows are written together.

    name: what its id comes from, which stays the same when files are added. is_cut: its folder has more files than one
    unit, so that a series may be in two.
    """

    name: str
    files: tuple[Input, ...]
    is_cut: bool = False

    @classmethod
    def of_one(cls, file: Input) -> "Unit":
        """Return the unit of a file that is read alone."""
        return cls(file.full_address, (file,))

    @functools.cached_property
    def id(self) -> str:
        """32 hexadecimal digits that depend on the name alone."""
        return _digest(self.name)

    @functools.cached_property
    def version(self) -> str:
        """32 hexadecimal digits that change when a file is changed, added or removed."""
        files = [(file.full_address, file.size_bytes, file.version) for file in self.files]
        return _digest(json.dumps([files, self.is_cut]))

    def to_line(self) -> str:
        """Return the unit as one line of text, without a line break."""
        return json.dumps([self.name, [astuple(file) for file in self.files], self.is_cut])

    @classmethod
    def from_line(cls, line: str) -> "Unit":
        """Return the unit of which `to_line` made the line."""
        name, files, is_cut = json.loads(line)
        return cls(name, tuple(Input(*file) for file in files), is_cut)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[: 2 * ID_BYTES]


def in_units(files: Iterable[Input], folders_return: bool) -> Iterator[Unit]:
    """Yield files in units: those of known other formats alone, a volume's two, runs of all others of one folder.

    folders_return: whether files of one folder may come in several runs, whose numbers then stay in memory.
    """
    n_before: Counter[str] = Counter()
    for folder, inside in itertools.groupby(files, key=lambda file: file.folder):
        if not folders_return:
            n_before.clear()
        run: list[Input] = []
        n_bytes = 0
        for file, *voxels in _with_halves_together(inside):
            if voxels or is_alone(file):
                yield Unit(file.full_address, (file, *voxels))
                continue
            n_bytes += max(file.size_bytes, 0)
            if run and (len(run) == MAX_FILES or n_bytes > MAX_BYTES):
                yield _unit(folder, n_before, run, is_cut=True)
                run, n_bytes = [], max(file.size_bytes, 0)
            run.append(file)
        if run:
            yield _unit(folder, n_before, run, is_cut=n_before[folder] > 0)


def _with_halves_together(files: Iterable[Input]) -> Iterator[tuple[Input, ...]]:
    """Yield files one by one, but a volume's header with its voxels; at the end those whose other half is missing."""
    halves: dict[tuple[str, bool], Input] = {}
    for file in files:
        if not (half := half_of(file.full_address)):
            yield (file,)
            continue
        name, is_header = half
        if other := halves.pop((name, not is_header), None):
            yield (file, other) if is_header else (other, file)
        else:
            halves[half] = file
    yield from ((file,) for file in halves.values())


def is_alone(file: Input) -> bool:
    """Return whether a file cannot be a slice of a series, by its name, size or type."""
    is_odd = file.size_bytes < 0 and not file.is_remote
    return is_odd or file.size_bytes > MAX_BYTES or bool(_ALONE.search(file.full_address.lower()))


def _unit(folder: str, n_before: Counter[str], run: list[Input], is_cut: bool) -> Unit:
    # No file has this name: a path holds no zero byte.
    unit = Unit(f"{folder}\0{n_before[folder]}", tuple(run), is_cut)
    n_before[folder] += 1
    return unit
