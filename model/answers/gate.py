"""Tell pictures that are unlike every brain MRI in training, from the features of the pass that gave the class.

The features of a brain MRI, averaged over places, lie near a plane of few dimensions; those of photographs, documents
and other organs lie far from it. What is measured is that distance. It needs no example of what is not a brain MRI,
so that it also refuses what nobody thought of.

Source: reconstruction error of principal components as novelty score, Hoffmann 2007, Pattern Recognition 40:863.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.card import GateCard, read_checked
from model.errors import ModelFileError

# Features further from the mean than this many standard deviations count as this far: one of them cannot decide alone.
_FURTHEST = 20.0
_ARRAYS = ("mean", "deviation", "directions")


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
        """Give how far pictures are from the training pictures, as shares of the largest distance: float32, (n,).

        features: float32, shape (n, n_channels), averaged over places. Above 1 means: not a brain MRI. What cannot be
        measured (not a number) is infinitely far.
        """
        standard = np.clip((features - self.mean) / self.deviation, -_FURTHEST, _FURTHEST)
        rest = standard - (standard @ self.directions.T) @ self.directions
        distances = np.mean(rest**2, axis=1) / self.largest_distance
        return np.where(np.isfinite(distances), distances, np.inf).astype(np.float32)

    def to_bytes(self) -> bytes:
        """Give the gate as an uncompressed NumPy archive."""
        buffer = io.BytesIO()
        np.savez(buffer, mean=self.mean, deviation=self.deviation, directions=self.directions)
        return buffer.getvalue()

    @classmethod
    def read(cls, card: GateCard, folder: Path) -> "Gate":
        """Read the gate that a card names, once its SHA-256 was found to be the card's.

        Raises:
            ModelFileError: the file is missing, altered, or no gate.
        """
        content = read_checked(folder / card.file, card.sha256)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                mean, deviation, directions = (np.asarray(stored[n], np.float32) for n in _ARRAYS)
        except (OSError, ValueError, KeyError) as error:
            raise ModelFileError(f"Expected a gate in {card.file}. It cannot be read: {error}.") from error
        return cls(mean, deviation, directions, card.largest_distance)
