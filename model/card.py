"""The card next to a weights file: everything needed to use the network, for people and programs."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import ModelFileError
from model.safe_files import sha256_of
from model.sentences import Sentence

TUMOR_TYPE = "tumor_type"
TUMOR_PRESENCE = "tumor_presence"
# The order is the order of the network's outputs.
CLASS_NAMES: dict[str, tuple[str, ...]] = {
    TUMOR_TYPE: ("glioma", "meningioma", "no_tumor", "pituitary"),
    TUMOR_PRESENCE: ("no_tumor", "tumor"),
}
WEIGHTS_FOLDER = Path(__file__).parent / "weights"
# The first in this order is the one that a user gets who names none.
DEFAULT_MODELS = ("xception", "vgg16")
DISCLAIMER = Sentence("For research and teaching. Not a medical device: not for diagnosis or treatment.")


@dataclass(frozen=True)
class Decision:
    """How probabilities become an answer. Every number was chosen on validation images; the defaults change nothing.

    temperature: the logits are divided by it, so that probabilities say how often an answer is right.
    uncertain_below: an answer whose probability is lower is called uncertain; above 1, every answer is.
    tumor_from: probability of any tumor from which an image counts as showing one.

    The others may be absent. healthy_below: probability of any tumor below which "no tumor" is said;
    certain_tumor_from: that from which "tumor" is said; kind_from: share of the most probable kind among the kinds of
    tumor from which it is named. Where they are absent, uncertain_below and tumor_from decide in their place.
    volume_tumor_from: probability of any tumor, of a volume, from which "tumor" is said of it; absent: as of an image.
    volume_false_alarms: share of healthy volumes that were called a tumor, when this was measured.
    """

    temperature: float = 1.0
    uncertain_below: float = 0.0
    tumor_from: float = 0.5
    healthy_below: float | None = None
    certain_tumor_from: float | None = None
    kind_from: float | None = None
    volume_tumor_from: float | None = None
    volume_false_alarms: float | None = None

    def tumor_bounds(self, is_volume: bool = False) -> tuple[float, float]:
        """Return the thresholds of the tumor probability: "tumor" from the first, "no tumor" below the second."""
        yes, no = self.certain_tumor_from, self.healthy_below
        if yes is None:
            yes = max(self.uncertain_below, self.tumor_from)
        if is_volume and self.volume_tumor_from is not None:
            yes = self.volume_tumor_from
        return yes, min(1 - self.uncertain_below, self.tumor_from) if no is None else no

    def given(self) -> dict[str, float]:
        """Return the numbers that are not absent, by name."""
        return {name: number for name, number in dataclasses.asdict(self).items() if number is not None}


# Unlike every brain MRI in training, or on the far side of a plane from what brain MRI was compared with.
DISTANCE_GATE, LINEAR_GATE = "distance", "linear"


@dataclass(frozen=True)
class GateCard:
    """The file that recognises images other than brain MRI (model.answers.gate).

    layer: the layer whose input is measured, averaged over places; sha256: of the file, in hexadecimal.
    largest_distance: what is further from the training images is refused. kind: DISTANCE_GATE or LINEAR_GATE.
    """

    layer: str
    file: str
    sha256: str
    largest_distance: float
    kind: str = DISTANCE_GATE


@dataclass(frozen=True)
class GraphCard:
    """The file with the network's graph, made at publishing (model.network.graph_file); sha256: in hexadecimal."""

    file: str
    sha256: str


@dataclass(frozen=True)
class KnownAnswer:
    """The published model's answer for an image of model.network.self_test.

    probabilities: by class, calibrated; distance: as in model.network.classifier.Prediction;
    answer: a class or another answer.
    """

    picture: str
    answer: str
    probabilities: dict[str, float]
    distance: float


