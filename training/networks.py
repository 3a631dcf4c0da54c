"""Build the networks, flat: grey pictures of 0..255 in, probabilities out, the value scaling inside."""

from pathlib import Path
from typing import Any

import keras

from model.card import CLASS_NAMES
from training.recipes import Recipe

# The channel means of ImageNet in the order blue, green, red that VGG16 was trained with.
# Source: keras.applications.imagenet_utils, mode "caffe".
_VGG16_MEANS = (103.939, 116.779, 123.68)
# Batch normalisation learns nothing and keeps ImageNet's statistics: small batches of one body part would spoil them.
_FROZEN_LAYER = keras.layers.BatchNormalization


class WeightsError(Exception):
    """The starting weights cannot be loaded; the message says what to do."""


def build(recipe: Recipe, weights: str) -> keras.Model:
    """Build the recipe's network with a fresh head on pretrained weights, everything but the head frozen.

    weights: "imagenet" (downloads), "random", or the path of a `.weights.h5` file of the bare Keras application.
    Input: float32 or uint8, (n, size, size, 1), 0..255. Output: float32, (n, n_classes).

    Raises:
        WeightsError: the weights cannot be downloaded, or do not fit.
    """
    size = recipe.input_size_px
    grey = keras.Input((size, size, 1), name="grey")
    base = getattr(keras.applications, recipe.architecture)(
        include_top=False, weights=None, input_tensor=_scale(grey, recipe.architecture)
    )
    _load(base, recipe.architecture, size, weights)
    base.trainable = False
    head = _vgg16_head if recipe.architecture == "VGG16" else _xception_head
    outputs = head(base.output, recipe, len(CLASS_NAMES[recipe.task]))
    network = keras.Model(grey, outputs, name=recipe.name)
    if recipe.architecture == "VGG16":
        # The seed's three: block5_conv3, block5_conv2 and block5_conv1.
        for layer in (base.layers[-2], base.layers[-3], base.layers[-4]):
            layer.trainable = True
    return network


def unfreeze(network: keras.Model, first_layer: str) -> None:
    """Let every layer from the named one on learn, but for batch normalisation."""
    names = [layer.name for layer in network.layers]
    for layer in network.layers[names.index(first_layer) :]:
        layer.trainable = not isinstance(layer, _FROZEN_LAYER)


def _scale(grey: Any, architecture: str) -> Any:
    if architecture == "VGG16":
        colours = keras.layers.Concatenate(name="three_channels")([grey] * 3)
        return keras.layers.Rescaling(1.0, offset=[-mean for mean in _VGG16_MEANS], name="value_scaling")(colours)
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="value_scaling")(grey)
    return keras.layers.Concatenate(name="three_channels")([scaled] * 3)


def _vgg16_head(features: Any, recipe: Recipe, n_classes: int) -> Any:
    x = keras.layers.Flatten(name=recipe.feature_layer)(features)
    x = keras.layers.Dropout(0.3)(x)
    x = keras.layers.Dense(128, activation="relu", name="dense")(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.layers.Dense(n_classes, activation="softmax", name="probabilities")(x)


def _xception_head(features: Any, recipe: Recipe, n_classes: int) -> Any:
    x = keras.layers.GlobalAveragePooling2D(name=recipe.feature_layer)(features)
    x = keras.layers.Dropout(recipe.dropout)(x)
    return keras.layers.Dense(n_classes, activation="softmax", name="probabilities")(x)


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
