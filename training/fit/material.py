"""The images, labels and outlines that a network is trained and validated on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.boxes import Lesion
from training.data.decoded import Decoded
from training.data.sources import Sources
from training.data.split import Split
from training.feed.mixing import LabelledPictures
from training.known_sources import KNOWN_SOURCES


@dataclass(frozen=True, eq=False)
class Material:
    """Decoded images, their labels (int64, (n,)), outlines and looks, and the split into training and validation."""

    decoded: Decoded
    labels: NDArray[np.int64]
    known: LabelledPictures
    split: Split

    @classmethod
    def of(cls, decoded: Decoded, sources: Sources, split: Split, class_names: Sequence[str]) -> "Material":
        """Gather labels, outlines, and the look of each image."""
        labels = decoded.labels(class_names)
        known = LabelledPictures(
            decoded.pixels, labels, looks_of(decoded, sources), sources.outlines_of(decoded),
            class_names.index("no_tumor"),
        )  # fmt: skip
        return cls(decoded, labels, known, split)


def looks_of(decoded: Decoded, sources: Sources) -> NDArray[np.int64]:
    """Number the look of each image, int64 (n,): its collection, plane, and whether the skull is removed."""
    collections = collections_of(decoded, sources.lesions(decoded.pictures))
    looks = []
    for picture, row, collection in zip(decoded.pictures, sources.facts(decoded.pictures), collections, strict=True):
        known = KNOWN_SOURCES.get(picture.source)
        stripped = bool(known and known.stripped) or bool(row and row.stripped)
        looks.append(f"{collection}, {row.plane if row else ''}, {stripped}")
    return np.unique(looks, return_inverse=True)[1].astype(np.int64)


def collections_of(decoded: Decoded, lesions: Sequence[Lesion | None]) -> NDArray[np.str_]:
    """Return the collection of each image; slices of the numbered series are one collection in every folder."""
    return np.array(["series" if lesion else p.source for p, lesion in zip(decoded.pictures, lesions, strict=True)])
