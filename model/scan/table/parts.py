"""The table of a scan: its columns, and its parts, each of which is complete or absent."""

import contextlib
import importlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from model.records import Row, scan_columns
from model.safe_files import write_atomically
from model.scan.errors import MissingPackage
from model.scan.listing.inputs import Shard
from model.scan.listing.remote import REQUIREMENTS

PARTS = "parts"
# Pattern of `write_atomically`'s temporary files, which a kill leaves behind.
_ASIDE = ".*.parquet.*"


def arrow() -> Any:
    """Return pyarrow with its Parquet module.

    Raises:
        MissingPackage: it is not installed.
    """
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise MissingPackage("pyarrow", REQUIREMENTS) from error


def schema(class_names: Sequence[str]) -> Any:
    """Return the columns as Arrow knows them."""
    pyarrow = arrow()
    return pyarrow.schema([(column.name, getattr(pyarrow, column.kind)()) for column in scan_columns(class_names)])


def read_part(file: Path, **what: Any) -> Any:
    """Read a part as an Arrow table; opened here, since Arrow opens no file whose name is not UTF-8."""
    with file.open("rb") as opened:
        return arrow().parquet.read_table(opened, **what)


def encoded(table: Any) -> bytes:
    """Return an Arrow table as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    arrow().parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


class Parts:
    """The parts of one shard, in the scan's folder."""

    def __init__(self, folder: Path, shard: Shard, class_names: Sequence[str]) -> None:
        self._folder, self._shard = folder / PARTS, shard
        self._schema = schema(class_names)
        self._n = 1 + max((int(file.stem.rpartition("-")[2]) for file in self.files()), default=-1)

    def files(self) -> list[Path]:
        """Return the shard's parts in the order in which they were written."""
        return sorted(self._folder.glob(f"{self._shard}-*.parquet"))

    def clear_aside(self) -> None:
        """Remove what a killed run of this shard was about to write."""
        for file in self._folder.glob(_ASIDE):
            if file.name.startswith(f".{self._shard}"):
                file.unlink(missing_ok=True)

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows as a new part, in one step.

        Raises:
            OSError: the disk is full or gone; the part is then absent.
        """
        table = arrow().Table.from_pylist(list(rows), schema=self._schema)
        write_atomically(self._folder / f"{self._shard}-{self._n:06}.parquet", encoded(table))
        _sync(self._folder)
        self._n += 1

    def read(self, names: Sequence[str]) -> Iterator[tuple[Path, Any]]:
        """Yield each part with these columns of it."""
        for file in self.files():
            yield file, read_part(file, columns=list(names))

    def keep(self, file: Path, mask: Any) -> None:
        """Keep only the rows of a part where the mask, bool, shape (n_rows,), is true."""
        if not mask.any():
            file.unlink()
        elif not mask.all():
            table = read_part(file, schema=self._schema)
            write_atomically(file, encoded(table.filter(arrow().array(mask))))


def _sync(folder: Path) -> None:
    """Flush the folder's entries to the disk, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
