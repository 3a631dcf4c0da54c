"""Load a card and its network, and classify images: probabilities and feature maps in one pass."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model import BACKEND
from model.answers.calibration import calibrate
from model.answers.gate import AnyGate, read_gate
from model.answers.prediction import Prediction
from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER, ModelCard, read_card, read_weights
from model.errors import ModelFileError
from model.network.engine import engine_of
from model.network.explained import Explained
from model.network.graph_file import read_graph
from model.network.keras_import import import_keras
from model.network.precision import FLOAT32, usable
from model.network.self_test import check_known_answers
from model.network.waiting_line import Patience, Turns
from model.preprocessing import PREPROCESSING_VERSION, HeadBox, preprocess
from model.processes.memory import give_back_memory, keep_memory_together
from model.reading.contents import MriImage


@dataclass(frozen=True, eq=False)
class Outputs:
    """What one pass gives for n images.

    feature_maps: float32, (n, rows, columns, channels), by which `explained_by` explains the classes;
    probabilities: float32, (n, n_classes), as the network gives them, not calibrated; gate_features: float32,
    (n, channels), averaged over places, None where the model has no gate.
    """

    feature_maps: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    gate_features: NDArray[np.float32] | None


class Classifier:
    """A saved network, ready to classify. Safe to use from several threads: passes are taken in turn.

    head, grid: the layers behind its feature maps, and where these lie in its input.
    """

    def __init__(
        self,
        card: ModelCard,
        network: Any,
        gate: AnyGate | None = None,
        has_beside: bool = True,
        n_threads: int | None = None,
        precision: str = FLOAT32,
    ) -> None:
        """Wrap a loaded network, and the gate if there is one, that fit their card; see `model.network.engine`.

        network: of Keras, or Explained. precision: one of model.network.precision.

        Raises:
            ModelFileError: card and network contradict each other, or this processor lacks the precision.
        """
        _check_version(card)
        explained = network if isinstance(network, Explained) else Explained.of_keras(network, card)
        self.card = card
        self.head, self.grid = explained.head, explained.grid
        self._gate = gate
        self.precision = usable(precision)
        engine = engine_of(explained.network, has_beside, n_threads, self.precision)
        self.turns = Turns(engine)
        # Threads start when there is work for them.
        self._threads = ThreadPoolExecutor(len(engine.beside) or 1, card.name)

    @classmethod
    def load(
        cls, card_path: Path, has_beside: bool = True, n_threads: int | None = None, precision: str = FLOAT32
    ) -> "Classifier":
        """Load a card and, once its file's SHA-256 was found to be the card's, the network.

        Raises:
            ModelFileError: card or weights are missing, altered, or made for another version of this program.
        """
        card, folder = read_card(card_path), card_path.parent
        # The graph is OpenVINO's; other backends, which training and publishing compare it with, take the network.
        network = read_graph(card, folder) if card.graph and BACKEND == "openvino" else _keras_network(card, folder)
        gate = read_gate(card.gate, folder) if card.gate else None
        return cls(card, network, gate, has_beside, n_threads, precision)

    def predict(self, images: Sequence[MriImage], timeout_seconds: float | None = None) -> list[Prediction]:
        """Classify images; the answers are in the order of the images.

        Where the engine can run passes in parallel, several images share the cores: faster than in one batch,
        since one is prepared while another is in the network.

        Raises:
            UnsuitableImage: one of the images is of one flat grey.
            Busy: it was not an image's turn so many seconds after the ones before it were done.
        """
        patience = Patience(timeout_seconds, from_now=False)
        return list(self._each(lambda image: self._predict(image, patience), images))

    def predict_ahead(
        self, batches: Iterable[Sequence[MriImage]], timeout_seconds: float | None = None
    ) -> Iterator[list[Prediction]]:
        """Classify batches in order. Each runs while the caller handles the previous one, so no core waits.

        Raises:
            UnsuitableImage: as `predict`.
            Busy: it was not the first batch's turn so many seconds after it was asked for. What was begun is not given
                up because others came: a later batch waits its turn, and so long only once a thread has taken it up.
        """
        ahead: deque[list[Future[Prediction]]] = deque()
        try:
            for i, images in enumerate(batches):
                patience = Patience(timeout_seconds, from_now=i == 0)
                ahead.append([self._threads.submit(self._predict, image, patience) for image in images])
                if len(ahead) > 1:
                    yield [future.result() for future in ahead[0]]
                    ahead.popleft()
            while ahead:
                yield [future.result() for future in ahead[0]]
                ahead.popleft()
        finally:
            # No caller waits for the rest.
            for future in itertools.chain.from_iterable(ahead):
                future.cancel()

    def predictions(self, outputs: Outputs, boxes: Sequence[HeadBox]) -> list[Prediction]:
        """Return what a pass says of each of its images; boxes: the part of each that the network saw."""
        probabilities = calibrate(outputs.probabilities, self.card.decision.temperature)
        distances = self.distances(outputs)
        return [
            Prediction(
                class_names=self.card.class_names,
                probabilities=probabilities[i],
                decision=self.card.decision,
                distance=float(distances[i]),
                box=box,
                feature_maps=outputs.feature_maps[i],
            )
            for i, box in enumerate(boxes)
        ]

    def predict_inputs(self, inputs: NDArray[np.uint8], timeout_seconds: float | None = None) -> Outputs:
        """Run the network on preprocessed inputs, uint8, shape (n, height, width, 1), 0..255.

        Raises:
            Busy: it was not this call's turn after so many seconds.
        """
        ready = inputs.astype(np.float32)
        batches = [ready] if self.turns.engine.takes_batches else [one[None] for one in ready]
        passes = self._each(lambda batch: self.turns(batch, timeout_seconds), batches)
        feature_maps, probabilities, *gated = map(np.concatenate, zip(*passes, strict=True))
        return Outputs(feature_maps, probabilities, gated[0] if gated else None)

    def distances(self, outputs: Outputs) -> NDArray[np.float32]:
        """Return how far images are from the training images, float32, (n,): above 1 is not a brain MRI; 0 ungated."""
        if self._gate is None or outputs.gate_features is None:
            return np.zeros(len(outputs.probabilities), np.float32)
        return self._gate.distances(outputs.gate_features)

    def _each(self, do: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        """Apply it to each item, several at a time if the engine runs passes in parallel."""
        return self._threads.map(do, items) if self.turns.engine.beside and len(items) > 1 else map(do, items)

    def _predict(self, image: MriImage, patience: Patience) -> Prediction:
        seconds_left = patience.seconds_left()
        given = preprocess(image.pixels, self.card.input_size_px)
        outputs = self.predict_inputs(given.pixels[None, ..., None], seconds_left)
        return self.predictions(outputs, [given.box])[0]


def load_classifier(
    card_path: Path, has_beside: bool = True, n_threads: int | None = None, precision: str = FLOAT32
) -> Classifier:
    """Load a model to serve, and check its answers for the known images.

    Raises:
        ModelFileError: it is missing, altered, or made for another version of this program.
    """
    classifier = Classifier.load(card_path, has_beside, n_threads, precision)
    card = classifier.card
    check_known_answers(card.name, card.known_answers, classifier.predict, classifier.precision)
    return classifier


def load_classifiers(
    folder: Path = WEIGHTS_FOLDER, names: Sequence[str] = DEFAULT_MODELS, precision: str = FLOAT32
) -> dict[str, Classifier]:
    """Load the named models of a folder, in that order; the first can answer several requests in parallel.

    Raises:
        ModelFileError: as `load_classifier`.
    """
    keep_memory_together()
    cards = [folder / f"{name}.json" for name in names]
    # What hides packages from Keras is not made for several threads.
    n_at_once = len(cards) if all(read_card(card).graph for card in cards) else 1
    with ThreadPoolExecutor(n_at_once) as pool:
        # Most requests use the first; for the others, speed under load is not worth the memory.
        loaded = list(
            pool.map(lambda card: load_classifier(card, has_beside=card == cards[0], precision=precision), cards)
        )
    give_back_memory()
    return dict(zip(names, loaded, strict=True))


def _keras_network(card: ModelCard, folder: Path) -> Any:
    weights = read_weights(card, folder)
    keras = import_keras()
    try:
        return keras.saving.load_model(weights, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelFileError(f"Expected a Keras network in {weights}. It cannot be loaded: {error}") from error


def _check_version(card: ModelCard) -> None:
    if card.preprocessing_version != PREPROCESSING_VERSION:
        raise ModelFileError(
            f"Expected a model trained with preprocessing version {PREPROCESSING_VERSION}. "
            f"Received {card.name!r} with version {card.preprocessing_version}. Train and publish it again."
        )
