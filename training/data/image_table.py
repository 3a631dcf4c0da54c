"""A table with facts about single images: patient, plane, sequence, lesion outline."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.preprocessing import HeadBox, pad_to_square, resize_square
from training.cheng import is_chengs, outline_of, patient_of
from training.data.folders import Picture
from training.errors import DataError

_COLUMNS = ("path", "source", "label", "patient", "plane", "modality", "mask")
# Spellings of "unknown" in tables.
_UNKNOWN = {"", "?", "unknown"}
Row = TypeVar("Row")


@dataclass(frozen=True)
class ImageFacts:
    """One row. patient: with its source, empty if unknown; mask: file of the lesion's outline, or None."""

    patient: str
    plane: str
    modality: str
    mask: Path | None

    @property
    def stripped(self) -> bool:
        """Whether the skull has been removed."""
        return "stripped" in self.modality or "stripped" in self.patient


def read_image_table(table: Path | None) -> dict[str, ImageFacts]:
    """Return the rows by image path as written in the table; empty without a table.

    Mask paths are relative to the table's folder.

    Raises:
        DataError: the file is missing or is not such a table.
    """
    return rows_by_path(table, "images", _COLUMNS, lambda row: _facts(row, table.parent if table else Path()))


def rows_by_path(
    table: Path | None, of_what: str, columns: Sequence[str], made: Callable[[dict[str, str]], Row]
) -> dict[str, Row]:
    """Read a CSV file with one row per image, keyed by its column `path`; empty without a file.

    Raises:
        DataError: the file is missing, or its rows cannot be read.
    """
    if table is None:
        return {}
    try:
        with table.open(newline="", encoding="utf-8") as file:
            return {row["path"]: made(row) for row in csv.DictReader(file)}
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(
            f"Expected a table of {of_what} with the columns {', '.join(columns)} in {table}. "
            f"It cannot be read: {error!r}."
        ) from error


def row_of(path: Path, rows: Mapping[str, Row]) -> Row | None:
    """Return the row whose path is the end of the image's path, or None."""
    return next((rows[tail] for n in (4, 3, 2) if (tail := "/".join(path.parts[-n:])) in rows), None)


def facts_of(pictures: Sequence[Picture], facts: dict[str, ImageFacts]) -> list[ImageFacts | None]:
    """Return the facts of each image: its row in the table, else what its file stores, else None."""
    return [row_of(picture.path, facts) or _of_file(picture.path) for picture in pictures]


def _of_file(path: Path) -> ImageFacts | None:
    patient = patient_of(path) if is_chengs(path) else ""
    # One source for all folders: the same patients may be in several.
    return ImageFacts(f"cheng/{patient}", "", "", path) if patient else None


def masks_of(
    pictures: Sequence[Picture], facts: Sequence[ImageFacts | None], outlines: Path | None
) -> list[Path | None]:
    """Return the file of each image's outline: from its table, or the PNG under the same path in `outlines`."""
    return [
        row.mask if row and row.mask else _in_folder(picture.path, outlines)
        for picture, row in zip(pictures, facts, strict=True)
    ]


def links_of_patients(facts: Sequence[ImageFacts | None]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return index pairs that link the images of each patient: int64 (m,) each."""
    last: dict[str, int] = {}
    pairs = []
    for i, row in enumerate(facts):
        if row and row.patient:
            if row.patient in last:
                pairs.append((last[row.patient], i))
            last[row.patient] = i
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def outline_in_input(mask: Path, frame: NDArray[np.int64], size_px: int) -> NDArray[np.bool_]:
    """Return an outline in the network's input: bool (size, size).

    frame: int64 (6,), top, bottom, left, right of the head's box, height, width of the image as read.

    Raises:
        DataError: the file is not an image.
    """
    top, bottom, left, right, height, width = frame.tolist()
    try:
        drawn = _drawn(mask).resize((width, height), Image.Resampling.NEAREST)
    except (OSError, ValueError) as error:
        raise DataError(f"Expected the outline of a lesion as PNG in {mask}. It cannot be read: {error}.") from error
    box = HeadBox(top, bottom, left, right)
    inside = np.asarray(drawn, np.uint8)[box.top : box.bottom, box.left : box.right]
    return resize_square(pad_to_square(np.where(inside > 0, 255, 0).astype(np.uint8)), size_px) > 127


def _drawn(mask: Path) -> Image.Image:
    """Return an outline as it is stored, mode L, any size."""
    if is_chengs(mask):
        outline = outline_of(mask)
        return Image.fromarray(255 * np.asarray(np.zeros((1, 1)) if outline is None else outline, np.uint8))
    with Image.open(mask, formats=("PNG",)) as opened:
        return opened.convert("L")


def _facts(row: dict[str, str], folder: Path) -> ImageFacts:
    source, patient, plane, modality = (row[name].strip() for name in ("source", "patient", "plane", "modality"))
    return ImageFacts(
        patient="" if patient in _UNKNOWN else f"{source}/{patient}",
        # Tables write cor and co, sag and sa.
        plane="" if plane in _UNKNOWN else plane.lower()[:2],
        modality="" if modality in _UNKNOWN else modality.lower(),
        mask=folder / row["mask"] if row["mask"] else None,
    )


def _in_folder(path: Path, outlines: Path | None) -> Path | None:
    if outlines is None:
        return None
    tails = (outlines.joinpath(*path.parts[-n:]).with_suffix(".png") for n in (4, 3))
    return next((tail for tail in tails if tail.is_file()), None)
