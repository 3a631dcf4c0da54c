"""Rebuild a network with its channels before its rows, as the engine computes, so that it need not turn every map."""

from typing import Any

from model.network.keras_import import import_keras, without_tensorflow

# Layers that compute the same with channels first, once they are told; where they begin, maps are turned.
_WINDOWS = {"Conv2D", "SeparableConv2D", "DepthwiseConv2D", "MaxPooling2D", "AveragePooling2D"}
# Layers that take turned maps as they come: with an axis of their own, or element by element.
_ALONG_AXIS = {"BatchNormalization", "Concatenate"}
_BY_ELEMENT = {"Activation", "ReLU", "Add", "Dropout", "SpatialDropout2D"}
# A softmax needs its axis.
_ACTIVATIONS = {"linear", "relu", "relu6", "silu", "gelu", "elu", "selu", "sigmoid", "tanh", "hard_silu"}
_CHANNELS_LAST = {-1, 3}


def channels_first(network: Any) -> Any:
    """Return a Keras network of the same inputs, outputs and weights, whose convolutions have their channels first.

    Inputs and outputs keep their shapes, with channels last, and so do the maps that other layers get. For tracing into
    an engine: Keras itself cannot run such convolutions on every backend.
    """
    keras = import_keras()
    # By id: tensors that have their channels first, and each tensor the other way round, made once.
    turned: dict[int, Any] = {}
    others: dict[int, Any] = {}

    def other(tensor: Any, axes: tuple[int, int, int]) -> Any:
        if id(tensor) not in others:
            others[id(tensor)] = keras.layers.Permute(axes, name=f"turned_{tensor.name}")(tensor)
        return others[id(tensor)]

    def first(tensor: Any) -> Any:
        return tensor if id(tensor) in turned else other(tensor, (3, 1, 2))

    def last(tensor: Any) -> Any:
        return other(tensor, (2, 3, 1)) if id(tensor) in turned else tensor

    def call(layer: Any, given: Any, **options: Any) -> Any:
        follows = all(id(tensor) in turned for tensor in keras.tree.flatten(given))
        if not _can_turn(layer, follows):
            return layer(keras.tree.map_structure(last, given), **options)
        if type(layer).__name__ in _WINDOWS:
            layer.data_format = "channels_first"
        elif type(layer).__name__ in _ALONG_AXIS:
            layer.axis = 1
        result = layer(keras.tree.map_structure(first, given), **options)
        turned[id(result)] = result
        return result

    with without_tensorflow():
        changed = keras.models.clone_model(network, call_function=call)
    for layer in (layer for layer in network.layers if layer.weights):
        for copy, weight in zip(changed.get_layer(layer.name).weights, layer.weights, strict=True):
            copy.assign(weight)
    return keras.Model(changed.inputs, keras.tree.map_structure(last, changed.outputs))


def _can_turn(layer: Any, follows: bool) -> bool:
    """Return whether a layer computes the same with channels first; follows: all that it gets has them first."""
    name = type(layer).__name__
    activation = getattr(layer, "activation", None)
    if activation is not None and getattr(activation, "__name__", "") not in _ACTIVATIONS:
        return False
    if name in _WINDOWS:
        return bool(layer.data_format == "channels_last")
    return follows and (name in _BY_ELEMENT or (name in _ALONG_AXIS and layer.axis in _CHANNELS_LAST))
