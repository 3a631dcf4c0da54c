"""Files behind addresses (s3://, gs://, https://, ...), listed and read through fsspec, with retries."""

import functools
import importlib
import io
import posixpath
import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from model.scan.errors import MissingPackage
from model.scan.listing.inputs import Input

REQUIREMENTS = "requirements/scan.txt"
# Together with the waits between them, half a minute: longer than the usual hiccup of an object store.
TRIES = 6
FIRST_WAIT_SECONDS = 0.5
# Errors that no retry fixes.
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
# Fields of fsspec's listings that change with a file's content; each file system has some of them.
_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "updated", "created")
_T = TypeVar("_T")

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class StoreFailure(Exception):
    """A store did not deliver part of a file, after all retries.

    Not an OSError: `zipfile` would report a damaged archive, and packing it again would not help.
    """


class RemoteFile(io.RawIOBase):
    """A remote file, open for reading at any place; failed reads are retried."""

    def __init__(self, opened: BinaryIO) -> None:
        self._opened = opened

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: it can be read at any place."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, as any file; ValueError where the store gives files from their beginning only."""
        return self._opened.seek(offset, whence)

    def tell(self) -> int:
        """Return the place, in bytes from the beginning."""
        return self._opened.tell()

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill a buffer from this place on, as far as the file goes.

        Raises:
            StoreFailure: the store does not deliver it, even after all retries.
        """
        place, view = self.tell(), memoryview(buffer).cast("B")

        def read() -> bytes:
            # The same open file: opened again it could be another version, of which the directory says other places.
            self._opened.seek(place)
            return self._opened.read(len(view))

        try:
            content = with_retries(read)
        except OSError as error:
            raise StoreFailure(error.strerror or str(error)) from error
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        """Close the file on the store too."""
        if not self.closed:
            self._opened.close()
        super().close()


def is_remote(source: str) -> bool:
    """Return whether it is an address and not a local path; file:// is a local path."""
    scheme, colon, _ = source.partition("://")
    return bool(colon) and scheme != "file"


def file_system(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path within it.

    Raises:
        MissingPackage: fsspec, or the package for this kind of address, is not installed.
    """
    try:
        fsspec = importlib.import_module("fsspec")
        system, path = fsspec.url_to_fs(address, use_listings_cache=False)
    except ImportError as error:
        raise MissingPackage(error.name or "for such addresses", REQUIREMENTS) from error
    return system, path


def remote_files(address: str) -> Iterator[Input]:
    """List an address: itself where it is a file, all files under it, or those that its pattern (*, ?) names."""
    system, path = file_system(address)
    if any(sign in path for sign in "*?["):
        found = with_retries(lambda: system.glob(path, detail=True))
        names = sorted((name for name in found if found[name]["type"] == "file"), key=posixpath.split)
        yield from (_input(system, found[name]) for name in names)
        return
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        entries = with_retries(functools.partial(system.ls, folder, detail=True))
        entries.sort(key=lambda entry: entry["name"])
        # Some stores list a folder as an empty file of its own name within it.
        inside = [entry for entry in entries if entry["name"].rstrip("/") != folder.rstrip("/") or len(entries) == 1]
        yield from (_input(system, entry) for entry in inside if entry["type"] == "file" and not _is_hidden(entry))
        waiting += [e["name"] for e in reversed(inside) if e["type"] == "directory" and e["name"] != folder]


def _is_hidden(entry: dict[str, Any]) -> bool:
    name = str(entry["name"]).rstrip("/").rpartition("/")[2]
    return name.startswith(".") or name.upper() == "DICOMDIR"


def _input(system: Any, entry: dict[str, Any]) -> Input:
    size = entry.get("size")
    version = next((str(entry[name]) for name in _VERSIONS if entry.get(name)), "")
    return Input(str(system.unstrip_protocol(entry["name"])), -1 if size is None else int(size), version.strip('"'))


def read_remote(system: Any, path: str) -> bytes:
    """Read a file whole.

    Raises:
        OSError: it cannot be read, even after all retries.
    """
    return cast(bytes, with_retries(lambda: system.cat_file(path)))


def open_remote(system: Any, path: str) -> BinaryIO:
    """Open a file for reading at any place, as the directory of a zip file needs; see RemoteFile."""
    return cast(BinaryIO, RemoteFile(with_retries(lambda: system.open(path, "rb"))))


def with_retries(call: Callable[[], _T], tries: int = TRIES, first_wait_seconds: float = FIRST_WAIT_SECONDS) -> _T:
    """Call until it works, waiting twice as long after each failure, at random up to a half more or less.

    Raises:
        OSError: it did not work, or the file is not there or not open to us.
    """
    for remaining in reversed(range(tries)):
        try:
            return call()
        except _FINAL:
            raise
        except Exception as error:
            # Each file system raises what its own library does.
            if not remaining:
                raise OSError(f"tried {tries} times, {type(error).__name__}") from error
        # Jobs that failed together must not come back together.
        time.sleep(first_wait_seconds * 2 ** (tries - 1 - remaining) * random.uniform(0.5, 1.5))
    raise AssertionError("the last try returns or raises")
