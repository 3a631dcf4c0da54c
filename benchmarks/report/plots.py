"""Draw with matplotlib, without a screen. Each function writes one WebP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.rows import LOWER

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

_DPI = 110
# Colours that also differ in brightness, for colour-blind readers.
_COLOURS = {"aim": "#2a7d4f", "must": "#d9a021", "missed": "#7a1f3d"}


def bounds(rows: Mapping[str, dict[str, Any]], file: Path) -> None:
    """Draw each figure as a share of its limit: 1 is the limit, less is better, the tick is the goal."""
    figure, axis = plt.subplots(figsize=(9, 0.5 * len(rows) + 1.2), layout="constrained")
    upward = list(reversed(list(rows.values())))
    for place, row in enumerate(upward):
        share, colour = _share(row, row["value"]), _COLOURS[row["verdict"]]
        axis.plot([1, share], [place] * 2, color=colour, linewidth=3)
        axis.plot(share, place, marker="o", markersize=9, color=colour)
        axis.plot([_share(row, row["aim"])] * 2, [place - 0.4, place + 0.4], color="black", linewidth=1.5)
    axis.axvline(1, color="grey", linestyle="--", linewidth=1)
    axis.set_yticks(range(len(rows)), [row["title"] for row in upward], fontsize=8)
    axis.set(xlabel="share of the limit (1: just met; less is better; black: the goal)", xscale="log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axis.xaxis.set_minor_formatter("{x:g}")
    _save(figure, file)


def _share(row: dict[str, Any], value: float) -> float:
    return float(value / row["must"] if row["better"] == LOWER else row["must"] / value)


def growth(measured: dict[str, Any], file: Path) -> None:
    """Draw what grows, on logarithmic axes: a straight line that rises by one per one is proportional."""
    figure, axes = plt.subplots(2, 3, figsize=(15, 7.5), layout="constrained")
    (pictures, clients, volumes), (waiting, sides, memory) = axes
    _line(pictures, measured["pictures"], "n_pictures", "seconds", "images in a request", "s")
    _line(volumes, measured["volumes"], "n_slices", "seconds", "slices of a volume", "s")
    _line(memory, measured["volumes"], "n_slices", "memory_mb", "slices of a volume", "memory (RSS), MB")
    _line(clients, measured["clients"], "n_clients", "pictures_per_second", "clients", "images/s")
    for name in ("median_ms", "p95_ms"):
        _line(waiting, measured["clients"], "n_clients", name, "clients", "an answer, ms")
        _line(sides, measured["sides"], "side_px", name, "side of the image, px", "an answer, ms")
    for axis in (waiting, sides):
        axis.legend(["median", "95th percentile"])
    clients.set_ylim(bottom=min(row["pictures_per_second"] for row in measured["clients"]) / 3)
    _save(figure, file)


def _line(axis: Any, rows: list[dict[str, float]], x: str, y: str, x_label: str, y_label: str) -> None:
    axis.plot([row[x] for row in rows], [row[y] for row in rows], marker="o")
    axis.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
    axis.set_xticks([row[x] for row in rows], [f"{row[x]:g}" for row in rows])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.grid(alpha=0.3, which="both")


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, dpi=_DPI)
    plt.close(figure)
