"""What a network says at each place of its feature maps, and the losses that compare it with the lesions' outlines.

Xception's head decides at each place, and its answer is a soft maximum over these: an image shows a tumor because some
place does. VGG16's flattens them: there it is the evidence of each place. Either is what a place adds to a logit.
"""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES

# Sharpness of the soft maximum: a place weighs exp(_) times one whose logit is lower by 1; 0 would be the average.
SHARPNESS = 1.0
# Name of the places' layer: the logit of each kind of tumor against "no tumor".
PLACES_LAYER = "places"


def place_head(features: Any, class_names: tuple[str, ...], dropout: float, feature_layer: str) -> Any:
    """Return the class probabilities, float32 (n, n_classes), of feature maps (n, rows, columns, channels).

    The input of the layer named feature_layer is what each place adds to the logit of each kind of tumor.
    Every layer is Keras' own: the saved network loads in safe mode and on every backend.
    """
    tumors = [i for i, name in enumerate(class_names) if name != "no_tumor"]
    rows, columns = features.shape[1:3]
    x = keras.layers.SpatialDropout2D(dropout, name="place_dropout")(features)
    places = keras.layers.Conv2D(len(tumors), 1, name=PLACES_LAYER, dtype="float32")(x)
    sharpened = keras.layers.Rescaling(SHARPNESS, name="sharpened", dtype="float32")(places)
    # Softmax over two axes differs between backends; over the rows of a flattened map it is the same.
    flat = keras.layers.Reshape((rows * columns, len(tumors)), name="flat_places")(sharpened)
    shares = keras.layers.Softmax(axis=1, name="flat_shares", dtype="float32")(flat)
    shares = keras.layers.Reshape((rows, columns, len(tumors)), name="shares")(shares)
    weighed = keras.layers.Multiply(name="weighed_places", dtype="float32")([places, shares])
    # The pooling divides by the number of places.
    weighed = keras.layers.Rescaling(float(rows * columns), name="evidence_of_places", dtype="float32")(weighed)
    x = keras.layers.GlobalAveragePooling2D(name=feature_layer, dtype="float32")(weighed)
    logits = keras.layers.Dense(len(class_names), name="logits", dtype="float32")
    x = logits(x)
    # Initially each kind of tumor is its class's logit, and "no tumor" is 0.
    logits.set_weights(_each_to_its_class(class_names))
    return keras.layers.Activation("softmax", dtype="float32", name="probabilities")(x)


def weights_of_places(
    kernel: NDArray[np.float32], bias: NDArray[np.float32], class_names: tuple[str, ...]
) -> list[NDArray[np.float32]]:
    """Return the four arrays of a place head that applies a pooled head's weights at each place.

    kernel: float32 (n_channels, n_classes), bias: float32 (n_classes,), both of the pooled head's last layer.
    """
    healthy = class_names.index("no_tumor")
    against, offset = kernel - kernel[:, [healthy]], bias - bias[healthy]
    tumors = [i for i in range(len(class_names)) if i != healthy]
    return [against[None, None, :, tumors], offset[tumors], *_each_to_its_class(class_names)]


def classes_of(network: keras.Model) -> tuple[str, ...]:
    """Return the class names of a network, by their number."""
    return next(names for names in CLASS_NAMES.values() if len(names) == network.output_shape[-1])


def _each_to_its_class(class_names: tuple[str, ...]) -> list[NDArray[np.float32]]:
    n = len(class_names)
    tumors = [i for i, name in enumerate(class_names) if name != "no_tumor"]
    return [np.eye(n, dtype=np.float32)[tumors], np.zeros(n, np.float32)]


def with_places(network: keras.Model, feature_layer: str) -> keras.Model:
    """Return the network with a second output, "places": float32 (n, rows, columns, n_tumors), against "no tumor".

    It is each place's logit if the network decides at places, or else what each place adds to the image's logit.
    """
    if PLACES_LAYER in {layer.name for layer in network.layers}:
        places = network.get_layer(PLACES_LAYER).output
    else:
        pooling = network.get_layer(feature_layer)
        places = _EvidenceOfPlaces(network)([pooling.input, pooling.output])
    return keras.Model(network.input, {"probabilities": network.output, PLACES_LAYER: places})


