"""Load a card and its network, and classify pictures: probabilities and feature maps in one pass."""

import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.answers.calibration import calibrate
from model.answers.gate import Gate
from model.answers.prediction import Prediction
from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER, ModelCard, read_card, read_weights
from model.errors import Busy, ModelFileError
from model.evidence.maps import FeatureGrid, evidence_map, explained_by, in_steps, layer_webp, overlay_jpeg, shrink
from model.network.engine import Arrays, Turns, engine_of
from model.network.keras_import import give_back_memory, import_keras, keep_memory_together
from model.network.self_test import check_known_answers
from model.preprocessing import PREPROCESSING_VERSION, HeadBox, part_with_head, place_in_picture, preprocess
from model.reading.contents import MriImage

# Heat maps are drawn to be looked at: more pixels would only cost time and bandwidth.
DISPLAY_SIDE_PX = 768
# Evidence below this share of the strongest cannot be told from none by eye.
LEAST_VISIBLE = 0.05
# Evidence has ten places or fewer along a side.
_EVIDENCE_SIDE_PX = 64


@dataclass(frozen=True, eq=False)
class Outputs:
    """What one pass gives for n pictures.

    feature_maps: float32, (n, rows, columns, channels), by which `explained_by` explains the classes;
    probabilities: float32, (n, n_classes), as the network gives them, not calibrated; gate_features: float32,
    (n, channels), averaged over places, None where the model has no gate.
    """

    feature_maps: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    gate_features: NDArray[np.float32] | None


