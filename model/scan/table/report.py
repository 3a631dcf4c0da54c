"""One page on a whole scan that opens alone: numbers, and plots drawn as SVG, without any script."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from model.card import DISCLAIMER
from model.safe_files import in_utf8, write_atomically
from model.scan.scan_folder import Request
from model.scan.table.merging import Summary

REPORT = "report.html"


def write_report(folder: Path, request: Request, summary: Summary, date: str) -> None:
    """Write the page in one step; date: when the scan was finished."""
    facts = [
        ("Finished", date),
        ("Files", f"{summary.n_files:,}"),
        ("Rows, one per image, series or volume", f"{summary.n_rows:,}"),
        ("answered", f"{summary.n_rows - summary.n_failed:,}"),
        ("failed", f"{summary.n_failed:,}"),
        ("Different contents", f"{summary.n_contents:,}"),
        ("Slices in them", f"{summary.n_slices:,}"),
        ("Size", f"{summary.n_bytes / 1e9:,.3f} GB"),
        ("SHA-256 of the model", request.model_sha256),
    ]
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )  # fmt: skip
    page = templates.get_template("report.html").render(
        title=f"Scan of {summary.n_files:,} files by {request.model} {request.model_version}",
        disclaimer=DISCLAIMER, sources=[*map(in_utf8, request.sources)], facts=facts, summary=summary,
    )  # fmt: skip
    write_atomically(folder / REPORT, page.encode())
