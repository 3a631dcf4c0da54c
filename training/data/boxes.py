"""A table of lesion boxes and slice numbers, one row per image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.preprocessing import HeadBox
from training.data.decoded import Decoded
from training.data.folders import Picture
from training.data.image_table import row_of, rows_by_path
from training.errors import DataError

_COLUMNS = ("path", "figshare_class", "figshare_slice", "x_center", "y_center", "width", "height")


@dataclass(frozen=True)
class Lesion:
    """One row: the box as shares of the image's width and height, and what the original source says."""

    class_name: str
    slice_number: int
    x_center: float
    y_center: float
    width: float
    height: float


def read_boxes(table: Path | None) -> dict[str, Lesion]:
    """Return the rows by path as written in the table; empty without a table.

    Raises:
        DataError: the file is missing or is not such a table.
    """
    return rows_by_path(table, "lesion boxes", _COLUMNS, _lesion)


def boxes_of(table: Path | None, pictures: Sequence[Picture]) -> dict[str, Lesion]:
    """Read the table as `read_boxes` does, and check that it belongs to these images.

    Raises:
        DataError: the table has none of the images, so neighbouring slices would not be kept together.
    """
    boxes = read_boxes(table)
    if table is not None and not any(lesions_of(pictures, boxes)):
        raise DataError(
            f"Expected rows of the {len(pictures)} images in {table}. It has none: its column path "
            "must have the end of an image's path, as class folder and file. Fix the paths, or leave --boxes away."
        )
    return boxes


def lesions_of(pictures: Sequence[Picture], boxes: dict[str, Lesion]) -> list[Lesion | None]:
    """Return the row of each image: the one whose path is the end of the image's path."""
    return [row_of(picture.path, boxes) for picture in pictures]


def series_of(pictures: Sequence[Picture], boxes: dict[str, Lesion]) -> NDArray[np.int64]:
    """Return the slice number of each image, -1 if unknown: int64 (n,)."""
    return np.array([lesion.slice_number if lesion else -1 for lesion in lesions_of(pictures, boxes)], np.int64)


def boxes_in_input(decoded: Decoded, lesions: Sequence[Lesion | None]) -> NDArray[np.float32]:
    """Return the boxes in the network's square input: float32 (n, 4), top, bottom, left, right as shares of its side.

    An image without a box has NaN.
    """
    found = np.full((len(lesions), 4), np.nan, np.float32)
    for i, lesion in enumerate(lesions):
        if lesion:
            top, bottom, left, right, height, width = decoded.frames[i].tolist()
            head = HeadBox(top, bottom, left, right)
            y, x = lesion.y_center * height, lesion.x_center * width
            half_height, half_width = lesion.height * height / 2, lesion.width * width / 2
            start, end = (
                head.to_input(y - half_height, x - half_width),
                head.to_input(y + half_height, x + half_width),
            )
            found[i] = np.clip((start[0], end[0], start[1], end[1]), 0, 1)
    return found


def _lesion(row: dict[str, str]) -> Lesion:
    shares = (float(row[name]) for name in _COLUMNS[3:])
    return Lesion(row["figshare_class"], int(row["figshare_slice"]), *shares)
