"""Write docs/scaling.md: the measured figures, what follows from them, and where the next limit is."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report.page import table
from benchmarks.scaling.figures import read_figures
from model.safe_files import write_atomically

_SIZES = (10_000, 1_000_000, 100_000_000)
_TEXTS = Path(__file__).parent


def run(options: argparse.Namespace) -> None:
    """Write the page."""
    write_page(options.figures, options.page)


def write_page(figures: Path, page: Path) -> None:
    """Write the page from what the figures hold so far."""
    found = read_figures(figures)
    parts = [(_TEXTS / "head.md").read_text(encoding="utf-8")]
    if "measure" in found:
        parts += [_throughput(found["measure"]), _costs(found["measure"]), _serving(found["measure"])]
    if "memory" in found:
        parts.append(_memory(found["memory"]))
    parts += [_survived(found[name], name) for name in ("survive_plain", "survive_ray") if name in found]
    if "simulate" in found:
        parts.append(_fleets(found["simulate"]))
    parts.append((_TEXTS / "limits.md").read_text(encoding="utf-8"))
    write_atomically(page, "\n".join(parts).encode())


def _throughput(measured: dict[str, Any]) -> str:
    rows = [
        (_named(name), f"{measured['engine'][name]['slices_per_second']:.1f}", f"{scan['slices_per_second']:.1f}",
         f"{1000 * scan['cpu_seconds_per_slice']:.0f} ms", f"{scan['seconds_to_start_and_end']:.1f} s")
        for name, scan in measured["scan"].items()
    ]  # fmt: skip
    return (
        f"## Slices per second\n\nMeasured on {measured['machine']}; {measured['date']}; {measured['n_files']} slices. "
        "The engine alone gets images that are already decoded; the scan reads, decodes, predicts and writes.\n\n"
        + _table(("cores, slices per pass", "engine alone", "scan", "processor time per slice", "start and end"), rows)
        + f"\nThe scan reaches {measured['share_of_engine']:.2f} of the engine's best on the same images, and "
        f"{measured['scaling_from_1_core']:.2f} times one core's best on two (goals: at least 0.85 and 1.7). A line "
        f"through zero over both gives **{measured['slices_per_core_second']:.1f} slices per core and second**. "
        f"{measured['files_listed_per_second']:,.0f} files are listed per second.\n"
        + (_ray(measured["ray"]) if "ray" in measured else "")
    )


def _ray(measured: dict[str, Any]) -> str:
    rows = [(_named(name), f"{rate:.1f}", f"{measured['seconds'][name]:.0f} s")
            for name, rate in measured["slices_per_second"].items()]  # fmt: skip
    plain = (f"{max(measured['seconds'])}, without Ray", f"{measured['plain_slices_per_second']:.1f}",
             f"{measured['plain_seconds']:.0f} s")  # fmt: skip
    return (
        f"\n## Ray on one machine\n\n{measured['n_files']:,} files, start and end included. Ray takes "
        f"{measured['time_over_plain']:.2f} times as long as the plain scan.\n\n"
        + _table(("`--engine ray`", "slices per second between the first part and the last", "whole scan"),
                 [*rows, plain])
    )  # fmt: skip


def _named(cores: str) -> str:
    return cores.replace("1 cores", "1 core")


def _memory(measured: dict[str, Any]) -> str:
    rows = [
        (f"{int(n):,}", f"{run['parent_mb']:.0f} MB", f"{run['decoder_mb']:.0f} MB")
        for n, run in measured["by_files"].items()
    ]
    return (
        "## Memory\n\nThe largest that was seen, as PSS. It must not grow with the archive (at most 1.1): "
        f"it is {measured['growth']:.2f} times as much. Measured on {measured['machine']}; {measured['date']}.\n\n"
        + _table(("files", "first process, with the network", "each decoding process"), rows)
    )


def _serving(measured: dict[str, Any]) -> str:
    found = measured["serving"]
    return (
        "## A replica of the service\n\nOne gunicorn worker with both models classifies one image after the other. "
        f"It is ready after {found['seconds_until_ready']:.1f} s, takes {found['loaded_mb']:.0f} MB then and "
        f"{found['working_mb']:.0f} MB while it works, and answers {found['pictures_per_second']:.1f} images per "
        "second. "
        "The requests in `deploy/kubernetes` come from here.\n"
    )


def _costs(measured: dict[str, Any]) -> str:
    rate = measured["slices_per_core_second"]
    rows = [(f"{n:,}", _two_digits(n / rate / 86400), _duration(n / rate / 64)) for n in _SIZES]
    return "## What an archive costs\n\nBy that line; 64 cores, if they scale as two did.\n\n" + _table(
        ("slices", "core-days", "on 64 cores"), rows
    )


def _two_digits(number: float) -> str:
    return f"{number:,.2f}" if number >= 0.1 else f"{number:.2g}"


def _duration(seconds: float) -> str:
    """Return a time in a readable unit."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _survived(found: dict[str, Any], name: str) -> str:
    engine = name.removeprefix("survive_")
    return (
        f"## Killed again and again: {engine}\n\n{found['n_files']:,} files, {found['n_damaged']} of them damaged, "
        f"{found['n_kills']} kills (SIGKILL) at random moments, each followed by `--resume`: {found['n_rows']:,} rows "
        f"with {found['n_different_ids']:,} different ids in the parts, {found['n_rows_in_table']:,} in the table, "
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
        f"## A fleet that fails\n\nA simulation of {found['n_slices']:,} slices with the figures above and machines of "
        "two cores, which fail at random. A machine is replaced after five minutes; then come the measured start and a "
        f"new listing of the whole archive. The figures are means of {found['n_played']} runs.\n\n"
        + _table(
            ("machines", "time between failures of one", "failures", "takes", "without failures and listing",
             "of the machines' time scans"), rows,
        )
    )  # fmt: skip


def _table(columns: tuple[str, ...], rows: Sequence[Sequence[object]]) -> str:
    return "\n".join(table(columns, [[str(cell) for cell in row] for row in rows])) + "\n"
