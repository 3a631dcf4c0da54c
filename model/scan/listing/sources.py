"""From what a person names (files, folders, patterns, zip files, addresses) to units of files, each once."""

import contextlib
import glob
import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from model.scan.errors import ScanError
from model.scan.listing.inputs import Input, Shard, absolute
from model.scan.listing.local_folders import FolderWalk, local_file
from model.scan.listing.remote import file_system, is_remote, open_remote, remote_files
from model.scan.listing.units import Unit, in_units
from model.scan.listing.zip_members import is_named_zip, members

# A named pipe would wait for a writer forever unless opened like this; other systems have none.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def normalized(sources: Sequence[str]) -> list[str]:
    """Return the sources as a job on another day must give them again: local ones absolute.

    Raises:
        ScanError: a local one does not exist.
    """
    local = [source if is_remote(source) else absolute(source.removeprefix("file://")) for source in sources]
    missing = [source for source in local if not is_remote(source) and not _exists(source)]
    if missing:
        raise ScanError(f"Nothing found at: {', '.join(missing)}")
    return local


def _exists(source: str) -> bool:
    return os.path.lexists(source) or bool(next(glob.iglob(source, recursive=True), None))  # noqa: PTH207


def list_units(sources: Sequence[str], shard: Shard, left_out: str) -> Iterator[Unit]:
    """List a shard's units in an order that depends on the names alone.

    sources: as `normalized` returns them. left_out: the folder that the scan writes into.
    """
    files = _files(sources, left_out)
    # A single folder or address names nothing twice, and the ids of an archive would take gigabytes.
    is_simple = len(sources) == 1 and (is_remote(sources[0]) or os.path.lexists(sources[0]))
    for unit in in_units(files if is_simple else _once(files), folders_return=not is_simple):
        yield from (one for one in _opened(unit) if shard.has(one.id))


def _once(files: Iterator[Input]) -> Iterator[Input]:
    seen: set[bytes] = set()
    for file in files:
        key = bytes.fromhex(file.id)
        if key not in seen:
            seen.add(key)
            yield file


def _files(sources: Sequence[str], left_out: str) -> Iterator[Input]:
    walk = FolderWalk(left_out)
    for source in sources:
        if is_remote(source):
            yield from remote_files(source)
        elif os.path.lexists(source):
            yield from _under(source, walk)
        else:
            # The files of a folder one after the other; `glob` keeps names that are no UTF-8.
            for path in sorted(glob.iglob(source, recursive=True), key=os.path.split):  # noqa: PTH207
                yield from _under(path, walk)
    yield from walk.behind_links()


def _under(path: str, walk: FolderWalk) -> Iterator[Input]:
    if os.path.isdir(path):  # noqa: PTH112 - as above
        yield from walk.files(path)
    else:
        yield local_file(path)


def _opened(unit: Unit) -> Iterator[Unit]:
    """Yield a zip file's units in its place."""
    file = unit.files[0]
    if not is_named_zip(file.address):
        yield unit
        return
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(open_seekable(file.address))
        except OSError:
            yield unit
            return
        yield from in_units(members(file, opened), folders_return=False)


def open_seekable(address: str) -> BinaryIO:
    """Open a local or remote file for reading at any place.

    Raises:
        OSError: it cannot be opened, or is neither file nor link to one.
    """
    if is_remote(address):
        return open_remote(*file_system(address))
    opened = open(address, "rb", opener=lambda path, flags: os.open(path, flags | _AT_ONCE))  # noqa: SIM115
    if not opened.seekable():
        opened.close()
        raise OSError("not an ordinary file")
    return opened
