"""Test what a network reads: accuracy on the lesion only, and on everything else only.

A network that learned the look of a collection finds the class in the background; one that reads lesions does not.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from model.safe_files import write_atomically
from training.data.boxes import boxes_in_input
from training.data.sources import Sources, add_sources, sources_of
from training.errors import DataError
from training.figures import Figures
from training.fit.run_folder import RUNS, RunFolder
from training.fit.run_pictures import read_run_pictures
from training.measure.metrics import wilson_interval
from training.measure.passes import answers_of
from training.steps.card_of_run import load

# Width of the seam between shown and hidden parts, in px: a hard edge would itself be a cue.
_SEAM_PX = 2.0
# Margin kept around a lesion, as a share of its box: the seam takes part of it.
_MARGIN = 0.15


@dataclass(frozen=True)
class Shown(Figures):
    """A network's figures on partly shown images."""

    accuracy: float
    accuracy_interval: list[float] | None
    called_tumor: float
    recall: dict[str, float]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: a model, and images with boxes."""
    add_sources(parser, boxes_required=True)
    parser.add_argument("--model", type=Path, required=True, metavar="PATH", help="a run folder, or a published card")
    parser.add_argument("--out", type=Path, default=RUNS / "dissect", metavar="DIR")


def run(options: argparse.Namespace) -> None:
    """Dissect."""
    dissect(options.model, sources_of(options), options.out)


def dissect(model: Path, sources: Sources, out: Path) -> dict[str, Shown]:
    """Classify boxed images whole, lesion only, and background only; write dissect.json.

    For a run, only validation images count, each slice once, without those that have a copy in training; for a
    published card, all given images.

    Raises:
        DataError: no image has a box, or the folders lack some of a run's images.
        ModelFileError: the model cannot be loaded.
    """
    classifier = load(model)
    card, folder = classifier.card, RunFolder(model)
    if folder.has_begun:
        decoded = read_run_pictures(folder, sources, card).validation
    else:
        print("All images of the folders are used, including training images. A run folder, which")
        print("`calibrate --model` makes from a published card, restricts them to held-out images.")
        decoded = sources.decode(sources.find(card.task).pictures, card.input_size_px)
    lesions = sources.lesions(decoded.pictures)
    boxed = np.flatnonzero([lesion is not None for lesion in lesions])
    if not boxed.size:
        raise DataError(f"Expected images with boxes in {sources.boxes}. None of the {len(lesions)} images has one.")
    decoded = decoded.subset(boxed)
    masks = [_mask(box, card.input_size_px) for box in boxes_in_input(decoded, [lesions[i] for i in boxed])]
    labels = decoded.labels(card.class_names)
    shown = {}
    for name, change in SHOWN.items():
        pixels = np.stack([change(p, m) for p, m in zip(decoded.pixels, masks, strict=True)])
        predicted = answers_of(classifier, pixels).probabilities.argmax(axis=1)
        shown[name] = _figures(predicted, labels, card.class_names)
        print(f"{name}: accuracy {shown[name].accuracy:.3f}, called tumor {shown[name].called_tumor:.3f}")
    figures = {
        "model": {"name": card.name, "sha256": card.sha256},
        "held_out": folder.has_begun,
        "n_pictures": len(labels),
        **{name: of.plain() for name, of in shown.items()},
    }
    write_atomically(out / "dissect.json", json.dumps(figures, indent=1).encode())
    return shown


def _figures(predicted: NDArray[np.int64], labels: NDArray[np.int64], class_names: Sequence[str]) -> Shown:
    right = predicted == labels
    present = [(i, name) for i, name in enumerate(class_names) if (labels == i).any()]
    return Shown(
        float(right.mean()),
        wilson_interval(int(right.sum()), len(right)),
        float((predicted != class_names.index("no_tumor")).mean()),
        {name: float(right[labels == i].mean()) for i, name in present},
    )


def lesion_only(pixels: NDArray[np.uint8], mask: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Show the lesion in a head of uniform grey, with the same outline and place; uint8, same shape."""
    head = np.where(pixels > 12, np.float32(np.median(pixels[pixels > 12]) if (pixels > 12).any() else 0), 0)
    return _mixed(pixels, gaussian_filter(head, 1.0), mask)


def background_only(pixels: NDArray[np.uint8], mask: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Cover the lesion with the mean grey of its surroundings; uint8, same shape."""
    ring = (gaussian_filter(mask, 3.0) > 0.1) & (mask < 0.1)
    level = np.float32(pixels[ring].mean() if ring.any() else pixels.mean())
    return _mixed(pixels, np.full(pixels.shape, level, np.float32), 1 - mask)


SHOWN: dict[str, Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.uint8]]] = {
    "whole": lambda pixels, _: pixels,
    "lesion_only": lesion_only,
    "background_only": background_only,
}


def _mixed(pixels: NDArray[np.uint8], other: NDArray[np.floating], keep: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(pixels * keep + other * (1 - keep), 0, 255).astype(np.uint8)


def _mask(box: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return 1 in the box and its margin, 0 elsewhere, with a soft seam: float32 (size, size)."""
    top, bottom, left, right = box * size
    rows, columns = (bottom - top) * _MARGIN, (right - left) * _MARGIN
    mask = np.zeros((size, size), np.float32)
    first, last = max(round(float(top - rows)), 0), round(float(bottom + rows))
    start, end = max(round(float(left - columns)), 0), round(float(right + columns))
    mask[first : max(last, first + 1), start : max(end, start + 1)] = 1
    return gaussian_filter(mask, _SEAM_PX)
