"""Where a step's images come from: folders by class, a table of lesion boxes, and a cache of decoded images."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.boxes import Lesion, boxes_in_input, boxes_of, lesions_of, read_boxes, series_of
from training.data.decoded import Decoded, decode
from training.data.folders import Collection, Picture, find_pictures, folder_name, require_readable
from training.data.image_table import (
    ImageFacts,
    facts_of,
    masks_of,
    outline_in_input,
    read_image_table,
)
from training.data.outlines import Outlines, ellipse_in

CACHE = Path("runs/cache")


@dataclass(frozen=True)
class Sources:
    """The folders, and what else is known about their images; None for what is not given.

    boxes: a table of lesion boxes and slice numbers; cache: folder for decoded images; table: facts about single
    images; outlines: a folder of lesion outlines with the same layout as the images; classes: further spellings of
    class names, each as SPELLING=CLASS.
    """

    folders: tuple[Path, ...]
    boxes: Path | None = None
    cache: Path | None = None
    table: Path | None = None
    outlines: Path | None = None
    classes: tuple[str, ...] = ()

    def find(self, task: str, *splits: str) -> Collection:
        """Find the images under the class names of the task, only of the given splits if any.

        Raises:
            DataError: a folder cannot be used, or the table of boxes belongs to other images.
        """
        found = find_pictures(self.folders, task, self.classes)
        boxes_of(self.boxes, found.pictures)
        return found.of_split(*splits) if splits else found

    def decode(self, pictures: Sequence[Picture], input_size_px: int) -> Decoded:
        """Preprocess every readable image.

        Raises:
            DataError: no image is readable.
        """
        decoded = decode(pictures, input_size_px, self.cache)
        require_readable(decoded.pictures, decoded.problems)
        return decoded

    def lesions(self, pictures: Sequence[Picture]) -> list[Lesion | None]:
        """Return the row of each image in the table of boxes, or None."""
        return lesions_of(pictures, read_boxes(self.boxes))

    def series(self, pictures: Sequence[Picture]) -> NDArray[np.int64]:
        """Return the slice number of each image, -1 if unknown: int64 (n,)."""
        return series_of(pictures, read_boxes(self.boxes))

    def facts(self, pictures: Sequence[Picture]) -> list[ImageFacts | None]:
        """Return the row of each image in the table of images, or None."""
        return facts_of(pictures, read_image_table(self.table))

    def outlines_of(self, decoded: Decoded) -> Outlines:
        """Return the lesion outlines in the network's input. If only a box is known: the ellipse in it."""
        masks = masks_of(decoded.pictures, self.facts(decoded.pictures), self.outlines)
        boxes, size = boxes_in_input(decoded, self.lesions(decoded.pictures)), decoded.pixels.shape[1]
        drawn = [
            outline_in_input(mask, frame, size) if mask else ellipse_in(box, size)
            for mask, frame, box in zip(masks, decoded.frames, boxes, strict=True)
        ]
        return Outlines.of(drawn, size)

    def boxes_around(self, decoded: Decoded) -> NDArray[np.float32]:
        """Return the lesions' boxes in the network's input, from the table or around the outlines.

        float32 (n, 4), top, bottom, left, right as shares of its side, NaN for none.
        """
        boxes = boxes_in_input(decoded, self.lesions(decoded.pictures))
        return np.where(np.isnan(boxes), self.outlines_of(decoded).boxes(), boxes)

    @property
    def names(self) -> list[str]:
        """The last two parts of each folder's path, the same on every machine."""
        return [folder_name(folder) for folder in self.folders]


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options for the data folders."""
    parser.add_argument(
        "--data", nargs="+", type=Path, required=True, action="extend", metavar="DIR",
        help="a folder per class, Training/ and Testing/ folders of them, or a CSV file of paths and labels; may be "
        "given several times",
    )  # fmt: skip
    parser.add_argument("--classes", nargs="+", default=[], metavar="SPELLING=CLASS",
                        help="meaning of a folder name or a label, as Gruppe1=glioma")  # fmt: skip


def add_sources(parser: argparse.ArgumentParser, boxes_required: bool = False) -> None:
    """Add the options for folders, tables and cache."""
    add_data(parser)
    parser.add_argument(
        "--boxes", type=Path, metavar="FILE", required=boxes_required,
        help="CSV of lesion boxes and slice numbers: lesions are pasted, neighbours kept together",
    )  # fmt: skip
    parser.add_argument("--table", type=Path, metavar="FILE",
                        help="CSV of images: patients are kept together, planes and sequences separate")  # fmt: skip
    parser.add_argument("--outlines", type=Path, metavar="DIR",
                        help="lesions' outlines as PNG, under the paths of the images")  # fmt: skip
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="folder for decoded images")


def sources_of(options: argparse.Namespace) -> Sources:
    """Return the sources chosen by the options of `add_sources`."""
    return Sources(
        tuple(options.data), options.boxes, options.cache, options.table, options.outlines, tuple(options.classes)
    )
