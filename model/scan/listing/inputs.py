"""One file of an archive, or one file inside a zip file: its address, its stable id, and which job it belongs to."""

import functools
import hashlib
import os
from dataclasses import dataclass

from model.safe_files import in_utf8
from model.scan.errors import ScanError

# Bytes of SHA-256 that make an id. Among 10^8 addresses two share one with a probability of 10^-23.
ID_BYTES = 16
_BETWEEN_ARCHIVE_AND_MEMBER = "!/"


@dataclass(frozen=True)
class Input:
    """A file that will be read.

    address: absolute path or address (s3://...) of the file, or of the zip file that it is in. Bytes of a local name
    that are not UTF-8 are lone surrogates in it, as in Python's own paths.
    member: name within the zip file, "" for a file by itself; place: its place in the zip file's directory.
    size_bytes: -1 where unknown. version: changes with the content: time of the last change, ETag or checksum.
    """

    address: str
    size_bytes: int = -1
    version: str = ""
    member: str = ""
    place: int = -1

    @functools.cached_property
    def id(self) -> str:
        """32 hexadecimal digits that depend on the address alone, the same in every run."""
        return hashlib.sha256(_as_bytes(self.full_address)).hexdigest()[: 2 * ID_BYTES]

    def id_of_stack(self, n_before: int) -> str:
        """Return the id of a row of a file of several stacks: for the first one the file's own."""
        text = f"{self.full_address}\0{n_before}"
        return hashlib.sha256(_as_bytes(text)).hexdigest()[: 2 * ID_BYTES] if n_before else self.id

    @property
    def full_address(self) -> str:
        """The address, with the name within the zip file behind it."""
        return self.address + (_BETWEEN_ARCHIVE_AND_MEMBER + self.member if self.member else "")

    @property
    def shown(self) -> str:
        """The full address in valid UTF-8, as `in_utf8` writes it."""
        return in_utf8(self.full_address)

    @property
    def folder(self) -> str:
        """The full address without the file's own name."""
        return self.full_address.replace(os.sep, "/").rpartition("/")[0]

    @property
    def is_remote(self) -> bool:
        """Whether it is on another machine's store."""
        return "://" in self.address


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Shard:
    """The i-th of n jobs, counted from 0, that share an archive without talking to each other."""

    index: int = 0
    n_shards: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read "i/N".

        Raises:
            ScanError: it is not of that form, or i is not below N.
        """
        try:
            index, n_shards = map(int, text.split("/"))
        except ValueError:
            index, n_shards = -1, 0
        if not 0 <= index < n_shards:
            raise ScanError(
                f"Expected --shard i/N with i from 0 to N - 1, such as 0/4, but received {text!r}. "
                "Give every job its own i and the same N."
            )
        return cls(index, n_shards)

    def has(self, id_: str) -> bool:
        """Return whether a unit belongs to this job. Its id decides, the same in every run and on every machine."""
        return self.n_shards == 1 or int(id_[:8], 16) % self.n_shards == self.index

    def __str__(self) -> str:
        return f"shard-{self.index:05}-of-{self.n_shards:05}"


def absolute(path: str | os.PathLike[str]) -> str:
    """Return a local path absolute and without "..", links left as they are."""
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - pathlib cannot do this without resolving links
