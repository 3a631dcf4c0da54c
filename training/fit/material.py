"""What a network is trained and validated on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.boxes import Lesion, boxes_in_input
from training.data.decoded import Decoded
from training.data.split import Split
from training.feed.lesions import ANYWHERE, CENTRE, OWN_PLACE
from training.feed.mixing import LabelledPictures

# A glioma may sit anywhere in the brain; meningiomas hang on its coverings; pituitary tumors have one place, which is
# near the centre in every view.
_PLACEMENTS = {"glioma": ANYWHERE, "meningioma": OWN_PLACE, "pituitary": CENTRE}


@dataclass(frozen=True, eq=False)
class Material:
    """Decoded images, their labels (int64, (n,)), what else is known, and which are for training and validation."""

    decoded: Decoded
    labels: NDArray[np.int64]
    known: LabelledPictures
    split: Split

    @classmethod
    def of(
        cls, decoded: Decoded, lesions: Sequence[Lesion | None], split: Split, class_names: Sequence[str]
    ) -> "Material":
        """Gather labels, boxes, and the collection that each image counts to."""
        labels = decoded.labels(class_names)
        placements = np.array([_PLACEMENTS[lesion.class_name] if lesion else OWN_PLACE for lesion in lesions], np.int64)
        known = LabelledPictures(
            decoded.pixels, labels, np.unique(collections_of(decoded, lesions), return_inverse=True)[1],
            boxes_in_input(decoded, lesions), placements, class_names.index("no_tumor"),
        )  # fmt: skip
        return cls(decoded, labels, known, split)


def collections_of(decoded: Decoded, lesions: Sequence[Lesion | None]) -> NDArray[np.str_]:
    """Name the collection of each image; slices of the numbered series are one, wherever they were found."""
    return np.array(["series" if lesion else p.source for p, lesion in zip(decoded.pictures, lesions, strict=True)])
