"""Cheng's collection as published: MATLAB 7.3 files, each with an image, label, patient and outline.

Source: https://doi.org/10.6084/m9.figshare.1512427.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from model.errors import ImageError
from model.reading.research.matlab import DAMAGE, stored_values
from model.reading.sizes import MAX_PIXELS

# Codes of cjdata.label, from the collection's README.
LABELS = {1: "meningioma", 2: "glioma", 3: "pituitary"}
_SUFFIX = ".mat"


def is_chengs(path: Path) -> bool:
    """Return whether the file name fits this collection. The file is not opened."""
    return path.suffix.lower() == _SUFFIX


def label_of(path: Path) -> str | None:
    """Return the class stored in a file, or None."""
    label = _values(path, "label")
    return None if label is None or label.size != 1 else LABELS.get(int(label.flat[0]))


def patient_of(path: Path) -> str:
    """Return the patient ID stored in a file, or an empty string."""
    letters = _values(path, "PID")
    if letters is None or letters.dtype.kind not in "iu":
        return ""
    return "".join(chr(int(letter)) for letter in letters.flat if 32 < letter < 127)


def outline_of(path: Path) -> NDArray[np.bool_] | None:
    """Return the lesion's outline: bool (height, width) like the image, or None."""
    mask = _values(path, "tumorMask")
    return None if mask is None else np.asarray(mask > 0)


def _values(path: Path, name: str) -> NDArray[Any] | None:
    try:
        with h5py.File(path, "r") as file:
            return stored_values(file, f"cjdata/{name}", MAX_PIXELS)
    except (*DAMAGE, ImageError):
        return None
