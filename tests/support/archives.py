"""Small archives, good and bad, and scans of them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.samples import TOP


def write_slices(folder: Path, n: int, seed: int = 0) -> list[Path]:
    """Write n different small grey images, in folders of a hundred."""
    random = np.random.default_rng(seed)
    files = []
    for i in range(n):
        file = folder / f"{i // 100:02}" / f"{i:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (40, 36), np.uint8)).save(file)
        files.append(file)
    return files


def command(*arguments: object, models: Path) -> list[str]:
    return [sys.executable, "-m", "model", "scan", *map(str, arguments), "--models", str(models)]


def scan(*arguments: object, models: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Scan in a separate process, as from a shell."""
    return subprocess.run(
        command(*arguments, models=models), cwd=TOP, env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip


def rows_of(out: Path) -> list[dict[str, Any]]:
    """Return the merged table."""
    return pytest.importorskip("pyarrow.parquet").read_table(out / "results.parquet").to_pylist()


def ids_in_parts(out: Path) -> list[str]:
    """Return the ids of all parts; each must be a whole Parquet file."""
    parquet = pytest.importorskip("pyarrow.parquet")
    files = sorted((out / "parts").glob("*.parquet"))
    return [name for file in files for name in parquet.read_table(file, columns=["id"]).column("id").to_pylist()]
