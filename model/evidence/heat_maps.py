"""Where in the image the evidence for a class was found, from the feature maps of the pass that gave the class.

Behind the feature maps the networks are piecewise linear (pooling or flattening, dense layers, ReLU), so that a class
score is exactly the sum, over places and channels, of its gradient times the feature map, plus a constant. Summed over
channels that is a map of evidence, computed here without a gradient tape and so on every backend.

Source: class activation maps, Zhou et al. 2016, arXiv:1512.04150; HiResCAM, Draelos and Carin 2020, arXiv:2011.08891.
"""

import numpy as np
from numpy.typing import NDArray

from model.network.features import Head


def evidence_map(feature_maps: NDArray[np.float32], head: Head, class_index: int) -> NDArray[np.float32]:
    """Return how much each place supports a class; negative if it speaks against it.

    feature_maps: float32, shape (rows, columns, channels). Returns float32, shape (rows, columns), in units of the
    logit: its sum is the logit less the part that does not depend on the image.
    """
    one = np.zeros(head.kernels[-1].shape[1], np.float32)
    one[class_index] = 1
    return weighted_map(feature_maps, head, one)


def weighted_map(feature_maps: NDArray[np.float32], head: Head, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much each place adds to a weighted sum of the logits; else as `evidence_map`."""
    gradient = _gradient(feature_maps, head, weights)
    if gradient.ndim == 1:
        return np.asarray(feature_maps @ gradient)
    return np.asarray(np.einsum("rcf,rcf->rc", feature_maps, gradient))


def log_odds_weights(probabilities: NDArray[np.floating], are_meant: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how the log-odds of some classes against all others change with each logit: float32 (n_classes,), sum 0.

    probabilities: (n_classes,), sum 1; are_meant: bool (n_classes,), neither all nor none. The gradient of the
    logarithm of a sum of powers is the share of each power in it.
    """
    shares = np.maximum(probabilities, 1e-12)
    meant, others = np.where(are_meant, shares, 0), np.where(are_meant, 0, shares)
    return np.asarray(meant / meant.sum() - others / others.sum(), np.float32)


def _gradient(feature_maps: NDArray[np.float32], head: Head, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gradient of a weighted sum of logits, in the shape of the feature maps (or one that broadcasts to it)."""
    values = _pooled(feature_maps, head)
    active = []
    for kernel, bias in zip(head.kernels[:-1], head.biases[:-1], strict=True):
        values = np.maximum(values @ kernel + bias, 0)
        active.append(values > 0)
    gradient: NDArray[np.float32] = head.kernels[-1] @ weights
    for kernel, mask in zip(reversed(head.kernels[:-1]), reversed(active), strict=True):
        gradient = kernel @ (gradient * mask)
    if head.averages_places:
        n_places = feature_maps.shape[0] * feature_maps.shape[1]
        gradient = gradient / np.float32(n_places)
        return gradient
    if head.takes_largest:
        # Only the places that were taken had a say; several that are equal share it.
        taken = (feature_maps == _pooled(feature_maps, head)).astype(np.float32)
        return np.asarray(gradient * taken / taken.sum(axis=(0, 1)), np.float32)
    windows = _windows(feature_maps, head.window)
    largest = windows.max(axis=(1, 3), keepdims=True)
    # The other places of a window had no say; several that are equal share it.
    taken = (windows == largest).astype(np.float32)
    shares = taken * gradient.reshape(largest.shape) / taken.sum(axis=(1, 3), keepdims=True)
    gradient = np.zeros_like(feature_maps)
    rows, columns = (head.window * n for n in (shares.shape[0], shares.shape[2]))
    gradient[:rows, :columns] = shares.reshape(rows, columns, -1)
    return gradient


def _pooled(feature_maps: NDArray[np.float32], head: Head) -> NDArray[np.float32]:
    if head.averages_places:
        return np.asarray(feature_maps.mean(axis=(0, 1)))
    if head.takes_largest:
        return np.asarray(feature_maps.max(axis=(0, 1)))
    return np.asarray(_windows(feature_maps, head.window).max(axis=(1, 3)).ravel())


def _windows(maps: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Return (rows, window, columns, window, channels), without the last places if these fill no window."""
    rows, columns = (n // window for n in maps.shape[:2])
    return maps[: rows * window, : columns * window].reshape(rows, window, columns, window, -1)
