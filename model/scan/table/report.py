"""One page on a whole scan that opens alone: numbers, and plots drawn as SVG, without any script."""

import html
from collections.abc import Sequence
from pathlib import Path

from model.card import DISCLAIMER
from model.safe_files import write_atomically
from model.scan.scan_folder import Request
from model.scan.table.merging import N_BINS, Summary

REPORT = "report.html"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2733; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { border-bottom: 1px solid #ccd; padding: .3rem .8rem; }
th { text-align: left; } td { text-align: right; } svg { max-width: 100%; height: auto; }
code { overflow-wrap: anywhere; }
.bar { fill: #2a6592; } text { font: 13px system-ui, sans-serif; fill: #1d2733; }
"""
_WIDTH_PX, _BAR_PX, _LABEL_PX = 760, 26, 280
_LABEL_LENGTH = 36
_HISTOGRAM_PX = 200


def write_report(folder: Path, request: Request, summary: Summary, date: str) -> None:
    """Write the page in one step; date: when the scan was finished."""
    title = f"Scan of {summary.n_rows:,} files by {request.model} {request.model_version}"
    parts = [_facts(request, summary, date)]
    parts += _section("Answers", "files", summary.by_answer)
    parts += ["<h2>Probability of any tumor</h2>", _histogram(summary.tumor_probabilities)]
    parts += _section("Why no class was named", "files", summary.by_reason)
    parts += _section("Files that failed", "files", summary.by_error)
    page = (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>\n'
        f"<h1>{html.escape(title)}</h1>\n<p><strong>{html.escape(DISCLAIMER)}</strong></p>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )
    write_atomically(folder / REPORT, page.encode("utf-8", "backslashreplace"))


def _facts(request: Request, summary: Summary, date: str) -> str:
    n_answered = summary.n_rows - summary.n_failed
    rows = [
        ("Finished", date),
        ("Files", f"{summary.n_rows:,}"),
        ("answered", f"{n_answered:,}"),
        ("failed", f"{summary.n_failed:,}"),
        ("Different contents", f"{summary.n_contents:,}"),
        ("Slices in them", f"{summary.n_slices:,}"),
        ("Size", f"{summary.n_bytes / 1e9:,.3f} GB"),
        ("SHA-256 of the model", request.model_sha256),
    ]
    sources = ", ".join(f"<code>{html.escape(source)}</code>" for source in request.sources[:20])
    more = f" and {len(request.sources) - 20:,} more" if len(request.sources) > 20 else ""
    return f"<p>Sources: {sources}{more}</p>\n{_table(('What', 'Value'), rows)}"


def _section(heading: str, unit: str, counts: dict[str, int]) -> list[str]:
    if not counts:
        return [f"<h2>{html.escape(heading)}</h2>", "<p>None.</p>"]
    n_all = sum(counts.values())
    rows = [(name, f"{n:,}", f"{n / n_all:.1%}") for name, n in counts.items()]
    return [f"<h2>{html.escape(heading)}</h2>", _bars(heading, counts), _table(("", unit, "share"), rows)]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(f"<td>{html.escape(value)}</td>" for value in others)
        + "</tr>"
        for first, *others in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _bars(heading: str, counts: dict[str, int]) -> str:
    """Draw a bar per name. The table beside it says the same to who cannot see it."""
    most = max(counts.values())
    drawn = []
    for i, (name, n) in enumerate(counts.items()):
        top, length = i * _BAR_PX, (_WIDTH_PX - _LABEL_PX - 90) * n / most
        label = name if len(name) <= _LABEL_LENGTH else f"{name[: _LABEL_LENGTH - 1]}…"
        drawn.append(
            f'<text x="{_LABEL_PX - 8}" y="{top + 18}" text-anchor="end">{html.escape(label)}</text>'
            f'<rect class="bar" x="{_LABEL_PX}" y="{top + 4}" width="{max(length, 1):.1f}" height="{_BAR_PX - 8}"/>'
            f'<text x="{_LABEL_PX + length + 8:.1f}" y="{top + 18}">{n:,}</text>'
        )
    return _svg(f"Bars: {heading}", len(counts) * _BAR_PX + 4, drawn)


def _histogram(counts: Sequence[int]) -> str:
    """Draw files per bin of tumor probability."""
    most, width = max(*counts, 1), _WIDTH_PX / N_BINS
    drawn = []
    for i, n in enumerate(counts):
        height = (_HISTOGRAM_PX - 20) * n / most
        drawn.append(
            f'<rect class="bar" x="{i * width + 1:.1f}" y="{_HISTOGRAM_PX - height:.1f}" width="{width - 2:.1f}" '
            f'height="{height:.1f}"><title>{i / N_BINS:.2f} to {(i + 1) / N_BINS:.2f}: {n:,} files</title></rect>'
        )
    drawn.append(f'<text x="0" y="14">{most:,} files</text>')
    for share in (0, 0.5, 1):
        anchor = {0: "start", 0.5: "middle", 1: "end"}[share]
        drawn.append(f'<text x="{share * _WIDTH_PX}" y="{_HISTOGRAM_PX + 18}" text-anchor="{anchor}">{share}</text>')
    text = "Histogram of the probability of any tumor, files per twentieth: " + ", ".join(f"{n:,}" for n in counts)
    return _svg(text, _HISTOGRAM_PX + 24, drawn)


def _svg(text: str, height_px: int, drawn: Sequence[str]) -> str:
    return (
        f'<svg role="img" aria-label="{html.escape(text)}" width="{_WIDTH_PX}" height="{height_px}" '
        f'viewBox="0 0 {_WIDTH_PX} {height_px}">{"".join(drawn)}</svg>'
    )
