"""Which of the images found may be trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.card import CLASS_NAMES, TUMOR_TYPE
from model.safe_files import sha256_of
from training.data.audit_result import read_audit
from training.data.boxes import Lesion
from training.data.copies import copies_of
from training.data.decoded import Decoded
from training.data.folders import Picture
from training.data.sources import Sources
from training.errors import DataError

# Found by eye among all images without a tumor in the two collections, the brightest skulls first.
HEAD_CTS = Path(__file__).with_name("head_cts.sha256")


def few_per_class(pictures: Sequence[Picture], n: int) -> tuple[Picture, ...]:
    """Return n images of each class, evenly spaced: neighbours in a folder are often the same patient."""
    kept: list[Picture] = []
    for name in sorted({p.class_name for p in pictures}):
        of_class = [p for p in pictures if p.class_name == name]
        kept.extend(of_class[:: max(1, len(of_class) // n)][:n])
    return tuple(kept)


def leave_out(decoded: Decoded, unseen: Sources, audit: Path | None, task: str) -> Decoded:
    """Drop every image that has a copy or near-duplicate in the folders that must stay unseen.

    audit: a folder written by `audit`; its copies count too.
    """
    if not unseen.folders:
        return decoded
    against = unseen.decode(unseen.find(task).pictures, decoded.pixels.shape[1])
    copies = copies_of(decoded, against)
    if audit:
        copies |= read_audit(audit).copies_of(decoded.pictures, against.pictures)
    return decoded.without(copies, f"{copies.sum()} images left out as near-duplicates of {', '.join(unseen.names)}.")


def without_head_cts(decoded: Decoded, listed: Path = HEAD_CTS) -> Decoded:
    """Drop head CTs, which some collections of MRI hold among the images without a tumor.

    listed: lines as `sha256sum` writes them.
    """
    hashes = {line.split()[0] for line in listed.read_text("utf-8").splitlines()}
    are_cts = np.array([sha256_of(picture.path) in hashes for picture in decoded.pictures], bool)
    return (
        decoded.without(are_cts, f"Head CTs left out, since they are not MRI: {are_cts.sum()}.")
        if are_cts.any()
        else decoded
    )


def drop_conflicts(decoded: Decoded, lesions: Sequence[Lesion | None], task: str) -> Decoded:
    """Drop images whose label contradicts their original source.

    Raises:
        DataError: a class has no image left.
    """
    conflicts = [
        lesion is not None and lesion.class_name != p.class_name and task == TUMOR_TYPE
        for p, lesion in zip(decoded.pictures, lesions, strict=True)
    ]
    usable = decoded.without(
        np.array(conflicts, bool),
        *(
            f"{p.name}: its first source calls it {lesion.class_name}."
            for p, lesion, differs in zip(decoded.pictures, lesions, conflicts, strict=True)
            if lesion and differs
        ),
    )
    _require_left(usable, task)
    return usable


def _require_left(usable: Decoded, task: str) -> None:
    left = {picture.class_name for picture in usable.pictures}
    missing = [name for name in CLASS_NAMES[task] if name not in left]
    if missing:
        raise DataError(
            "Expected images of every class. None is left of "
            f"{', '.join(missing)} without those that cannot be read or must stay unseen. Add images."
        )
