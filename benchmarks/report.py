"""Write what was measured as a page of Markdown with its plot."""

from pathlib import Path
from typing import Any

PAGE, PLOT = "benchmarks.md", "benchmarks.webp"
_VERDICTS = {"aim": "aim reached", "must": "kept", "missed": "**missed**"}


def write(results: dict[str, Any], folder: Path) -> None:
    """Write the page and the plot of a whole run into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(page(results), encoding="utf-8")


def page(results: dict[str, Any]) -> str:
    """Give the page."""
    rows = results["rows"].values()
    return "\n".join([*_head(results), *_rows(rows), "", *_samples(rows), "", *_notes(rows), ""])


def _head(results: dict[str, Any]) -> list[str]:
    machine = results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return [
        "# Benchmarks",
        "",
        "Made by `python -m benchmarks`, all in one run. A ratio is that of two medians of measurements taken in turn.",
        "",
        *(["> A quick run: these figures mean nothing.", ""] if results["quick"] else []),
        f"{machine['processor']}, {machine['n_cores']} cores, {machine['memory_gb']} GB; {machine['system']}, "
        f"Python {machine['python']}; {packages}. {machine['date']}, load {machine['load_at_start']} at the start.",
        "",
    ]


def _rows(rows: Any) -> list[str]:
    head = ["| what | median | 95th percentile | must be | aim | |", "|---|---|---|---|---|---|"]
    return head + [
        f"| {row['title']} | {_number(row['value'])} {row['unit']} | {_number(row['p95'])} {row['unit']} "
        f"| {row['better']} {row['must']:g} | {row['aim']:g} | {_VERDICTS[row['verdict']]} |"
        for row in rows
    ]


def _samples(rows: Any) -> list[str]:
    head = ["## What the figures were made of", "", "| row | what, unit | median | 95th percentile | n |",
            "|---|---|---|---|---|"]  # fmt: skip
    return head + [
        f"| {row['title']} | {name} | {_number(sample['median'])} | {_number(sample['p95'])} | {sample['n']} |"
        for row in rows
        for name, sample in row["samples"].items()
    ]


def _notes(rows: Any) -> list[str]:
    return ["## How they were measured", "", *(f"- {row['title']}: {' '.join(row['notes'])}" for row in rows)]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
