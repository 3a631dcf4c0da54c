"""The files of a zip file one by one, read where it lies: an archive of any size never comes into memory whole."""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from model.reading.archives import counts, is_usual
from model.scan.listing.inputs import Input
from model.scan.listing.remote import StoreFailure

# What zipfile and zlib raise for damaged archives.
DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, LookupError)


def is_named_zip(address: str) -> bool:
    """Return whether the name is that of a zip file: opening every file to check would read the archive twice."""
    return address.lower().endswith(".zip")


def members(archive: Input, file: BinaryIO) -> Iterator[Input]:
    """Yield the files of a zip file; the zip file itself if it cannot be opened, to get a row.

    Several files of one name are all yielded, the second as "name#2".
    """
    try:
        with zipfile.ZipFile(file) as opened:
            entries = list(enumerate(opened.infolist()))
    except (*DAMAGE, StoreFailure):
        yield archive
        return
    entries = [(place, entry) for place, entry in entries if counts(entry)]
    if not entries or not all(is_usual(entry) for _, entry in entries):
        yield archive
        return
    seen: dict[str, int] = {}
    # The files of a folder one after the other, in their order in the archive.
    for place, entry in sorted(entries, key=lambda pair: pair[1].filename.rpartition("/")[0]):
        n = seen[entry.filename] = seen.get(entry.filename, 0) + 1
        member = entry.filename if n == 1 else f"{entry.filename}#{n}"
        yield replace(archive, size_bytes=entry.file_size, version=f"{entry.CRC:08x}", member=member, place=place)
