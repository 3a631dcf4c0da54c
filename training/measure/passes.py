"""Run a classifier over many preprocessed images, through the serving code."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.network.classifier import Classifier

_BATCH = 32


@dataclass(frozen=True, eq=False)
class Answers:
    """A classifier's answers for n images.

    probabilities: float32, (n, n_classes), from the network; gate_features: float32, (n, channels), None
    if the model's card names no gate; distances: float32, (n,), 0 without a gate.
    """

    probabilities: NDArray[np.float32]
    gate_features: NDArray[np.float32] | None
    distances: NDArray[np.float32]


def answers_of(
    classifier: Classifier,
    pixels: NDArray[np.uint8],
    look: Callable[[int, NDArray[np.float32]], None] | None = None,
) -> Answers:
    """Classify preprocessed images, uint8 (n, size, size).

    look: called with each image's index and feature maps, which are too large to keep.
    """
    probabilities, gate_features, distances = [], [], []
    for start in tqdm(range(0, len(pixels), _BATCH), desc="classifying", unit="batch"):
        outputs = classifier.predict_inputs(pixels[start : start + _BATCH, ..., None])
        probabilities.append(outputs.probabilities)
        distances.append(classifier.distances(outputs))
        if outputs.gate_features is not None:
            gate_features.append(outputs.gate_features)
        if look:
            for i, maps in enumerate(outputs.feature_maps):
                look(start + i, maps)
    return Answers(
        np.concatenate(probabilities), np.concatenate(gate_features) if gate_features else None,
        np.concatenate(distances),
    )  # fmt: skip
