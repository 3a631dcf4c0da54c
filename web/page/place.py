"""Where the sides of an image lie in the patient, and how large its pixels are: for letters and the three planes."""

import math
from dataclasses import dataclass, field

from model.reading.contents import MriImage, MriVolume
from model.reading.orientation import ORIENTATION_NOTE

# By plane, what is at each side of an image that is upright as `MriVolume` says.
_LETTERS = {
    "axial": {"left": "R", "right": "L", "top": "A", "bottom": "P"},
    "coronal": {"left": "R", "right": "L", "top": "S", "bottom": "I"},
    "sagittal": {"left": "A", "right": "P", "top": "S", "bottom": "I"},
}


@dataclass(frozen=True)
class Place:
    """How an image or volume lies in the patient.

    plane: "" where unknown. letters: by side of the image; empty where the orientation is unknown or a guess.
    pixel_mm, spacing_mm: of the image as it is shown; None where unknown, and for a single image.
    """

    plane: str = ""
    letters: dict[str, str] = field(default_factory=dict)
    pixel_mm: float | None = None
    spacing_mm: float | None = None


NO_PLACE = Place()


def place_of(content: MriImage | MriVolume, max_side_px: int) -> Place:
    """Return how an image or volume lies; max_side_px: the side to which larger images are shrunk to be shown."""
    letters = {} if ORIENTATION_NOTE in content.notes else _LETTERS.get(content.plane, {})
    if isinstance(content, MriImage):
        return Place(content.plane, letters)
    shrunk = max(1.0, max(content.slices.shape[1:]) / max_side_px)
    return Place(content.plane, letters, _known(content.pixel_mm * shrunk), _known(content.spacing_mm))


def _known(length_mm: float) -> float | None:
    return round(length_mm, 4) if math.isfinite(length_mm) and length_mm > 0 else None
