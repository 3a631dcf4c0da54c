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
    """Give how much each place speaks for a class; negative where it speaks against.

    feature_maps: float32, shape (rows, columns, channels). Returns float32, shape (rows, columns), in units of the
    logit: its sum is the logit less the part that does not depend on the picture.
    """
    gradient = _logit_gradient(feature_maps, head, class_index)
    if gradient.ndim == 1:
        return np.asarray(feature_maps @ gradient)
    return np.asarray(np.einsum("rcf,rcf->rc", feature_maps, gradient))


def _logit_gradient(feature_maps: NDArray[np.float32], head: Head, class_index: int) -> NDArray[np.float32]:
    """Gradient of one logit, in the shape of the feature maps (or one that broadcasts to it)."""
    values = feature_maps.mean(axis=(0, 1)) if head.averages_places else feature_maps.ravel()
    active = []
    for kernel, bias in zip(head.kernels[:-1], head.biases[:-1], strict=True):
        values = np.maximum(values @ kernel + bias, 0)
        active.append(values > 0)
    gradient: NDArray[np.float32] = head.kernels[-1][:, class_index]
    for kernel, mask in zip(reversed(head.kernels[:-1]), reversed(active), strict=True):
        gradient = kernel @ (gradient * mask)
    if head.averages_places:
        n_places = feature_maps.shape[0] * feature_maps.shape[1]
        gradient = gradient / np.float32(n_places)
        return gradient
    return gradient.reshape(feature_maps.shape)
