"""The network with channels first: the same answers, without transposing its maps."""

from typing import Any

import keras
import numpy as np
import openvino
import pytest

from model.network.engine import fold, graph_of
from model.network.keras_import import import_keras
from model.network.layout import channels_first


@pytest.fixture
def network() -> keras.Model:
    """Every kind of layer that is rebuilt, uneven padding, a side branch, a softmax over places, random weights."""
    layers = import_keras().layers
    keras.utils.set_random_seed(3)
    given = keras.Input((21, 21, 1))
    x = layers.Concatenate()([given, given, given])
    x = layers.Rescaling([0.01, 0.02, 0.03], offset=[-1.0, 0.0, 1.0])(x)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    side = layers.AveragePooling2D(2, padding="same")(layers.Conv2D(6, 1)(x))
    x = layers.BatchNormalization()(layers.SeparableConv2D(6, 3, padding="same")(x))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(layers.Activation("relu")(x))
    x = layers.Concatenate()([layers.Add()([x, side]), layers.DepthwiseConv2D(2, padding="same")(x)])
    shares = layers.Softmax(axis=1)(layers.Reshape((36, 12))(x))
    x = layers.Multiply()([x, layers.Reshape((6, 6, 12))(shares)])
    made = keras.Model(given, [x, layers.Dense(4, activation="softmax")(layers.Flatten()(x))])
    random = np.random.default_rng(0)
    made.set_weights([random.uniform(0.1, 1, weight.shape).astype(np.float32) for weight in made.weights])
    return made


def outputs(graph: Any) -> list[np.ndarray]:
    inputs = np.random.default_rng(1).integers(0, 255, (1, 21, 21, 1)).astype(np.float32)
    compiled = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return list(compiled(inputs).values())


def turns(graph: Any) -> int:
    return sum(node.get_type_name() == "Transpose" for node in graph.get_ordered_ops())


def test_channels_first_gives_the_same_outputs_with_fewer_turns(network: keras.Model) -> None:
    plain, rebuilt = graph_of(network), graph_of(channels_first(network))
    for one, other in zip(outputs(plain), outputs(rebuilt), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    # Those of the weights are made once, not in every pass.
    fold(plain)
    fold(rebuilt)
    assert turns(rebuilt) <= 3 < turns(plain)