class _EvidenceOfPlaces(keras.layers.Layer):
    """The evidence of each place before a pooling that two dense layers follow, as model/evidence/heat_maps.py has it.

    Only training uses it: gradients reach the features and the dense layers.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__(name=PLACES_LAYER, dtype="float32")
        self._dense, self._last = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
        self._no_tumor = classes_of(network).index("no_tumor")

    def call(self, inputs: list[Any]) -> Any:
        ops, (maps, pooled) = keras.ops, inputs
        kernel, last = (ops.cast(layer.kernel, "float32") for layer in (self._dense, self._last))
        flat = ops.reshape(pooled, (-1, kernel.shape[0]))
        is_active = ops.cast(ops.matmul(flat, kernel) + self._dense.bias > 0, "float32")
        against = _without(last, self._no_tumor) - last[:, self._no_tumor, None]
        gradient = ops.einsum("nh,hk,ph->npk", is_active, against, kernel)
        gradient = ops.reshape(gradient, (-1, *pooled.shape[1:], against.shape[1]))
        window = maps.shape[1] // pooled.shape[1]
        rows, columns = (window * n for n in pooled.shape[1:3])

        def enlarged(x: Any) -> Any:
            return ops.repeat(ops.repeat(x, window, axis=1), window, axis=2)

        inside = maps[:, :rows, :columns]
        taken = inside * ops.cast(ops.equal(inside, enlarged(pooled)), "float32")
        evidence = ops.sum(taken[..., None] * enlarged(gradient), axis=3)
        return ops.pad(evidence, ((0, 0), (0, maps.shape[1] - rows), (0, maps.shape[2] - columns), (0, 0)))


def _without(x: Any, index: int) -> Any:
    return keras.ops.concatenate([x[..., :index], x[..., index + 1 :]], axis=-1)


class SetCrossentropy(keras.losses.Loss):
    """Minus the logarithm of the summed probability of all classes that are possible for the image.

    target: float32 (n, n_classes), 1 for each possible class: one if the kind is known, else every kind of tumor.
    smoothing: the share of the loss that pulls towards equal probabilities of all classes.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        super().__init__(name="set_crossentropy")
        self._smoothing = smoothing

    def call(self, target: Any, probabilities: Any) -> Any:
        """Return the loss of each image, float32 (n,)."""
        ops = keras.ops
        p = ops.clip(probabilities, 1e-7, 1.0)
        of_set = -ops.log(ops.clip(ops.sum(target * p, axis=-1), 1e-7, 1.0))
        return (1 - self._smoothing) * of_set - self._smoothing * ops.mean(ops.log(p), axis=-1)


class PlacesCrossentropy(keras.losses.Loss):
    """Cross-entropy of each place against the outlines: a lesion of its kind, or none.

    target: float32 (n, rows, columns, n_classes), each place's weight at its class; an unknown place has only zeros
    and costs nothing. logits: float32 (n, rows, columns, n_tumors), against "no tumor".
    no_tumor: the index of that class.
    """

    def __init__(self, no_tumor: int) -> None:
        super().__init__(name="places_crossentropy")
        self._no_tumor = no_tumor

    def call(self, target: Any, logits: Any) -> Any:
        """Return the mean loss of each image's places, float32 (n,)."""
        ops, k = keras.ops, self._no_tumor
        against = ops.concatenate([logits[..., :k], ops.zeros_like(logits[..., :1]), logits[..., k:]], axis=-1)
        losses = -ops.sum(target * ops.log_softmax(against, axis=-1), axis=-1)
        return ops.sum(losses, axis=(1, 2))


class PointingLoss(keras.losses.Loss):
    """Minus the logarithm of the share of a soft maximum over the places that lies in the lesion's outline.

    target: as of PlacesCrossentropy; images without an outlined lesion cost nothing. evidence: float32 (n, rows,
    columns, n_tumors). no_tumor: the index of that class.
    """

    # A place weighs exp(_) times one whose evidence is lower by 1. Evidence of one image sums to a few units.
    SHARPNESS = 4.0

    def __init__(self, no_tumor: int) -> None:
        super().__init__(name="pointing_loss")
        self._no_tumor = no_tumor

    def call(self, target: Any, evidence: Any) -> Any:
        """Return the loss of each image, float32 (n,)."""
        ops = keras.ops
        lesion = _without(target, self._no_tumor)
        largest = ops.max(lesion, axis=(1, 2), keepdims=True)
        shape = (-1, lesion.shape[1] * lesion.shape[2], lesion.shape[3])
        shares = ops.softmax(self.SHARPNESS * ops.reshape(evidence, shape), axis=1)
        inside = ops.sum(shares * ops.reshape(lesion / ops.maximum(largest, 1e-6), shape), axis=1)
        is_outlined = ops.cast(largest[:, 0, 0] > 0, "float32")
        return ops.sum(-ops.log(ops.maximum(inside, 1e-6)) * is_outlined, axis=-1)
