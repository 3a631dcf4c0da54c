"""Paths of the repository's own files for tests."""

import csv
from pathlib import Path

TOP = Path(__file__).parents[2]
SAMPLES = TOP / "static" / "samples"


def sample_bytes(name: str = "glioma") -> bytes:
    """Return a sample of the page, a JPEG of one slice."""
    return (SAMPLES / f"{name}.jpg").read_bytes()


def csv_rows(file: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, each by its columns."""
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
