"""Run a classifier over many preprocessed images, through the code that serves it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.network.classifier import Classifier

_BATCH = 32


@dataclass(frozen=True, eq=False)
class Answers:
    """What was said of n images.

    probabilities: float32, (n, n_classes), as the network gives them; gate_features: float32, (n, channels), None
    where the model's card names no gate; distances: float32, (n,), 0 where it has none.
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

    look: called with each image's place and its feature maps, which are too large to be kept.
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
