"""Run a shard from its list to its rows; after any interruption, the next run resumes."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from tqdm import tqdm

from model.records import Row
from model.safe_files import write_atomically
from model.scan.errors import ScanError
from model.scan.listing.sources import list_units
from model.scan.listing.units import Unit
from model.scan.scan_folder import ScanFolder
from model.scan.table.done import Done
from model.scan.table.merging import SUMMARY, Summary, merge
from model.scan.table.parts import Parts
from model.scan.table.report import REPORT, write_report

# A part is written once it has so many rows.
ROWS_PER_PART = 5000
# Seconds between lines of progress outside a terminal: a log of ten days must stay readable.
_LOG_SECONDS = 10.0
ALL_DONE, SOME_FAILED, NOTHING_DONE = 0, 1, 2


class Engine(Protocol):
    """Turns units into rows: locally or on a cluster."""

    def rows(self, units: Iterable[Unit]) -> Iterator[list[Row]]:
        """Yield all rows of one or more units at a time, in any order."""


@dataclass(frozen=True)
class Todo:
    """What a shard has to do. n_listed: its files in all; n_left: those without a row, their units listed in `file`."""

    file: Path
    n_listed: int
    n_left: int

    def units(self) -> Iterator[Unit]:
        """Yield the units that have no rows yet."""
        with self.file.open(encoding="utf-8") as lines:
            yield from map(Unit.from_line, lines)


def list_todo(folder: ScanFolder) -> Todo:
    """List the sources, and remove from the table what must be computed again.

    Raises:
        ScanError: a source cannot be listed, or the list cannot be written.
    """
    done = Done(folder.parts)
    n_listed = n_left = 0
    try:
        with folder.todo.open("w", encoding="utf-8") as lines, _progress("listing", None, 0) as shown:
            for unit in list_units(folder.request.sources, folder.shard, left_out=str(folder.path)):
                n_listed += len(unit.files)
                if not done.has(unit):
                    n_left += len(unit.files)
                    lines.write(unit.to_line() + "\n")
                shown.update(len(unit.files))
        done.drop_stale()
    except OSError as error:
        raise ScanError(f"The sources cannot be listed, or the list cannot be kept: {error}. Then --resume.") from error
    notes = [f"{done.n_stale} changed or unreadable, to be done again"] if done.n_stale else []
    notes += [f"{done.n_gone} no longer there, rows kept"] if done.n_gone else []
    print(f"{n_listed} files, {n_listed - n_left} done before{''.join(f', {n}' for n in notes)}.", file=sys.stderr)
    return Todo(folder.todo, n_listed, n_left)


def work_through(folder: ScanFolder, engine: Engine, todo: Todo, checkpoint_seconds: float) -> None:
    """Write a row for everything left to do. Finished rows are kept, whatever ends this.

    Raises:
        ScanError: rows cannot be written, the engine stopped before the end, or decoding processes do not start.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    n_done, n_before = 0, todo.n_listed - todo.n_left
    with _Writer(folder.parts, checkpoint_seconds) as writer, _progress("scanning", todo.n_listed, n_before) as shown:
        for rows in engine.rows(todo.units()):
            writer.add(rows)
            n_files = sum(row["unit_files"] for row in rows)
            n_done += n_files
            shown.update(n_files)
    if n_done != todo.n_left:
        raise ScanError(f"Expected rows of {todo.n_left} files, but received {n_done}. Continue with --resume.")


class _Writer:
    """Gathers rows and writes them as parts. Leaving the `with` statement writes the rest."""

    def __init__(self, parts: Parts, seconds: float) -> None:
        self._parts, self._seconds = parts, seconds
        self._rows: list[Row] = []
        self._since = time.monotonic()

    def __enter__(self) -> "_Writer":
        return self

    def add(self, rows: Sequence[Row]) -> None:
        """Take all rows of a unit: they are written in one part."""
        self._rows += rows
        if len(self._rows) >= ROWS_PER_PART or time.monotonic() - self._since >= self._seconds:
            self._write()

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            try:
                self._parts.add(rows)
            except OSError as error:
                raise ScanError(
                    f"Rows cannot be written: {error.strerror}. Earlier rows are complete. "
                    "Make room, then continue with --resume."
                ) from error
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._write()


def finish(folder: ScanFolder) -> tuple[int, Summary | None]:
    """Close a shard; the last one of a scan merges all tables. Return the exit code and the whole scan's summary.

    Raises:
        ScanError: the disk is full.
    """
    n_rows = n_failed = 0
    for _, table in folder.parts.read(["error_code"]):
        n_rows += table.num_rows
        n_failed += sum(map(bool, table.column("error_code").to_pylist()))
    date = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        is_last = folder.finish({"date": date, "n_rows": n_rows, "n_failed": n_failed})
        summary = _write_results(folder, date) if is_last else None
        folder.todo.unlink(missing_ok=True)
    except OSError as error:
        raise ScanError(
            f"The whole table cannot be written: {error.strerror}. Every part of it is complete. "
            "Make room, then continue with --resume."
        ) from error
    return SOME_FAILED if n_failed else ALL_DONE, summary


def _write_results(folder: ScanFolder, date: str) -> Summary:
    summary = merge(folder.path, folder.request.class_names)
    write_report(folder.path, folder.request, summary, date)
    about: dict[str, Any] = {"date": date, **summary.to_dict()}
    write_atomically(folder.path / SUMMARY, json.dumps(about, indent=1, ensure_ascii=False).encode())
    print(f"Wrote {folder.path / REPORT}, results.parquet and results.csv.", file=sys.stderr)
    return summary


def _progress(name: str, n_files: int | None, n_before: int) -> "tqdm[Any]":
    """Return a line that shows how many files have passed, how fast, and how long the rest will take."""
    seconds = 0.1 if sys.stderr.isatty() else _LOG_SECONDS
    return tqdm(
        desc=name, total=n_files, initial=n_before, unit="file", file=sys.stderr, mininterval=seconds,
        maxinterval=max(seconds, 10), ncols=None if sys.stderr.isatty() else 100,
    )  # fmt: skip


@contextmanager
def stops_on_sigterm() -> Iterator[None]:
    """Have SIGTERM, which schedulers send before they kill, end the scan as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, before)
