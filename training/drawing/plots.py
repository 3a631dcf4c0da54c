"""Draw with matplotlib, without a screen. Each function writes one PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from training.measure.trust import Calibration, Selective

_DPI = 110


def training_curves(history: Sequence[dict[str, float | str]], file: Path) -> None:
    """Draw loss and accuracy per epoch."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    epochs = np.arange(1, len(history) + 1)
    for axis, quantity in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(epochs, [_figure(row, "", quantity) for row in history], marker=".", label="training (augmented)")
        axis.plot(epochs, [_figure(row, "val_", quantity) for row in history], marker=".", label="validation")
        axis.set(xlabel="epoch", title=quantity)
        axis.grid(alpha=0.3)
        axis.legend()
    _save(figure, file)


def _figure(row: dict[str, float | str], side: str, quantity: str) -> float:
    """Return a figure of one epoch; of the probabilities if the network has several outputs."""
    return float(row.get(f"{side}probabilities_{quantity}", row.get(f"{side}{quantity}", np.nan)))


def reliability(calibration: Calibration, file: Path) -> None:
    """Draw how often answers of each probability are right; the dashed line is perfect calibration."""
    figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
    axis.plot([0, 1], [0, 1], linestyle="--", color="grey")
    axis.plot([b.mean_probability for b in calibration.bins], [b.share_right for b in calibration.bins], marker="o")
    error = calibration.expected_calibration_error
    axis.set(xlabel="probability of the answer", ylabel="share of right answers", xlim=(0, 1.02), ylim=(0, 1.02),
             title=f"expected calibration error {error:.3f}")  # fmt: skip
    axis.grid(alpha=0.3)
    _save(figure, file)


def risk_coverage(selective: Selective, file: Path) -> None:
    """Draw the error among the surest answers against their share; the mark is the model's own threshold."""
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    axis.plot([point.coverage for point in selective.curve], [point.risk for point in selective.curve])
    if selective.error_among_certain is not None:
        axis.plot(selective.coverage, selective.error_among_certain, marker="o", color="black")
    axis.set(xlabel="share of images answered", ylabel="share of wrong answers", xlim=(0, 1.02), ylim=(0, None))
    axis.grid(alpha=0.3)
    _save(figure, file)


def trust(measured: dict[str, dict[str, Any]], file: Path) -> None:
    """Draw reliability and risk-coverage of several sets of images side by side.

    measured: by name of the set, `calibration` and `selective` as in a published card.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
    left.plot([0, 1], [0, 1], linestyle="--", color="grey")
    for name, of in measured.items():
        bins, selective = of["calibration"]["bins"], of["selective"]
        left.plot([b["mean_probability"] for b in bins], [b["share_right"] for b in bins], marker="o", label=name)
        (line,) = right.plot([p["coverage"] for p in selective["curve"]], [p["risk"] for p in selective["curve"]])
        if selective["error_among_certain"] is not None:
            right.plot(selective["coverage"], selective["error_among_certain"], marker="o", color=line.get_color())
    left.set(xlabel="probability of the answer", ylabel="share of right answers", xlim=(0, 1.02), ylim=(0, 1.02))
    right.set(xlabel="share of images answered", ylabel="share of wrong answers", xlim=(0, 1.02), ylim=(0, None))
    left.legend()
    for axis in (left, right):
        axis.grid(alpha=0.3)
    _save(figure, file)


def confusion_matrix(matrix: NDArray[np.int64], class_names: Sequence[str], file: Path) -> None:
    """Draw counts, coloured by share of the true class; matrix: int64 (n_classes, n_classes), rows are the truth."""
    figure, axis = plt.subplots(
        figsize=(1.6 + 1.1 * len(class_names), 1.2 + 1.0 * len(class_names)), layout="constrained"
    )
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*matrix.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = f"{matrix[row, column]}\n{shares[row, column]:.0%}"
        axis.text(column, row, text, ha="center", va="center", color=colour)
    places = range(len(class_names))
    axis.set(xticks=places, yticks=places, xlabel="predicted class", ylabel="true class")
    axis.set_xticklabels(class_names, rotation=30, ha="right")
    axis.set_yticklabels(class_names)
    _save(figure, file)


def roc_curves(curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64], float]], file: Path) -> None:
    """Draw one curve per class against all others; curves: false-positive rates, true-positive rates, area."""
    figure, axis = plt.subplots(figsize=(5.5, 5), layout="constrained")
    for name, (false_positive, true_positive, area) in curves.items():
        axis.plot(false_positive, true_positive, label=f"{name} (AUC {area:.3f})")
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    axis.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC, each class against the others")
    axis.legend(loc="lower right")
    axis.grid(alpha=0.3)
    _save(figure, file)


def bars_per_split(counts: dict[str, dict[str, int]], file: Path) -> None:
    """Draw the number of images per class, one group of bars per split."""
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    names = sorted({name for split in counts.values() for name in split})
    width = 0.8 / len(counts)
    for i, (split, of_class) in enumerate(counts.items()):
        heights = [of_class.get(name, 0) for name in names]
        bars = axis.bar(np.arange(len(names)) + i * width, heights, width, label=split)
        axis.bar_label(bars)
    axis.set_xticks(np.arange(len(names)) + 0.4 - width / 2, names)
    axis.set(ylabel="images", title="Images per class and split")
    axis.legend()
    _save(figure, file)


def picture_sizes(sizes: NDArray[np.int64], file: Path) -> None:
    """Draw width against height; sizes: int64 (n, 2), width and height in pixels."""
    figure, axis = plt.subplots(figsize=(5.5, 5), layout="constrained")
    different, counts = np.unique(sizes, axis=0, return_counts=True)
    axis.scatter(different[:, 0], different[:, 1], s=8 + 4 * np.sqrt(counts), alpha=0.5)
    axis.set(xlabel="width (px)", ylabel="height (px)", title=f"Sizes of {len(sizes)} images (area: how many)")
    axis.grid(alpha=0.3)
    _save(figure, file)


def intensity_histograms(histograms: dict[str, NDArray[np.float64]], file: Path) -> None:
    """Draw the share of pixels per grey level and class; each histogram: float64 (256,), sum 1."""
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, shares in histograms.items():
        axis.plot(np.arange(256), shares, label=name, linewidth=1)
    axis.set(yscale="log", xlabel="grey level (0 to 255)", ylabel="share of pixels", title="Intensities per class")
    axis.legend()
    axis.grid(alpha=0.3)
    _save(figure, file)


def gallery(pictures: Sequence[NDArray[np.uint8]], captions: Sequence[str], file: Path, columns: int = 5) -> None:
    """Draw grey images, uint8 (height, width), in rows, each with its caption."""
    rows = max(1, -(-len(pictures) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(2.4 * columns, 2.8 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, picture, caption in zip(axes.flat, pictures, captions, strict=False):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axis.set_title(caption, fontsize=8)
    _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, dpi=_DPI)
    plt.close(figure)
