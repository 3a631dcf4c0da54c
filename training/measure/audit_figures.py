"""What an audit finds."""

from dataclasses import dataclass

from training.figures import Figures
from training.measure.copies_found import FalsePairs, Recall
from training.measure.embedding import Likeness


@dataclass(frozen=True)
class ByNetwork(Likeness):
    """What the network's features find besides: pairs, and those among them that thumbnails miss."""

    pairs: int
    missed_by_thumbnails: int
    across_splits: dict[str, int]


@dataclass(frozen=True)
class Detector(Figures):
    """How well copies are found; false pairs only where slices are numbered."""

    recall: dict[str, Recall]
    false_pairs: FalsePairs | None = None


@dataclass(frozen=True)
class AuditFigures(Figures):
    """All that is written into audit.json."""

    n_pictures: int
    problems: list[str]
    by_folder: dict[str, int]
    identical_files: int
    near_duplicate_pairs: int
    across_splits: dict[str, int]
    label_conflicts: list[str]
    n_groups: int
    largest_groups: list[int]
    suspects: list[str]
    detector: Detector
    by_network: ByNetwork | None = None