@dataclass(frozen=True)
class ModelCard:
    """A saved network's input, output, training and measured performance.

    name: the name that users choose it by; also the stem of its two files.
    task: TUMOR_TYPE or TUMOR_PRESENCE; class_names: meaning of each output, in order.
    input_size_px: side of the square input; preprocessing_version: that of model.preprocessing in training.
    feature_layer: the layer whose input are the feature maps of the heat map; "" where the network allows none.
    sha256: of the `.keras` file, in hexadecimal.
    training_data: one entry per data folder (title, source, licence, n_pictures per class, fingerprint).
    decision: how probabilities become an answer; gate: how images other than brain MRI are refused, None if not.
    graph: the network as it is served, without its weights; None: it is made of the weights file at every start.
    metrics: what `python -m training evaluate` wrote, by data set.
    known_answers: what the network must say of known images before it is served; empty where this is not checked.
    """

    name: str
    version: str
    title: str
    task: str
    class_names: tuple[str, ...]
    input_size_px: int
    preprocessing_version: int
    feature_layer: str
    weights_file: str
    sha256: str
    created: str
    intended_use: str
    limits: tuple[str, ...]
    licence: str
    base_weights: dict[str, str]
    training_data: tuple[dict[str, Any], ...]
    recipe: dict[str, Any]
    decision: Decision = field(default_factory=Decision)
    gate: GateCard | None = None
    graph: GraphCard | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    known_answers: tuple[KnownAnswer, ...] = ()

    @property
    def pointing(self) -> float | None:
        """Share of tumors whose strongest evidence lay inside the tumor; None if not measured."""
        share: float | None = self.metrics.get("trust", {}).get("heatmaps", {}).get("hottest_point_in_box")
        return share

    def to_json(self) -> str:
        """Return the card as indented JSON."""
        fields = {**dataclasses.asdict(self), "decision": self.decision.given()}
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "ModelCard":
        """Read a card.

        Raises:
            ModelFileError: not JSON, or fields are missing, unknown or contradict each other.
        """
        try:
            fields = json.loads(text)
            for name in ("class_names", "limits", "training_data"):
                fields[name] = tuple(fields[name])
            fields["decision"] = Decision(**fields.get("decision", {}))
            fields["gate"] = GateCard(**fields["gate"]) if fields.get("gate") else None
            fields["graph"] = GraphCard(**fields["graph"]) if fields.get("graph") else None
            fields["known_answers"] = tuple(KnownAnswer(**answer) for answer in fields.get("known_answers", ()))
            card = cls(**fields)
        except (ValueError, KeyError, TypeError) as error:
            raise ModelFileError(f"Expected a model card. Received JSON that is not one: {error}.") from error
        if card.gate and card.gate.kind not in (DISTANCE_GATE, LINEAR_GATE):
            raise ModelFileError(
                f"Expected a gate of kind {DISTANCE_GATE!r} or {LINEAR_GATE!r}. Received {card.gate.kind!r}."
            )
        if card.class_names != CLASS_NAMES.get(card.task):
            raise ModelFileError(
                f"Expected the classes of a known task. Received task {card.task!r} with {list(card.class_names)}."
            )
        return card


def read_card(path: Path) -> ModelCard:
    """Read the card at a path.

    Raises:
        ModelFileError: it is missing or not a card.
    """
    try:
        return ModelCard.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        there = ", ".join(sorted(card.stem for card in path.parent.glob("*.json"))) or "none"
        raise ModelFileError(
            f"Expected a model card at {path}. It cannot be read. Models in that folder: {there}."
        ) from error


def read_weights(card: ModelCard, folder: Path) -> Path:
    """Return the path of the card's weights file, after comparing the file's SHA-256 with the card's.

    Raises:
        ModelFileError: the file is missing, or is not the one that the card describes.
    """
    path = folder / card.weights_file
    if not path.is_file():
        raise _missing(path)
    _compare(path, card.sha256, sha256_of(path))
    return path


def read_checked(path: Path, sha256: str) -> bytes:
    """Read a small file that a card names, after comparing its SHA-256.

    Raises:
        ModelFileError: the file is missing, or is not the one that the card describes.
    """
    if not path.is_file():
        raise _missing(path)
    content = path.read_bytes()
    _compare(path, sha256, hashlib.sha256(content).hexdigest())
    return content


def _missing(path: Path) -> ModelFileError:
    return ModelFileError(f"Expected a file of the model at {path}. It is missing. Restore it or publish a model.")


def _compare(path: Path, expected: str, received: str) -> None:
    if received != expected:
        raise ModelFileError(
            f"Expected {path} to have SHA-256 {expected}. Received {received}. "
            "The file was altered, or belongs to another card. Restore all files or publish the model again."
        )
