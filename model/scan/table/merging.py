"""From the parts of all shards to one table, sorted by path, as Parquet and CSV; and to its summary."""

import importlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.records import Row, scan_columns, write_csv
from model.safe_files import replaced
from model.scan.table.parts import PARTS, arrow, read_part, schema

TABLE, SPREADSHEET, SUMMARY = "results.parquet", "results.csv", "summary.json"
# Rows sorted in memory at a time: a few hundred megabytes.
_ROWS_AT_ONCE = 500_000
_DICTIONARIES_AT_ONCE = 1000
# Bars of the histogram of tumor probabilities, each 0.05 wide.
N_BINS = 20


@dataclass(frozen=True)
class Summary:
    """The summary of a whole scan.

    by_answer: rows per answer; by_error: failed rows per code; by_reason: rows without a class per reason;
    tumor_probabilities: rows per bin of equal width from 0 to 1. n_contents: different contents among readable files.
    """

    n_files: int
    n_rows: int
    n_failed: int
    n_contents: int
    n_slices: int
    n_bytes: int
    by_answer: dict[str, int]
    by_error: dict[str, int]
    by_reason: dict[str, int]
    tumor_probabilities: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return asdict(self)


def merge(folder: Path, class_names: Sequence[str]) -> Summary:
    """Write the table in both formats, each in one step; the rows' order does not depend on shards or runs.

    Raises:
        OSError: the disk is full.
    """
    files = sorted((folder / PARTS).glob("shard-*.parquet"))
    counts = _Counts()
    with (
        replaced(folder / TABLE) as parquet,
        replaced(folder / SPREADSHEET) as spreadsheet,
        parquet.open("wb") as file,
        arrow().parquet.ParquetWriter(file, schema(class_names), compression="zstd") as writer,
        spreadsheet.open("w", newline="", encoding="utf-8") as text,
    ):

        def rows() -> Iterator[Row]:
            for table in _sorted_tables(files, class_names):
                writer.write_table(table)
                for some in _in_python(table):
                    counts.add(some)
                    yield from some

        write_csv(text, scan_columns(class_names), rows())
    return counts.summary()


def _in_python(table: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield rows as dictionaries, some at a time: they take far more memory than in the table."""
    for batch in table.to_batches(max_chunksize=_DICTIONARIES_AT_ONCE):
        yield batch.to_pylist()


def _sorted_tables(files: Sequence[Path], class_names: Sequence[str]) -> Iterator[Any]:
    """Yield all rows by path, in tables that fit into memory: each reads only those parts that reach into it."""
    reaches = [_Reach(file) for file in files]
    bounds = _bounds(reaches)
    for start, end in zip(["", *bounds], [*bounds, None], strict=True):
        tables = []
        for reach in reaches:
            if reach.last >= start and (end is None or reach.first < end):
                table = read_part(reach.file, schema=schema(class_names))
                tables.append(_between(table, start, end))
        if tables:
            yield arrow().concat_tables(tables).sort_by([("path", "ascending"), ("id", "ascending")])


class _Reach:
    """From which path to which a part reaches, its number of rows, and one path in a hundred."""

    def __init__(self, file: Path) -> None:
        names = sorted(read_part(file, columns=["path"]).column("path").to_pylist())
        self.file, self.n_rows = file, len(names)
        self.first, self.last, self.sample = names[0], names[-1], names[::100]


def _bounds(reaches: Sequence[_Reach]) -> list[str]:
    """Return paths that cut all of them into stretches of about _ROWS_AT_ONCE."""
    sample = sorted({name for reach in reaches for name in reach.sample})
    n_cuts = sum(reach.n_rows for reach in reaches) // _ROWS_AT_ONCE
    return sorted({sample[len(sample) * (i + 1) // (n_cuts + 1)] for i in range(n_cuts)})


def _between(table: Any, start: str, end: str | None) -> Any:
    """Keep the rows whose path is at least `start` and below `end`."""
    compute = importlib.import_module("pyarrow.compute")
    mask = compute.greater_equal(table.column("path"), start)
    return table.filter(mask if end is None else compute.and_(mask, compute.less(table.column("path"), end)))


class _Counts:
    """Adds rows up to a summary."""

    def __init__(self) -> None:
        self._answers: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._bins = np.zeros(N_BINS, np.int64)
        self._contents: list[Any] = []
        self._n_files = self._n_slices = self._n_bytes = 0

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        self._answers.update(row["answer"] for row in rows if not row["error_code"])
        self._errors.update(row["error_code"] for row in rows if row["error_code"])
        self._reasons.update(row["reason"] for row in rows if row["reason"])
        self._n_files += sum(row["unit_files"] for row in rows)
        self._n_slices += sum(row["n_slices"] for row in rows if not row["error_code"])
        self._n_bytes += sum(max(row["size_bytes"], 0) for row in rows)
        # The first eight bytes tell contents apart well enough to count them.
        names = [name for row in rows for name in row["sha256"].split()]
        self._contents.append(np.array([int(name[:16], 16) for name in names], np.uint64))
        shares = [row["tumor_probability"] for row in rows if row["tumor_probability"] is not None]
        self._bins += np.histogram(shares, N_BINS, (0, 1))[0]

    def summary(self) -> Summary:
        n_failed = sum(self._errors.values())
        n_contents = len(np.unique(np.concatenate(self._contents))) if self._contents else 0
        return Summary(
            n_files=self._n_files, n_rows=n_failed + sum(self._answers.values()), n_failed=n_failed,
            n_contents=n_contents, n_slices=self._n_slices, n_bytes=self._n_bytes, by_answer=_by_count(self._answers),
            by_error=_by_count(self._errors), by_reason=_by_count(self._reasons),
            tumor_probabilities=tuple(int(n) for n in self._bins),
        )  # fmt: skip


def _by_count(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda pair: (-pair[1], pair[0])))
