"""Kill a scan twenty times at random moments and go on: in the end every file must have exactly one row."""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.scaling.figures import add_figures
from benchmarks.scaling.tree import make_tree
from model.scan.table.parts import arrow

# What a scan takes to start, at most, on a busy machine: before that, a kill finds nothing to lose.
_START_SECONDS = 8.0


def run(options: argparse.Namespace) -> int:
    """Print and keep what was seen; return 0 when every file has one row, 1 otherwise."""
    return survive(options.pictures, options.files, options.kills, options.engine, options.figures)


def survive(pictures: Path, n_files: int, n_kills: int, engine: str, figures: Path) -> int:
    """Print and keep what was seen; return 0 when every file has one row, 1 otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        tree, out = Path(folder) / "in", Path(folder) / "out"
        n_damaged = make_tree(pictures, tree, n_files)
        arguments = [str(tree), "--out", str(out), "--resume", "--engine", engine]
        started, progress = time.monotonic(), []
        moments = random.Random(1)
        # Kills spread over the whole scan, whatever its speed: each waits for its share of the rows.
        for i in range(n_kills):
            _kill_when(arguments, out, wanted=n_files * i // (n_kills + 1), later=moments.uniform(0, _START_SECONDS))
            progress.append(len(_ids(out)))
        code = subprocess.run(_command(arguments), check=False).returncode
        found = _found(out, n_files, n_damaged) | {
            "n_kills": n_kills, "rows_after_each_kill": progress, "exit_code": code,
            "seconds": time.monotonic() - started,
        }  # fmt: skip
    add_figures(figures, f"survive_{engine}", found)
    return 0 if found["is_whole"] else 1


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "model", "scan", *arguments, "--checkpoint-seconds", "2"]


def _kill_when(arguments: list[str], out: Path, wanted: int, later: float) -> None:
    """Start the scan, wait until so many rows are there and some seconds more, and kill it."""
    with subprocess.Popen(_command(arguments)) as scanning:
        while scanning.poll() is None and len(_ids(out)) < wanted:
            time.sleep(0.5)
        try:
            scanning.wait(later)
        except subprocess.TimeoutExpired:
            scanning.kill()


def _ids(out: Path) -> list[str]:
    """Return the ids in all parts; a part that is not whole raises."""
    parquet = arrow().parquet
    files = sorted((out / "parts").glob("*.parquet"))
    return [name for file in files for name in parquet.read_table(file, columns=["id"]).column("id").to_pylist()]


def _found(out: Path, n_files: int, n_damaged: int) -> dict[str, Any]:
    ids = _ids(out)
    table = arrow().parquet.read_table(out / "results.parquet", columns=["id", "error_code"])
    n_failed = sum(map(bool, table.column("error_code").to_pylist()))
    is_whole = len(ids) == len(set(ids)) == n_files == table.num_rows
    return {
        "n_files": n_files, "n_damaged": n_damaged, "n_rows": len(ids), "n_different_ids": len(set(ids)),
        "n_rows_in_table": table.num_rows, "n_failed": n_failed, "is_whole": is_whole,
    }  # fmt: skip
