"""Probabilities that say how often an answer is right: one temperature for a network."""

import numpy as np
from numpy.typing import NDArray


def calibrate(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Divide the logits behind probabilities by a temperature: float32, (n, n_classes) in and out.

    Source: temperature scaling, Guo et al. 2017, arXiv:1706.04599.
    """
    logits = np.log(np.maximum(probabilities, np.float32(1e-12))) / np.float32(temperature)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    calibrated: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return calibrated
