"""Find copies that thumbnails miss, by a trained network's features, which describe what an image shows.

The features are those of the network's gate, averaged over places and scaled as in the gate. Numbered slices of
different classes show how similar images of different patients can be; only pairs above all of those count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.answers.gate import AnyGate, read_gate
from model.errors import ImageError
from model.network.classifier import Classifier, load_classifier
from model.preprocessing import preprocess
from training.figures import Figures
from training.measure.copies_found import CHANGES, N_CHANGED, FalsePairs, Pixels, Recall
from training.measure.passes import answers_of

_ROWS_PER_BLOCK = 1024
# The product of two rows differs by rounding, depending on the size of the computed block.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Asked(Figures):
    """The published network that was used."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Likeness(Figures):
    """The similarity that no two patients reach, and the recall above it, by kind of change."""

    model: Asked
    threshold: float
    n_pairs_of_different_classes: int
    recall: dict[str, float]


@dataclass(frozen=True, eq=False)
class Embedding:
    """A published network with a gate, used to compare images."""

    classifier: Classifier
    gate: AnyGate

    @classmethod
    def load(cls, card: Path) -> "Embedding | None":
        """Load a published model; None if it has no gate.

        Raises:
            ModelFileError: card, weights or gate are missing or altered.
        """
        classifier = load_classifier(card)
        gate = classifier.card.gate
        return cls(classifier, read_gate(gate, card.parent)) if gate else None

    def look(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a feature row of length 1 for each preprocessed image, float32 (n, n_channels), and its gate distance.

        pixels: uint8 (n, size, size).
        """
        answers = answers_of(self.classifier, pixels)
        assert answers.gate_features is not None, "a model without a gate is not loaded"
        return self._rows(answers.gate_features), answers.distances

    def _rows(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = (features - self.gate.mean) / self.gate.deviation
        return np.asarray(scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-6), np.float32)

    def check(self, rows: NDArray[np.float32], classes: Sequence[str | None], read: Sequence[Pixels]) -> Likeness:
        """Measure the similarity that no two patients reach, and the recall above it.

        rows: of all images; classes: class of each numbered slice in the original source, None elsewhere; read:
        images before preprocessing, which are changed in known ways.
        """
        numbered = np.flatnonzero([name is not None for name in classes])
        names = np.array([classes[i] for i in numbered])
        threshold, n_pairs = -1.0, 0
        for start in range(0, len(numbered), _ROWS_PER_BLOCK):
            part = slice(start, start + _ROWS_PER_BLOCK)
            differ = names[part, None] != names[None]
            n_pairs += int(differ.sum())
            alike = rows[numbered[part]] @ rows[numbered].T
            threshold = max(threshold, float(alike[differ].max(initial=-1.0)))
        threshold += _ROUNDING
        recall = {name: self._recall(read, change, threshold) for name, change in CHANGES.items()}
        card = self.classifier.card
        return Likeness(Asked(card.name, card.version, card.sha256), threshold, n_pairs // 2, recall)

    def _recall(self, read: Sequence[Pixels], change: Callable[[Pixels], Pixels], threshold: float) -> float:
        """Return the share of images that are recognised after a change."""
        chosen = np.random.default_rng(0).permutation(len(read))[:N_CHANGED]
        size = self.classifier.card.input_size_px
        pairs = []
        for i in chosen:
            try:
                pairs.append([preprocess(pixels, size).pixels for pixels in (read[i], change(read[i]))])
            except ImageError:
                continue
        ones, others = (self.look(np.stack(side))[0] for side in zip(*pairs, strict=True))
        return float(((ones * others).sum(axis=1) > threshold).sum() / len(chosen))


@dataclass(frozen=True)
class ByNetwork(Likeness):
    """The pairs found by the network's features, and those among them that thumbnails miss."""

    pairs: int
    missed_by_thumbnails: int
    across_splits: dict[str, int]


@dataclass(frozen=True)
class Detector(Figures):
    """How well copies are found; false pairs only if slices are numbered."""

    recall: dict[str, Recall]
    false_pairs: FalsePairs | None = None


@dataclass(frozen=True)
class AuditFigures(Figures):
    """The content of audit.json."""

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
