"""Drawn training images: as large as preprocessed ones, with the things that augmentation and pasting look for."""

import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES, TUMOR_TYPE
from model.network.self_test import FOLDER
from model.preprocessing import preprocess
from model.reading.one_file import read_image
from training.data.outlines import Outlines, ellipse_in
from training.feed.mixing import LabelledPictures

# The lesion of the self-test's glioma, as shares of the side: top, bottom, left, right.
_BOX = (0.25, 0.40, 0.575, 0.725)


def labelled(n: int, size_px: int) -> LabelledPictures:
    """Draw images of the four classes in turn, those with a tumor with its outline."""
    classes = CLASS_NAMES[TUMOR_TYPE]
    healthy = classes.index("no_tumor")
    labels = np.arange(n, dtype=np.int64) % len(classes)
    outline = ellipse_in(np.array(_BOX, np.float32), size_px)
    outlines = Outlines.of([None if label == healthy else outline for label in labels], size_px)
    return LabelledPictures(_pixels(labels != healthy, size_px), labels, np.zeros(n, np.int64), outlines, healthy)


def _pixels(shows_tumor: NDArray[np.bool_], size_px: int) -> NDArray[np.uint8]:
    """Take an image of the self-test, with noise of its own for each."""
    plain, with_lesion = (
        preprocess(read_image(FOLDER / f"{name}.png").pixels, size_px).pixels for name in ("no_tumor", "glioma")
    )
    random = np.random.default_rng(0)
    drawn = [(with_lesion if tumor else plain) + random.normal(0, 6, (size_px, size_px)) for tumor in shows_tumor]
    return np.clip(np.stack(drawn), 0, 255).astype(np.uint8)
