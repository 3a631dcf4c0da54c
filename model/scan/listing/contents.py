"""The bytes of an input, local or remote; the last zip file stays open."""

import contextlib
import os
import stat
import threading
import weakref
import zipfile
from typing import Any

from model.errors import TooManyPixels, UnreadableImage, UnsupportedFormat
from model.reading.archives import read_archive
from model.scan.listing.inputs import Input
from model.scan.listing.remote import StoreFailure, file_system, is_remote, read_remote
from model.scan.listing.sources import open_seekable
from model.scan.listing.zip_members import DAMAGE, is_named_zip
from model.sentences import Sentence

# Nothing larger is read into memory: the largest volume that is let through has a third of these bytes.
MAX_BYTES = 1_500_000_000


class Contents(threading.local):
    """Reads inputs one after the other; each thread has its own open zip file."""

    def __init__(self) -> None:
        self._archive: tuple[str, zipfile.ZipFile] | None = None
        self._systems: dict[str, Any] = {}

    def read(self, item: Input) -> bytes:
        """Read an input whole.

        Raises:
            OSError: it cannot be read, even after all retries.
            ImageError: it is too large, or a damaged or unusual zip file.
        """
        if item.size_bytes > MAX_BYTES:
            raise _too_large(item.size_bytes)
        if item.member:
            return self._read_member(item)
        return self._read_remote(item.address) if is_remote(item.address) else _read_local(item.address)

    def _read_remote(self, address: str) -> bytes:
        protocol = address.partition("://")[0]
        if protocol not in self._systems:
            self._systems[protocol] = file_system(address)[0]
        system = self._systems[protocol]
        return read_remote(system, system._strip_protocol(address))

    def _read_member(self, item: Input) -> bytes:
        try:
            archive = self._opened(item.address)
            return archive.read(archive.infolist()[item.place])
        except StoreFailure as error:
            self._archive = None
            raise OSError(str(error)) from error
        except DAMAGE as error:
            self._archive = None
            raise UnreadableImage(Sentence("This zip file is cut off or damaged. Pack it again.")) from error

    def _opened(self, address: str) -> zipfile.ZipFile:
        if self._archive is None or self._archive[0] != address:
            self._archive = None
            self._archive = address, _open_archive(address)
        return self._archive[1]


def _open_archive(address: str) -> zipfile.ZipFile:
    """Open a zip file; the caller closes it."""
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(open_seekable(address))
        archive = zipfile.ZipFile(opened)
        weakref.finalize(archive, stack.pop_all().close)
        return archive


def _read_local(path: str) -> bytes:
    # Asked first: opening a device can have effects, and a named pipe waits for a writer.
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - keeps names that are not UTF-8
        raise OSError("not an ordinary file")
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return file.read()


def refuse_archive(item: Input, content: bytes, max_files: int) -> None:
    """Refuse a zip file given as one input, and say why.

    Raises:
        ImageError: always, but for
        OSError: nothing is wrong with it, its store did not give the part that lists its files.
    """
    if is_named_zip(item.address) or item.member:
        read_archive(content, max_files, MAX_BYTES)
    if is_named_zip(item.address) and not item.member:
        raise OSError("the store gave the zip file whole, but not in parts (if it never does, download it)")
    raise UnsupportedFormat(Sentence("This zip file is not named .zip, or is inside another one. Unpack or rename it."))


def _too_large(n_bytes: int) -> TooManyPixels:
    return TooManyPixels(
        Sentence(
            "Expected a file of at most {limit} MB; this one has {received} MB. Export fewer slices.",
            limit=f"{MAX_BYTES / 1e6:.0f}",
            received=f"{n_bytes / 1e6:.0f}",
        )
    )
