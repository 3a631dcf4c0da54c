"""Files that are whole or absent: replaced in one step, identified by SHA-256, named in UTF-8."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def in_utf8(path: str | Path) -> str:
    """Return a path in valid UTF-8, with other bytes as a backslash, x and their number.

    Python keeps such bytes of a file's name as lone surrogates, which no table and no page can hold.
    """
    return os.fspath(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step: a reader sees the old content or the new, never a part."""
    with replaced(path) as aside:
        aside.write_bytes(content)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield an empty file to write to, which takes the file's place in one step if all goes well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.chmod(0o644)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
