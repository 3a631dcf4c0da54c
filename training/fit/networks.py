"""Build the networks, flat: grey images of 0..255 in, probabilities out, the value scaling inside."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from model.card import CLASS_NAMES
from training.errors import TrainingError
from training.fit.places import PLACES_LAYER, classes_of, place_head, weights_of_places
from training.recipes import Recipe

# The channel means of ImageNet in the order blue, green, red that VGG16 was trained with.
# Source: keras.applications.imagenet_utils, mode "caffe".
_VGG16_MEANS = (103.939, 116.779, 123.68)
# Batch normalisation is not trained and keeps ImageNet's statistics: small batches of one body part would spoil them.
_FROZEN_LAYER = keras.layers.BatchNormalization


class WeightsError(TrainingError):
    """The starting weights cannot be loaded; the message says what to do."""


def build(recipe: Recipe, weights: str, precision: str = "float32") -> keras.Model:
    """Return the recipe's network with a new head on pretrained weights; only the head is trainable.

    weights: "imagenet" (downloads), "random", the path of a `.weights.h5` file of the bare Keras application, or of a
    `.keras` file of an earlier network of this architecture, whose head is kept too if it fits.
    precision: a Keras dtype policy; "mixed_bfloat16" is faster on processors with such instructions.
    Input: float32 or uint8, (n, size, size, 1), 0..255. Output: float32, (n, n_classes).

    Raises:
        WeightsError: the weights cannot be downloaded, or do not fit.
    """
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        is_earlier = weights.endswith(".keras")
        base = _base(recipe, "random" if is_earlier else weights)
        outputs = _head(base.output, recipe)
    finally:
        keras.config.set_dtype_policy(usual)
    network = keras.Model(base.input, outputs, name=recipe.name)
    if recipe.architecture == "VGG16":
        # The last three of the base: block5_conv3, block5_conv2 and block5_conv1.
        for layer in (base.layers[-2], base.layers[-3], base.layers[-4]):
            layer.trainable = True
    if is_earlier:
        _take_over_file(network, Path(weights))
    return network


def take_over(network: keras.Model, earlier: keras.Model) -> None:
    """Copy the weights of an earlier network of the same form, or of one with a pooled head into a head of places.

    A pooled head reads averaged features; the layer of places then applies the same weights at each place.

    Raises:
        ValueError: the weights have other shapes.
    """
    weights = [keras.ops.convert_to_numpy(variable) for variable in earlier.weights]
    names = {layer.name for layer in earlier.layers}
    if PLACES_LAYER in {layer.name for layer in network.layers} - names:
        weights = [*weights[:-2], *weights_of_places(*weights[-2:], classes_of(network))]
    network.set_weights(weights)


def _take_over_file(network: keras.Model, file: Path) -> None:
    try:
        take_over(network, keras.saving.load_model(file, compile=False))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"Expected in {file} an earlier network of this architecture and task. Its weights cannot be taken: {error}"
        ) from error


def round_weights(network: keras.Model) -> None:
    """Round every weight to half precision. The network stays float32, but its file takes half the space.

    Call it before measuring: every figure must be of the rounded network. A second call changes nothing.
    """
    largest = float(np.finfo(np.float16).max)
    rounded = [np.clip(w, -largest, largest).astype(np.float16).astype(np.float32) for w in network.get_weights()]
    network.set_weights(rounded)


def unfreeze(network: keras.Model, first_layer: str) -> None:
    """Make every layer from the named one on trainable, except batch normalisation."""
    names = [layer.name for layer in network.layers]
    for layer in network.layers[names.index(first_layer) :]:
        layer.trainable = not isinstance(layer, _FROZEN_LAYER)


def _base(recipe: Recipe, weights: str) -> keras.Model:
    size = recipe.input_size_px
    grey = keras.Input((size, size, 1), name="grey")
    base = getattr(keras.applications, recipe.architecture)(
        include_top=False, weights=None, input_tensor=_scale(grey, recipe.architecture)
    )
    if recipe.last_stride == 1:
        base = _without_last_stride(base)
    _load(base, recipe.architecture, size, weights)
    base.trainable = False
    return base


def _without_last_stride(xception: keras.Model) -> keras.Model:
    """Remove the last downsampling from Xception: twice as many places in each direction, the same weights."""
    config = xception.get_config()
    shortcut = [layer.name for layer in xception.layers if type(layer) is keras.layers.Conv2D][-1]
    for layer in config["layers"]:
        if layer["config"]["name"] in ("block13_pool", shortcut):
            layer["config"]["strides"] = (1, 1)
    return keras.Model.from_config(config)


def _scale(grey: Any, architecture: str) -> Any:
    if architecture == "VGG16":
        colours = keras.layers.Concatenate(name="three_channels")([grey] * 3)
        return keras.layers.Rescaling(1.0, offset=[-mean for mean in _VGG16_MEANS], name="value_scaling")(colours)
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="value_scaling")(grey)
    return keras.layers.Concatenate(name="three_channels")([scaled] * 3)


def _head(features: Any, recipe: Recipe) -> Any:
    class_names = CLASS_NAMES[recipe.task]
    if recipe.decides_at_places:
        return place_head(features, class_names, recipe.dropout, recipe.feature_layer)
    if recipe.architecture == "VGG16":
        return _vgg16_head(features, len(class_names))
    return _xception_head(features, recipe, len(class_names))


def _vgg16_head(features: Any, n_classes: int) -> Any:
    x = keras.layers.Flatten(name="flatten")(features)
    x = keras.layers.Dropout(0.3)(x)
    x = keras.layers.Dense(128, activation="relu", name="dense")(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.layers.Dense(n_classes, activation="softmax", dtype="float32", name="probabilities")(x)


def _xception_head(features: Any, recipe: Recipe, n_classes: int) -> Any:
    x = keras.layers.GlobalAveragePooling2D(name=recipe.feature_layer)(features)
    x = keras.layers.Dropout(recipe.dropout)(x)
    logits = keras.layers.Dense(n_classes, name="logits")(x)
    return keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits)


def _load(base: keras.Model, architecture: str, size: int, weights: str) -> None:
    if weights == "random":
        return
    bare = getattr(keras.applications, architecture)
    try:
        if weights == "imagenet":
            source = bare(include_top=False, weights="imagenet", input_shape=(size, size, 3))
        else:
            source = bare(include_top=False, weights=None, input_shape=(size, size, 3))
            source.load_weights(Path(weights))
    except Exception as error:
        raise WeightsError(
            f"Expected ImageNet weights for {architecture} from {weights!r}. They cannot be loaded ({error}). "
            "Give the path of a .weights.h5 file with --weights, or --weights random."
        ) from error
    base.set_weights(source.get_weights())
