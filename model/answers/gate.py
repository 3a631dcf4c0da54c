"""Recognise images that are not brain MRI, from the features of the pass that gave the class.

The features of a brain MRI, averaged over places, lie near a plane of few dimensions; those of photographs and
documents lie far from it. A `Gate` measures that distance. It needs no example of what is not a brain MRI, and tells a
heart from a brain badly: a `LinearGate` was fitted to many kinds of both.

Source: reconstruction error of principal components as novelty score, Hoffmann 2007, Pattern Recognition 40:863.
"""

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.card import LINEAR_GATE, GateCard, read_checked
from model.errors import ModelFileError

# Features further from the mean than this many standard deviations count as this far: one of them cannot decide alone.
_FURTHEST = 20.0
# No distance is infinite but of what is not a number: exponents are cut off here.
_LARGEST_EXPONENT = 60.0


@dataclass(frozen=True, eq=False)
class Gate:
    """The plane of the training features and the largest distance from it that is let through.

    mean, deviation: float32, shape (n_channels,); directions: float32, shape (n_directions, n_channels), orthonormal.
    largest_distance: in mean squared standard deviations per channel.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    directions: NDArray[np.float32]
    largest_distance: float

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how far images are from the training images, as shares of the largest distance: float32, (n,).

        features: float32, shape (n, n_channels), averaged over places. Above 1 means: not a brain MRI. What cannot be
        measured (not a number) is infinitely far.
        """
        standard = np.clip((features - self.mean) / self.deviation, -_FURTHEST, _FURTHEST)
        rest = standard - (standard @ self.directions.T) @ self.directions
        distances = np.mean(rest**2, axis=1) / self.largest_distance
        return np.where(np.isfinite(distances), distances, np.inf).astype(np.float32)

    def to_bytes(self) -> bytes:
        """Return the gate as an uncompressed NumPy archive."""
        buffer = io.BytesIO()
        np.savez(buffer, mean=self.mean, deviation=self.deviation, directions=self.directions)
        return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class LinearGate:
    """The plane between brain MRI and what is not, and the largest odds of "not" that are let through.

    mean, deviation, weights: float32, shape (n_channels,); bias: float32, shape ().
    largest_distance: in odds.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    largest_distance: float

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the odds that images are not brain MRI, as shares of the largest odds: float32, (n,); as Gate's."""
        exponents = np.clip(self.standard(features) @ self.weights + self.bias, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        distances = np.exp(exponents) / self.largest_distance
        return np.where(np.isfinite(distances), distances, np.inf).astype(np.float32)

    def standard(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features in standard deviations from the mean of brain MRI, cut off: float32, same shape."""
        return np.asarray(np.clip((features - self.mean) / self.deviation, -_FURTHEST, _FURTHEST), np.float32)

    def to_bytes(self) -> bytes:
        """Return the gate as an uncompressed NumPy archive."""
        buffer = io.BytesIO()
        np.savez(buffer, mean=self.mean, deviation=self.deviation, weights=self.weights, bias=self.bias)
        return buffer.getvalue()


AnyGate = Gate | LinearGate


def read_gate(card: GateCard, folder: Path) -> AnyGate:
    """Read the gate that a card names, once its SHA-256 was found to be the card's.

    Raises:
        ModelFileError: the file is missing, altered, or no gate of that kind.
    """
    content = read_checked(folder / card.file, card.sha256)
    kind = LinearGate if card.kind == LINEAR_GATE else Gate
    names = [field.name for field in dataclasses.fields(kind) if field.name != "largest_distance"]
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name], np.float32) for name in names}
    except (OSError, ValueError, KeyError) as error:
        raise ModelFileError(f"Expected a gate in {card.file}. It cannot be read: {error}.") from error
    return kind(**arrays, largest_distance=card.largest_distance)
