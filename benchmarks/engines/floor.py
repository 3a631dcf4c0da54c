"""The least time that one image can take: the network's arithmetic at the rate of the fastest known arithmetic."""

import math
from typing import Any

import numpy as np

# Large enough for the full rate, small enough to be repeated.
MATRIX_SIDE = 2048
_QUICK_SIDE = 256


def operations_per_picture(network: Any) -> int:
    """Count the floating-point operations of a Keras network's convolutions and dense layers for one image.

    A multiplication and the addition behind it count as two. Everything else (normalisation, which engines fold into
    the convolutions, activations, pooling) is left out: this is a lower bound.
    """
    return 2 * int(sum(_multiplications(layer) for layer in network.layers))


def _multiplications(layer: Any) -> Any:
    n_places = math.prod(layer.output.shape[1:-1])
    match type(layer).__name__:
        case "Dense":
            return n_places * layer.input.shape[-1] * layer.units
        case "Conv2D":
            return n_places * math.prod(layer.kernel_size) * layer.input.shape[-1] // layer.groups * layer.filters
        case "DepthwiseConv2D":
            return n_places * math.prod(layer.kernel_size) * layer.output.shape[-1]
        case "SeparableConv2D":
            n_channels = layer.input.shape[-1] * layer.depth_multiplier
            return n_places * n_channels * (math.prod(layer.kernel_size) + layer.filters)
        case _:
            return 0


class MatrixProduct:
    """A product of two float32 matrices, which NumPy's library computes on all cores."""

    def __init__(self, quick: bool) -> None:
        side = _QUICK_SIDE if quick else MATRIX_SIDE
        self.side = side
        self.operations = 2 * side**3
        self._left, self._right = np.random.default_rng(0).random((2, side, side), np.float32)
        self._product = np.empty((side, side), np.float32)

    def run(self) -> None:
        """Multiply once."""
        np.matmul(self._left, self._right, out=self._product)
