"""A network as it is run: from images to feature maps, probabilities and, with a gate, the features it looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model.card import ModelCard
from model.errors import ModelFileError
from model.network.features import FeatureGrid, Head, explained_by
from model.network.keras_import import import_keras


@dataclass(frozen=True, eq=False)
class Explained:
    """network: of Keras, or an openvino.Model for one image; head: the layers behind its feature maps.

    grid: where the feature maps lie in its input.
    """

    network: Any
    head: Head
    grid: FeatureGrid

    @classmethod
    def of_keras(cls, network: Any, card: ModelCard) -> "Explained":
        """Return a loaded Keras network with the outputs that are needed.

        Raises:
            ModelFileError: card and network contradict each other.
        """
        check_shapes(card, network.input_shape, network.output_shape)
        head, maps = explained_by(network, card.feature_layer)
        outputs, keras = [maps, network.output], import_keras()
        if card.gate:
            if card.gate.layer not in {layer.name for layer in network.layers}:
                raise ModelFileError(
                    f"Expected in the network of {card.name!r} the layer {card.gate.layer!r}, which its card's gate "
                    "looks at. It has none of that name. Calibrate and publish it again."
                )
            outputs.append(keras.layers.GlobalAveragePooling2D()(network.get_layer(card.gate.layer).input))
        return cls(keras.Model(network.input, outputs), head, FeatureGrid.of_network(network, card.feature_layer))


def check_shapes(card: ModelCard, input_shape: Sequence[Any], output_shape: Sequence[Any]) -> None:
    """Compare a network's shapes, the number of images first, with its card.

    Raises:
        ModelFileError: they differ.
    """
    expected = ((card.input_size_px, card.input_size_px, 1), (len(card.class_names),))
    received = (tuple(input_shape)[1:], tuple(output_shape)[1:])
    if received != expected:
        raise ModelFileError(f"Expected a network of input and output shapes {expected}. Received {received}.")
