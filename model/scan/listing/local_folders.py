"""List the files of local folders, each once, whatever links do."""

import os
import stat
from collections.abc import Iterator

from model.scan.listing.inputs import Input

# A DICOMDIR is a medium's table of contents, not an image.
_NOT_PICTURES = {"DICOMDIR"}
_Place = tuple[int, int]


class FolderWalk:
    """Walks folders in sorted order. Each real folder is entered once over the walk's whole life.

    Links to files are files of their own. Links to folders wait until all folders that need no link were walked, so
    that a new link never changes the addresses of what is found without it; where they lead to a folder that was
    walked, as loops do, nothing is done. Hidden files and folders are left out.
    """

    def __init__(self, left_out: str) -> None:
        """left_out: the folder that the scan writes into."""
        self._seen: set[_Place] = set()
        self._links: list[str] = []
        place = _place_of(left_out)
        if place:
            self._seen.add(place)

    def files(self, top: str) -> Iterator[Input]:
        """Yield the files under a folder; of an unreadable folder the folder itself, which gets a row."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            place = _place_of(folder)
            if place is None or place not in self._seen:
                if place:
                    self._seen.add(place)
                yield from self._files_of(folder, waiting)

    def behind_links(self) -> Iterator[Input]:
        """Yield the files of linked folders that were not walked otherwise."""
        while self._links:
            links, self._links = self._links, []
            for link in links:
                yield from self.files(link)

    def _files_of(self, folder: str, waiting: list[str]) -> Iterator[Input]:
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            yield Input(folder)
            return
        folders = []
        for entry in found:
            if entry.name.startswith(".") or entry.name.upper() in _NOT_PICTURES:
                continue
            if not _is_folder(entry):
                yield local_file(entry.path)
            elif entry.is_symlink():
                self._links.append(entry.path)
            else:
                folders.append(entry.path)
        # The last is taken first: this keeps the sorted order.
        waiting += reversed(folders)


def local_file(path: str) -> Input:
    """Return a file with its size and time; without them where they are unknown, as for a dangling link."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path would cost more than the call, millions of times
    except OSError:
        return Input(path)
    return Input(path, status.st_size if stat.S_ISREG(status.st_mode) else -1, str(status.st_mtime_ns))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _place_of(folder: str) -> _Place | None:
    """Return what is the same for all names of one folder."""
    try:
        status = os.stat(folder)  # noqa: PTH116 - as above
    except OSError:
        return None
    return status.st_dev, status.st_ino
