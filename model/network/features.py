"""Where the feature maps of a network lie in its input, and which layers follow them; both are read from its layers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.errors import ModelFileError
from model.network.keras_import import import_keras


@dataclass(frozen=True, eq=False)
class Head:
    """The layers behind the feature maps: pooled over places or not, then dense layers with ReLU between them.

    averages_places, takes_largest: how places are pooled; both false where they are not. window: the side of the square
    of places of which the largest alone is flattened, 1 where all of them are.

    kernels: float32, shapes (n_inputs, n_outputs); biases: float32, shapes (n_outputs,); the last layer gives logits.
    """

    averages_places: bool
    kernels: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]
    takes_largest: bool = False
    window: int = 1

    @classmethod
    def of_network(cls, network: Any, feature_layer: str) -> "Head":
        """Read the head out of a Keras network whose layers from `feature_layer` on form a chain.

        Raises:
            ModelFileError: there is no such layer, or one behind it has no place in a piecewise linear head.
        """
        names = [layer.name for layer in network.layers]
        if feature_layer not in names:
            raise ModelFileError(f"Expected a layer named {feature_layer!r} in the network. There is none.")
        pooling, *rest = network.layers[names.index(feature_layer) :]
        kind = type(pooling).__name__
        is_flattened = kind == "MaxPooling2D" and bool(rest) and type(rest[0]).__name__ == "Flatten"
        rest = rest[1:] if is_flattened else rest
        dense = [layer for layer in rest if type(layer).__name__ == "Dense"]
        others = {type(layer).__name__ for layer in rest} - {"Dense", "Dropout", "Activation"}
        activations = [layer.activation.__name__ for layer in rest if hasattr(layer, "activation")]
        # A last dense layer may leave its softmax to a layer of its own.
        activations = [name for name in activations if name != "linear"]
        if others or activations != ["relu"] * (len(dense) - 1) + ["softmax"]:
            raise ModelFileError(
                f"Expected dense layers with ReLU and a softmax. Received {sorted(others)} {activations}."
            )
        to_numpy = import_keras().ops.convert_to_numpy
        return cls(
            kind == "GlobalAveragePooling2D",
            tuple(np.asarray(to_numpy(layer.kernel), np.float32) for layer in dense),
            tuple(np.asarray(to_numpy(layer.bias), np.float32) for layer in dense),
            kind == "GlobalMaxPooling2D",
            pooling.pool_size[0] if is_flattened else 1,
        )


def explained_by(network: Any, feature_layer: str) -> tuple[Head, Any]:
    """Return the head of a Keras network, and the tensor of the maps that it explains the classes by.

    Where the head only averages and weighs, the network weighs: what is copied out of a pass is then a number per place
    and class instead of thousands of features. Without a feature layer there is one place, for which nothing speaks.

    Raises:
        ModelFileError: as Head.of_network.
    """
    if not feature_layer:
        layers, n_classes = import_keras().layers, network.output_shape[-1]
        head = Head(True, (np.eye(n_classes, dtype=np.float32),), (np.zeros(n_classes, np.float32),))
        return head, layers.Rescaling(0.0)(layers.Reshape((1, 1, n_classes))(network.output))
    head, features = Head.of_network(network, feature_layer), network.get_layer(feature_layer).input
    if not head.averages_places or len(head.kernels) > 1:
        return head, features
    n_classes = head.kernels[0].shape[1]
    weigh = import_keras().layers.Dense(n_classes, use_bias=False, name="evidence")
    evidence = weigh(features)
    weigh.set_weights(list(head.kernels))
    return Head(True, (np.eye(n_classes, dtype=np.float32),), head.biases), evidence


@dataclass(frozen=True)
class FeatureGrid:
    """Where the places of the feature maps lie in the network's input: place i is centred at first_px + i * step_px.

    Padding that is uneven, as TensorFlow's "same" is for even sizes, shifts the grid: Xception's at 160 px by 11 px. A
    map that is only enlarged would point next to what the network saw.
    """

    first_px: float
    step_px: int
    input_size_px: int
    n_places: int

    def centres_px(self) -> NDArray[np.float64]:
        """Where the places are centred along a side of the input, float64 (n_places,)."""
        return self.first_px + self.step_px * np.arange(self.n_places, dtype=np.float64)

    @classmethod
    def of_network(cls, network: Any, feature_layer: str) -> "FeatureGrid":
        """Follow the windows of convolutions and poolings; side branches of 1x1 convolutions are left out.

        Without a feature layer one place is all of the input.
        """
        if not feature_layer:
            side = network.input_shape[1]
            return cls((side - 1) / 2, side, side, 1)
        first, step = 0.0, 1
        for layer in network.layers[: [layer.name for layer in network.layers].index(feature_layer)]:
            window = getattr(layer, "pool_size", getattr(layer, "kernel_size", (1,)))[0]
            if window > 1:
                stride = layer.strides[0]
                first += step * ((window - 1) / 2 - _padding_before(layer, window, stride))
                step *= stride
        return cls(first, step, network.input_shape[1], network.get_layer(feature_layer).input.shape[1])

    def spread(self, evidence: NDArray[np.float32], side_px: int | None = None) -> NDArray[np.float32]:
        """Draw a map of places, float32 (rows, columns), where it lies in the input: float32 (side_px, side_px).

        Without a side, as large as the input.
        """
        side = side_px or self.input_size_px
        # One more place on each side, so that the map fades out beyond the outermost centres instead of ending there.
        padded = Image.fromarray(np.pad(evidence, 1, mode="edge"))
        scale = self.input_size_px / side / self.step_px
        # Pillow asks for the source of each target pixel and counts both in pixel edges: a centre is at + 0.5.
        offset = (-0.5 - self.first_px) / self.step_px + 0.5 + 1
        matrix = (scale, 0, offset, 0, scale, offset)
        drawn = padded.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
        return np.asarray(drawn, dtype=np.float32)


def _padding_before(layer: Any, window: int, stride: int) -> int:
    """Rows of padding before the first; "same" puts the odd one behind. Source: keras.ops.conv, keras.ops.max_pool."""
    if layer.padding == "valid":
        return 0
    n: int = layer.input.shape[1]
    missing = (math.ceil(n / stride) - 1) * stride + window - n
    return max(missing, 0) // 2
