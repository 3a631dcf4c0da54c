"""Where in the picture the evidence for a class was found, from the feature maps of the pass that gave the class.

Behind the feature maps the networks are piecewise linear (pooling or flattening, dense layers, ReLU), so that a class
score is exactly the sum, over places and channels, of its gradient times the feature map, plus a constant. Summed over
channels that is a map of evidence, computed here without a gradient tape and so on every backend.

Source: class activation maps, Zhou et al. 2016, arXiv:1512.04150; HiResCAM, Draelos and Carin 2020, arXiv:2011.08891.
"""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.errors import ModelFileError
from model.network.keras_import import import_keras

# Opacity of the strongest evidence in the overlay; the picture stays visible under it.
STRONGEST_OPACITY = 0.65
# Black, violet, red, orange, yellow: brightness rises with evidence, so that it also reads in grey.
_COLOUR_STOPS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], dtype=np.float32)


def _between_stops() -> NDArray[np.uint8]:
    """Give the colours of 256 steps of evidence, uint8 (256, 3), linear between the stops."""
    steps, stops = np.linspace(0, 1, 256), np.linspace(0, 1, len(_COLOUR_STOPS))
    colours = np.stack([np.interp(steps, stops, channel) for channel in _COLOUR_STOPS.T], axis=-1)
    return np.asarray(np.rint(colours), dtype=np.uint8)


_COLOURS = _between_stops()
# By step: how much of the colour covers the picture, 0..255; the colour's luminance; and how blue and how red the
# picture becomes, 128 being grey, with the colour laid over it at that opacity.
_OPACITY = [round(STRONGEST_OPACITY * step) for step in range(256)]
_LUMINANCE, *_CHROMINANCES = np.asarray(Image.fromarray(_COLOURS[None]).convert("YCbCr"))[0].T.astype(int).tolist()
_BLUENESS, _REDNESS = (
    [round(128 + (channel[step] - 128) * _OPACITY[step] / 255) for step in range(256)] for channel in _CHROMINANCES
)


@dataclass(frozen=True, eq=False)
class Head:
    """What stands behind the feature maps: averaged over places or not, then dense layers with ReLU between them.

    kernels: float32, shapes (n_inputs, n_outputs); biases: float32, shapes (n_outputs,); the last layer gives logits.
    """

    averages_places: bool
    kernels: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]

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
            type(pooling).__name__ == "GlobalAveragePooling2D",
            tuple(np.asarray(to_numpy(layer.kernel), np.float32) for layer in dense),
            tuple(np.asarray(to_numpy(layer.bias), np.float32) for layer in dense),
        )


def explained_by(network: Any, feature_layer: str) -> tuple[Head, Any]:
    """Give the head of a Keras network, and the tensor of the maps that it explains the classes by.

    Where the head only averages and weighs, the network weighs: what is copied out of a pass is then a number per place
    and class instead of thousands of features.

    Raises:
        ModelFileError: as Head.of_network.
    """
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
    map that is only enlarged would point beside what the network saw.
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
        """Follow the windows of convolutions and poolings; side branches of 1x1 convolutions are left out."""
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


def overlay_jpeg(pixels: NDArray[np.uint8], strength: NDArray[np.uint8]) -> bytes:
    """Give the overlay as JPEG, without any metadata: several times faster than PNG, and to the eye the same."""
    return _encoded(overlay(pixels, strength), "JPEG", quality=85)


def overlay(pixels: NDArray[np.uint8], strength: NDArray[np.uint8]) -> Image.Image:
    """Draw the positive evidence over the grey picture: a picture of its size, in JPEG's colours (YCbCr).

    pixels: uint8, shape (height, width); strength: `in_steps`, of the same shape. A place of strength 255 gets
    STRONGEST_OPACITY; one of 0 stays grey.
    """
    steps = Image.fromarray(strength)
    # The picture is grey, so that two of the three channels depend on the strength alone.
    grey = Image.composite(steps.point(_LUMINANCE), Image.fromarray(pixels), steps.point(_OPACITY))
    return Image.merge("YCbCr", (grey, steps.point(_BLUENESS), steps.point(_REDNESS)))


def layer_webp(strength: NDArray[np.uint8]) -> bytes:
    """Draw positive evidence as colour that is the more opaque the stronger it is, as WebP with an alpha channel.

    strength: `in_steps`, shape (height, width); 255 becomes fully opaque.
    """
    layer = np.dstack([_COLOURS[strength], strength])
    return _encoded(Image.fromarray(layer), "WEBP", quality=80, method=0)


def picture_webp(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a grey picture, uint8 (height, width), as WebP: to be looked at, and far smaller than PNG."""
    return _encoded(Image.fromarray(pixels), "WEBP", quality=88, method=0)


def shrink(pixels: NDArray[np.uint8], max_side_px: int) -> NDArray[np.uint8]:
    """Reduce a grey picture so that neither side is longer than given; a smaller one stays as it is."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((max_side_px, max_side_px), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.uint8)


def in_steps(evidence: NDArray[np.float32], strongest: float) -> NDArray[np.uint8]:
    """Map evidence, float32 of any shape, from 0..strongest to 0..255, uint8; what speaks against the class is 0.

    strongest: the evidence, in the same unit, that becomes 255.
    """
    shares = np.clip(evidence * np.float32(1 / max(strongest, 1e-12)), 0, 1)
    return np.asarray(shares * np.float32(255), dtype=np.uint8)


def _encoded(picture: Image.Image, picture_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, picture_format, **options)
    return buffer.getvalue()
