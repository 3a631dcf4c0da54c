"""Hooks of gunicorn.conf.py that collect the metrics of all workers.

Each worker writes files in one folder, named by its seat. A new worker takes the lowest free seat and counts on in
the files of the one before, so that counters never fall and files are never more than workers at once.
"""

import shutil
from pathlib import Path
from typing import Any

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead


def make_folder(folder: Path) -> None:
    """Make the folder, empty: an earlier process of the same id may have been killed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)


def take_seat(server: Any, worker: Any) -> None:
    """Assign a starting worker the lowest seat that no living worker has."""
    taken = {other.seat for other in server.WORKERS.values()}
    worker.seat = next(seat for seat in range(len(taken) + 1) if seat not in taken)


def write_at_seat(worker: Any) -> None:
    """Write the metrics that this process makes from now on at its seat."""
    values.ValueClass = values.MultiProcessValue(lambda: worker.seat)  # type: ignore[no-untyped-call]


def leave_seat(worker: Any, folder: Path) -> None:
    """Drop what a dead worker had in progress, but keep what it counted."""
    mark_process_dead(worker.seat, str(folder))  # type: ignore[no-untyped-call]


def remove_folder(folder: Path) -> None:
    """Remove the folder with the server."""
    shutil.rmtree(folder, ignore_errors=True)
