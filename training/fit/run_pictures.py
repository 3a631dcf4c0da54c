"""Find the images of a finished run by its table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.card import ModelCard
from training.data.copies import copies_among, first_copies, joined, unknown_to
from training.data.decoded import Decoded
from training.data.folders import Picture, fingerprint
from training.data.left_out import without_head_cts
from training.data.sources import Sources
from training.figures import Figures
from training.fit.run_folder import RunFolder


@dataclass(frozen=True, eq=False)
class RunPictures:
    """A run's images.

    known: all of them; training, validation: the two sides, the second with each slice once; groups: int64 (n,), of
    the validation images; n_in_training: the number of validation images dropped because training has a copy.
    """

    known: tuple[Picture, ...]
    training: Decoded
    validation: Decoded
    groups: NDArray[np.int64]
    n_in_training: int


@dataclass(frozen=True)
class Known(Figures):
    """A run's images of one collection, on both sides of its split."""

    n_pictures: dict[str, int]
    fingerprint: str


def read_run_pictures(
    run: RunFolder, sources: Sources, card: ModelCard, each_slice_once: bool = True
) -> RunPictures:  # fmt: skip
    """Find the images of a run.

    each_slice_once: keep one of several copies of a slice for validation, and none if training has one. Some slices
    were uploaded twenty times, and one mistake would count as often.

    Raises:
        DataError: some of them are not in the folders.
    """
    table = run.read_split()
    found = sources.decode(table.pictures_among(sources.find(card.task).pictures), card.input_size_px)
    decoded = without_head_cts(found)
    groups, split = table.split_of(decoded.pictures)
    once, n_known = split.validation, 0
    if each_slice_once:
        n = len(decoded.pictures)
        copies = copies_among(decoded, sources.series(decoded.pictures))
        unknown = unknown_to(split.training, split.validation, n, copies)
        n_known = len(split.validation) - len(unknown)
        once, groups = first_copies(unknown, n, copies), joined(groups, copies)
    return RunPictures(found.pictures, decoded.subset(split.training), decoded.subset(once), groups[once], n_known)


def known_by_collection(known: Sequence[Picture]) -> dict[str, Known]:
    """Return a run's images by collection: number per class for training and validation, fingerprint."""
    collections: dict[str, Known] = {}
    for name in sorted({p.source for p in known}):
        of_source = [p for p in known if p.source == name]
        counts = Counter(p.class_name for p in of_source)
        collections[name] = Known(dict(sorted(counts.items())), fingerprint(of_source))
    return collections
