"""Build the networks, flat: grey pictures of 0..255 in, probabilities out, the value scaling inside."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from model.card import CLASS_NAMES
from training.errors import TrainingError
from training.recipes import Recipe

# The channel means of ImageNet in the order blue, green, red that VGG16 was trained with.
# Source: keras.applications.imagenet_utils, mode "caffe".
_VGG16_MEANS = (103.939, 116.779, 123.68)
# Batch normalisation learns nothing and keeps ImageNet's statistics: small batches of one body part would spoil them.
_FROZEN_LAYER = keras.layers.BatchNormalization


class WeightsError(TrainingError):
    """The starting weights cannot be loaded; the message says what to do."""


def build(recipe: Recipe, weights: str, precision: str = "float32") -> keras.Model:
    """Build the recipe's network with a fresh head on pretrained weights, everything but the head frozen.

    weights: "imagenet" (downloads), "random", or the path of a `.weights.h5` file of the bare Keras application.
    precision: a Keras dtype policy; "mixed_bfloat16" computes faster where the processor has such instructions.
    Input: float32 or uint8, (n, size, size, 1), 0..255. Output: float32, (n, n_classes).

    Raises:
        WeightsError: the weights cannot be downloaded, or do not fit.
    """
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        base = _base(recipe, weights)
        head = _vgg16_head if recipe.architecture == "VGG16" else _xception_head
        outputs = head(base.output, recipe, len(CLASS_NAMES[recipe.task]))
    finally:
        keras.config.set_dtype_policy(usual)
    network = keras.Model(base.input, outputs, name=recipe.name)
    if recipe.architecture == "VGG16":
        # The last three of the base: block5_conv3, block5_conv2 and block5_conv1.
        for layer in (base.layers[-2], base.layers[-3], base.layers[-4]):
            layer.trainable = True
    return network


def with_class_maps(network: keras.Model) -> keras.Model:
    """Give the network a second output, "maps": the logit of each class at each place of the feature maps.

    The same layer that reads the averaged features reads those of each place: float32, (n, rows, columns, n_classes).
    """
    features = network.get_layer("feature_pool").input
    maps = keras.layers.Activation("linear", dtype="float32", name="maps")(network.get_layer("logits")(features))
    return keras.Model(network.input, {"probabilities": network.output, "maps": maps})


def attention_loss(target: Any, maps: Any) -> Any:
    """Ask that the evidence for the class lie in the lesion's box: one value per picture.

    target: float32, (n, rows, columns, n_classes), the box as 0..1 in the channel of the true class, 0 elsewhere; all
    ones in that channel where there is no box, which costs nothing. Minus the logarithm of the share of evidence (the
    softmax of the class's map over its places) that lies in the box.
    """
    ops = keras.ops
    of_class = ops.max(target, axis=(1, 2), keepdims=True)
    inside = ops.sum(target, axis=-1)
    evidence = ops.sum(maps * of_class, axis=-1)
    shape = ops.shape(evidence)
    shares = ops.softmax(ops.reshape(evidence, (shape[0], -1)), axis=-1)
    within = ops.sum(shares * ops.reshape(inside, (shape[0], -1)), axis=-1)
    return -ops.log(ops.clip(within, 1e-6, 1.0))


def round_weights(network: keras.Model) -> None:
    """Round every weight to half precision; the network stays float32 and its file packs to half.

    Done before anything is measured, so that every figure is of the rounded network. Doing it again changes nothing.
    """
    largest = float(np.finfo(np.float16).max)
    rounded = [np.clip(w, -largest, largest).astype(np.float16).astype(np.float32) for w in network.get_weights()]
    network.set_weights(rounded)


def unfreeze(network: keras.Model, first_layer: str) -> None:
    """Let every layer from the named one on learn, but for batch normalisation."""
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
    """Take the last halving out of Xception: twice as many places in each direction, the same weights."""
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


def _vgg16_head(features: Any, recipe: Recipe, n_classes: int) -> Any:
    x = keras.layers.Flatten(name=recipe.feature_layer)(features)
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
