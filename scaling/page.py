"""Write docs/scaling.md: the measured figures, what follows from them, and where the next limit is."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from model.card import write_atomically
from scaling.figures import read_figures

_SIZES = (10_000, 1_000_000, 100_000_000)
_HEAD = """# What a scan costs, and how far it goes

Made by `python -m scaling page` from `docs/scaling.json`, into which these commands write what they measure. On a quiet
machine:

```sh
.venv/bin/python -m scaling measure  --pictures PICTURES --ray
.venv/bin/python -m scaling survive  --pictures PICTURES
.venv/bin/python -m scaling survive  --pictures PICTURES --engine ray
.venv/bin/python -m scaling simulate
.venv/bin/python -m scaling page
```
"""
_LIMITS = """## Where the next limit is

- **Listing.** Every job of a scan lists the whole archive and takes its share by id, so that jobs need not talk. That is
  nothing for 10^6 files and the longest part of a restart for 10^8: give each job a folder or bucket prefix of its own as
  its source then, in a scan of its own.
- **Memory for ids.** A resumed job keeps 26 bytes per row that it has already: 260 MB for 10^7 rows. More jobs
  (`--shard i/N`) divide that.
- **The last job** merges all rows in stretches of 500,000. Its table of 10^8 rows is tens of gigabytes as CSV; the parts
  are Parquet files that other programs read together as they are.
- **The store.** Eight decoding processes wait for the network while one engine computes. A store that gives less than what
  the cores take is the limit: at the rate above, slices of 30 kB are under 1 MB/s per core.
- **Ray.** One driver writes all rows. It takes a million inputs at a time; more jobs, each with a driver, go further.

## Why Ray, and not Dask or Spark

On paper; only Ray was tried. What a scan needs: workers that load a network once and keep it (0.5 GB, seconds), inputs that
stream past them, workers that may die, and nothing to set up on one machine.

- **Ray Data** has that as its main case: pools of actors, streaming with back pressure, dead actors started anew and their
  inputs given again, one `pip install`, the same program on a laptop and on a cluster (KubeRay, Slurm).
- **Dask** has actors, but a task that was lost with its worker is recomputed from a graph, its actors are not started
  anew, and its memory must hold the graph: it shines at arrays and tables.
- **Spark** keeps a network per Python worker only by way of an iterator of pandas batches, wants a JVM on every machine,
  and starts slowly; where a hospital has Spark already, `--shard i/N` jobs beside it need none of it.
- Ray Data's own checkpoints know the ids of rows that are written. The scan's parts know also which file changed since,
  and are the same for both engines: a scan may begin on a laptop and end on a cluster.
"""


def write_page(figures: Path, page: Path) -> None:
    """Write the page from what the figures hold so far."""
    found = read_figures(figures)
    parts = [_HEAD]
    if "measure" in found:
        parts += [_throughput(found["measure"]), _memory(found["measure"]), _costs(found["measure"])]
    parts += [_survived(found[name], name) for name in ("survive_plain", "survive_ray") if name in found]
    if "simulate" in found:
        parts.append(_fleets(found["simulate"]))
    parts.append(_LIMITS)
    write_atomically(page, "\n".join(parts).encode())


def _throughput(measured: dict[str, Any]) -> str:
    rows = [
        (name, f"{measured['engine'][name]['slices_per_second']:.1f}", f"{scan['slices_per_second']:.1f}",
         f"{1000 * scan['cpu_seconds_per_slice']:.0f} ms", f"{scan['seconds_to_start_and_end']:.1f} s")
        for name, scan in measured["scan"].items()
    ]  # fmt: skip
    ray = "".join(
        f"\nWith `--engine ray` on {name}: {run['slices_per_second']:.1f} slices per second, "
        f"{run['seconds_to_start_and_end']:.0f} s to start and end.\n"
        for name, run in measured.get("ray", {}).items()
    )
    return (
        f"## Slices per second\n\nMeasured on {measured['machine']}; {measured['date']}; {measured['n_files']} slices. The "
        "engine alone has its pictures decoded already; the scan reads, decodes, predicts and writes.\n\n"
        + _table(("cores, slices per pass", "engine alone", "scan", "processor time per slice", "start and end"), rows)
        + f"\nThe scan reaches {measured['share_of_engine']:.2f} of the engine's best on the same pictures, and "
        f"{measured['scaling_from_1_core']:.2f} times one core's best on two (bounds: 0.85 and 1.7). A line through zero "
        f"over both gives **{measured['slices_per_core_second']:.1f} slices per core and second**. "
        f"{measured['files_listed_per_second']:,.0f} files are listed per second.\n{ray}"
    )


def _memory(measured: dict[str, Any]) -> str:
    rows = [
        (f"{int(n):,}", f"{run['parent_mb']:.0f} MB", f"{run['decoder_mb']:.0f} MB", f"{run['seconds']:.0f} s")
        for n, run in measured["memory"].items()
    ]
    return "## Memory\n\nThe largest that was seen, in shares (PSS); it must not grow with the archive.\n\n" + _table(
        ("files", "first process, with the network", "each decoding process", "took"), rows
    )


def _costs(measured: dict[str, Any]) -> str:
    rate = measured["slices_per_core_second"]
    rows = [(f"{n:,}", f"{n / rate / 86400:,.2f}", f"{n / rate / 86400 / 64:,.2f} days") for n in _SIZES]
    return "## What an archive costs\n\nBy that line; 64 cores, if they scale as two did.\n\n" + _table(
        ("slices", "core-days", "on 64 cores"), rows
    )


def _survived(found: dict[str, Any], name: str) -> str:
    engine = name.removeprefix("survive_")
    return (
        f"## Killed again and again: {engine}\n\n{found['n_files']:,} files, {found['n_damaged']} of them damaged, "
        f"{found['n_kills']} kills (SIGKILL) at random moments, each followed by `--resume`: {found['n_rows']:,} rows with "
        f"{found['n_different_ids']:,} different ids in the parts, {found['n_rows_in_table']:,} in the table, "
        f"{found['n_failed']} of files that failed. It took {found['seconds'] / 60:.0f} minutes on {found['machine']}; "
        f"{found['date']}.\n"
    )


def _fleets(found: dict[str, Any]) -> str:
    rows = [
        (f["machines"], f"{f['hours_between_failures']:.0f} h", f"{f['failures']:,.0f}", f"{f['hours']:.1f} h",
         f"{f['hours_without_failures_and_listing']:.1f} h", f"{f['share_of_time_that_scans']:.0%}")
        for f in found["fleets"]
    ]  # fmt: skip
    return (
        f"## A fleet that fails\n\nA simulation of {found['n_slices']:,} slices with the figures above, machines of two "
        "cores, failures at random, five minutes until a machine is replaced, the measured start and a new listing of the "
        f"whole archive each time; means of {found['n_played']} plays.\n\n"
        + _table(
            ("machines", "time between failures of one", "failures", "takes", "without failures and listing",
             "of the machines' time scans"), rows,
        )
    )  # fmt: skip


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"
