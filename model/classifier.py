"""Load a card and its network, and classify pictures: probabilities and feature maps in one pass."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.card import ModelCard, read_card, read_weights
from model.errors import ModelFileError
from model.heatmap import FeatureGrid, Head, evidence_map, overlay_png, shrink
from model.lean_keras import import_keras
from model.preprocessing import PREPROCESSING_VERSION, HeadBox, place_in_picture, preprocess
from model.reading import MriImage

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
# Heat maps are drawn to be looked at: more pixels would only cost time and bandwidth.
DISPLAY_SIDE_PX = 768
# The first in this order is the one that a user gets who names none.
DEFAULT_MODELS = ("xception", "vgg16")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one network says of one picture.

    probabilities: float32, shape (n_classes,), in the order of class_names, sum 1.
    feature_maps: float32, shape (rows, columns, channels); box: the part of the picture they cover.
    """

    model_name: str
    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    feature_maps: NDArray[np.float32]
    box: HeadBox

    @property
    def predicted_class(self) -> str:
        """The class with the highest probability."""
        return self.class_names[int(self.probabilities.argmax())]

    def by_class(self) -> dict[str, float]:
        """The probability of each class, by its name."""
        return {name: float(p) for name, p in zip(self.class_names, self.probabilities, strict=True)}


class Classifier:
    """A saved network, ready to classify. Safe to use from several threads: passes are taken in turn."""

    def __init__(self, card: ModelCard, network: Any) -> None:
        """Wrap a loaded Keras network that fits its card.

        Raises:
            ModelFileError: card and network contradict each other.
        """
        keras = import_keras()
        _check_fit(card, network)
        self.card = card
        self._head = Head.of_network(network, card.feature_layer)
        self._grid = FeatureGrid.of_network(network, card.feature_layer)
        features = network.get_layer(card.feature_layer).input
        self._one_pass = keras.Model(network.input, [features, network.output])
        self._turn = threading.Lock()

    @classmethod
    def load(cls, card_path: Path) -> "Classifier":
        """Load a card and, once its file's SHA-256 was found to be the card's, the network; then warm it up.

        Raises:
            ModelFileError: card or weights are missing, altered, or made for another version of this program.
        """
        card = read_card(card_path)
        weights = read_weights(card, card_path.parent)
        keras = import_keras()
        try:
            network = keras.saving.load_model(weights, compile=False)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelFileError(f"Expected a Keras network in {weights}. It cannot be loaded: {error}") from error
        classifier = cls(card, network)
        side = card.input_size_px
        classifier.predict_inputs(np.zeros((1, side, side, 1), np.uint8))
        return classifier

    def predict(self, images: Sequence[MriImage]) -> list[Prediction]:
        """Classify pictures in one batch; the answers stand in the order of the pictures.

        Raises:
            UnsuitableImage: one of the pictures is of one flat grey.
        """
        if not images:
            return []
        inputs = [preprocess(image.pixels, self.card.input_size_px) for image in images]
        feature_maps, probabilities = self.predict_inputs(np.stack([i.pixels for i in inputs])[..., None])
        return [
            Prediction(self.card.name, self.card.class_names, probabilities[i], feature_maps[i], inputs[i].box)
            for i in range(len(images))
        ]

    def predict_inputs(self, inputs: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the network on preprocessed inputs, uint8, shape (n, height, width, 1), 0..255.

        Returns feature maps, float32, shape (n, rows, columns, channels), and probabilities, float32, (n, n_classes).
        """
        with self._turn:
            feature_maps, probabilities = self._one_pass.predict(inputs.astype(np.float32), verbose=0)
        return np.asarray(feature_maps), np.asarray(probabilities)

    def heatmap_png(self, image: MriImage, prediction: Prediction, class_name: str | None = None) -> bytes:
        """Draw where the evidence for a class (the predicted one by default) lies, over the picture, as PNG.

        Pictures with a side above DISPLAY_SIDE_PX are shrunk to it.
        """
        shown = shrink(image.pixels, DISPLAY_SIDE_PX)
        class_index = self.card.class_names.index(class_name or prediction.predicted_class)
        evidence = evidence_map(prediction.feature_maps, self._head, class_index)
        old, new = (image.pixels.shape[0], image.pixels.shape[1]), (shown.shape[0], shown.shape[1])
        placed = place_in_picture(self._grid.spread(evidence), prediction.box.in_resized(old, new), new)
        return overlay_png(shown, placed)


def load_classifiers(folder: Path = WEIGHTS_FOLDER, names: Sequence[str] = DEFAULT_MODELS) -> dict[str, Classifier]:
    """Load the named models of a folder, in that order.

    Raises:
        ModelFileError: a model is missing, altered, or made for another version of this program.
    """
    return {name: Classifier.load(folder / f"{name}.json") for name in names}


def _check_fit(card: ModelCard, network: Any) -> None:
    if card.preprocessing_version != PREPROCESSING_VERSION:
        raise ModelFileError(
            f"Expected a model trained with preprocessing version {PREPROCESSING_VERSION}. "
            f"Received {card.name!r} with version {card.preprocessing_version}. Train and publish it again."
        )
    expected = ((None, card.input_size_px, card.input_size_px, 1), (None, len(card.class_names)))
    received = (tuple(network.input_shape), tuple(network.output_shape))
    if received != expected:
        raise ModelFileError(f"Expected a network of input and output shapes {expected}. Received {received}.")