class Classifier:
    """A saved network, ready to classify. Safe to use from several threads: passes are taken in turn."""

    def __init__(self, card: ModelCard, network: Any, gate: Gate | None = None, has_beside: bool = True) -> None:
        """Wrap a loaded Keras network, and the gate if there is one, that fit their card; see `model.network.engine`.

        Raises:
            ModelFileError: card and network contradict each other.
        """
        keras = import_keras()
        _check_fit(card, network)
        self.card = card
        self._head, maps = explained_by(network, card.feature_layer)
        self._grid = FeatureGrid.of_network(network, card.feature_layer)
        self._gate = gate
        outputs = [maps, network.output]
        if card.gate:
            outputs.append(keras.layers.GlobalAveragePooling2D()(network.get_layer(card.gate.layer).input))
        engine = engine_of(keras.Model(network.input, outputs), has_beside)
        self._pass = Turns(engine)
        # Threads are started when there is something for them to do.
        self._beside = ThreadPoolExecutor(len(engine.beside), card.name) if engine.beside else None

    @property
    def seconds_running(self) -> float:
        """How long the pass that is running has taken so far; 0 where none is."""
        return self._pass.seconds_running

    @classmethod
    def load(cls, card_path: Path, has_beside: bool = True) -> "Classifier":
        """Load a card and, once its file's SHA-256 was found to be the card's, the network; check its known answers.

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
        gate = Gate.read(card.gate, card_path.parent) if card.gate else None
        classifier = cls(card, network, gate, has_beside)
        check_known_answers(card.name, card.known_answers, classifier.predict)
        return classifier

    def predict(self, images: Sequence[MriImage], timeout_seconds: float | None = None) -> list[Prediction]:
        """Classify pictures; the answers stand in the order of the pictures.

        Where the engine can run passes beside each other, several pictures share the cores: faster than in one batch,
        since one is prepared while another is in the network.

        Raises:
            UnsuitableImage: one of the pictures is of one flat grey.
            Busy: it was not a picture's turn so many seconds after the ones before it were done.
        """
        patience = _Patience(timeout_seconds, from_now=False)
        if self._beside and len(images) > 1:
            return list(self._beside.map(lambda image: self._predict([image], patience)[0], images))
        return self._predict(images, patience) if images else []

    def predict_ahead(
        self, batches: Iterable[Sequence[MriImage]], timeout_seconds: float | None = None
    ) -> Iterator[list[Prediction]]:
        """Classify batches in their order, each while the caller looks at the one before, so that no core waits.

        Raises:
            UnsuitableImage: as `predict`.
            Busy: it was not the first batch's turn so many seconds after it was asked for. What was begun is not given
                up because others came: a later batch waits its turn, and so long only once a thread has taken it up.
        """
        if self._beside is None:
            yield from (self.predict(images, timeout_seconds) for images in batches)
            return
        ahead: deque[list[Future[list[Prediction]]]] = deque()
        try:
            for i, images in enumerate(batches):
                ahead.append(self._submit(images, _Patience(timeout_seconds, from_now=i == 0)))
                if len(ahead) > 1:
                    yield _results(ahead[0])
                    ahead.popleft()
            while ahead:
                yield _results(ahead[0])
                ahead.popleft()
        finally:
            # Nobody waits for the rest any more.
            for future in itertools.chain.from_iterable(ahead):
                future.cancel()

    def _submit(self, images: Sequence[MriImage], patience: "_Patience") -> list[Future[list[Prediction]]]:
        assert self._beside is not None, "asked for only where passes can run beside each other"
        return [self._beside.submit(self._predict, [image], patience) for image in images]

    def _predict(self, images: Sequence[MriImage], patience: "_Patience") -> list[Prediction]:
        seconds_left = patience.seconds_left()
        inputs = [preprocess(image.pixels, self.card.input_size_px) for image in images]
        outputs = self.predict_inputs(np.stack([i.pixels for i in inputs])[..., None], seconds_left)
        return self.predictions(outputs, [i.box for i in inputs])

    def predictions(self, outputs: Outputs, boxes: Sequence[HeadBox]) -> list[Prediction]:
        """Return what a pass says of each of its images; boxes: the part of each that the network saw."""
        probabilities = calibrate(outputs.probabilities, self.card.decision.temperature)
        distances = self.distances(outputs)
        return [
            Prediction(
                class_names=self.card.class_names, probabilities=probabilities[i], decision=self.card.decision,
                distance=float(distances[i]), box=box, feature_maps=outputs.feature_maps[i],
            )
            for i, box in enumerate(boxes)
        ]  # fmt: skip

    def predict_inputs(self, inputs: NDArray[np.uint8], timeout_seconds: float | None = None) -> Outputs:
        """Run the network on preprocessed inputs, uint8, shape (n, height, width, 1), 0..255.

        Raises:
            Busy: it was not this call's turn after so many seconds.
        """
        feature_maps, probabilities, *gated = self._run(inputs.astype(np.float32), timeout_seconds)
        return Outputs(feature_maps, probabilities, gated[0] if gated else None)

    def _run(self, inputs: NDArray[np.float32], timeout_seconds: float | None) -> Arrays:
        if self._beside is None or len(inputs) < 2:
            return self._pass(inputs, timeout_seconds)
        each = self._beside.map(lambda one: self._pass(one[None], timeout_seconds), inputs)
        return [np.concatenate(outputs) for outputs in zip(*each, strict=True)]

    def distances(self, outputs: Outputs) -> NDArray[np.float32]:
        """Give how far pictures are from the training pictures, float32, (n,): above 1 is no brain MRI; 0 ungated."""
        if self._gate is None or outputs.gate_features is None:
            return np.zeros(len(outputs.probabilities), np.float32)
        return self._gate.distances(outputs.gate_features)

    def evidence(
        self, feature_maps: NDArray[np.float32], class_name: str, side_px: int | None = None
    ) -> NDArray[np.float32]:
        """Give the evidence for a class where it lies in the network's input: float32, (side_px, side_px), any unit.

        feature_maps: of one picture, float32, shape (rows, columns, channels). Without a side, the input's is taken.
        """
        places = evidence_map(feature_maps, self._head, self.card.class_names.index(class_name))
        return self._grid.spread(places, side_px)

    def _drawn(self, prediction: Prediction, class_name: str) -> NDArray[np.float32]:
        """Give the evidence with six pixels or more per place: enlarging it from there shows all of it."""
        return self.evidence(prediction.feature_maps, class_name, _EVIDENCE_SIDE_PX)

    def layers(
        self, image: MriImage, prediction: Prediction, class_names: Sequence[str], max_side_px: int
    ) -> list[tuple[bytes, bool]]:
        """Draw the evidence for each of some classes as a see-through WebP to lay over the picture, stretched to it.

        Beside each layer stands whether anything of it can be seen.

        All are drawn on one scale, that of the strongest evidence among all classes, so that they can be compared.
        """
        new = _bounded(image.pixels.shape, max_side_px)
        box = prediction.box.in_resized((image.pixels.shape[0], image.pixels.shape[1]), new)
        maps = {name: self._drawn(prediction, name) for name in self.card.class_names}
        peaks = {name: float(part_with_head(drawn, box).max()) for name, drawn in maps.items()}
        strongest = max(peaks.values())
        visible = LEAST_VISIBLE * max(strongest, 1e-12)
        return [
            (layer_webp(place_in_picture(in_steps(maps[name], strongest), box, new)), peaks[name] > visible)
            for name in class_names
        ]

    def heatmap_jpeg(self, image: MriImage, prediction: Prediction, class_name: str | None = None) -> bytes:
        """Draw where the evidence for a class (the predicted one by default) lies, over the picture, as JPEG.

        Pictures with a side above DISPLAY_SIDE_PX are shrunk to it.
        """
        shown = shrink(image.pixels, DISPLAY_SIDE_PX)
        evidence = self._drawn(prediction, class_name or prediction.predicted_class)
        old, new = (image.pixels.shape[0], image.pixels.shape[1]), (shown.shape[0], shown.shape[1])
        box = prediction.box.in_resized(old, new)
        strength = in_steps(evidence, float(part_with_head(evidence, box).max()))
        return overlay_jpeg(shown, place_in_picture(strength, box, new))


class _Patience:
    """How long a picture may wait for the network: from now, or from when a thread has taken it up.

    It ends by Busy.
    """

    def __init__(self, seconds: float | None, from_now: bool) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds if seconds is not None and from_now else None

    def seconds_left(self) -> float | None:
        if self._until is None:
            return self._seconds
        left = self._until - time.monotonic()
        if left <= 0:
            raise Busy
        return left


def _results(futures: Sequence[Future[list[Prediction]]]) -> list[Prediction]:
    return [future.result()[0] for future in futures]


def _bounded(shape: tuple[int, ...], max_side_px: int) -> tuple[int, int]:
    factor = min(1.0, max_side_px / max(shape))
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def load_classifiers(folder: Path = WEIGHTS_FOLDER, names: Sequence[str] = DEFAULT_MODELS) -> dict[str, Classifier]:
    """Load the named models of a folder, in that order; the first can answer several requests beside each other.

    Raises:
        ModelFileError: a model is missing, altered, or made for another version of this program.
    """
    keep_memory_together()
    loaded: dict[str, Classifier] = {}
    for name in names:
        # The first is the one that most are asked of; for the others speed under load is not worth the memory.
        loaded[name] = Classifier.load(folder / f"{name}.json", has_beside=not loaded)
        give_back_memory()
    return loaded


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
    names = {layer.name for layer in network.layers}
    if card.gate and card.gate.layer not in names:
        raise ModelFileError(
            f"Expected in the network of {card.name!r} the layer {card.gate.layer!r}, which its card's gate looks at. "
            "It has none of that name. Calibrate and publish it again."
        )
