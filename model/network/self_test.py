"""Known images: a model must answer them as its card says before it is served.

The SHA-256 of the weights tells an altered file. This tells the rest: a card that was edited, weights that were
exchanged together with their SHA-256, and a library that decodes, resizes or computes otherwise than at publishing.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.card import KnownAnswer
from model.errors import ImageError, ModelFileError
from model.network.precision import BFLOAT16, FLOAT32
from model.reading.contents import MriImage
from model.reading.raster import read_picture
from model.reading.sizes import MAX_PIXELS

if TYPE_CHECKING:
    from model.answers.prediction import Prediction

# Three of static/samples, grey and smaller, as PNG: lossless, so that every decoder gives the same pixels.
FOLDER = Path(__file__).parent.parent / "self_test"
PICTURES = ("glioma.png", "no_tumor.png", "pituitary.png")
# The backends that a model is published on differ by 1e-4 at most, other processors by less.
TOLERANCE = 1e-3
# Of probabilities. In bfloat16 they differ by more; what that changes is measured by `python -m benchmarks precision`.
_TOLERANCES = {FLOAT32: TOLERANCE, BFLOAT16: 0.05}
# Distances are not bounded by 1, and are compared as shares of themselves.
_DISTANCE_TOLERANCES = {FLOAT32: 0.02, BFLOAT16: 0.2}

Predict = Callable[[Sequence[MriImage]], "list[Prediction]"]


def answers_to_known_pictures(predict: Predict) -> tuple[KnownAnswer, ...]:
    """Classify the known images one by one, as in service.

    Raises:
        ModelFileError: an image is missing or damaged.
    """
    return tuple(_answer(predict, name) for name in PICTURES)


def _answer(predict: Predict, name: str) -> KnownAnswer:
    try:
        image = read_picture((FOLDER / name).read_bytes(), MAX_PIXELS)
    except (OSError, ImageError) as error:
        raise ModelFileError(f"The known image {FOLDER / name} is missing or damaged. Restore it.") from error
    (prediction,) = predict([image])
    probabilities = {class_name: round(p, 6) for class_name, p in prediction.by_class().items()}
    return KnownAnswer(name, prediction.answer, probabilities, round(prediction.distance, 6))


def check_known_answers(
    model_name: str, expected: Sequence[KnownAnswer], predict: Predict, precision: str = FLOAT32
) -> None:
    """Compare a model's answers for the known images with its card; a card without known answers is not checked.

    Raises:
        ModelFileError: an answer is another, or probabilities differ by more than in this precision they may.
    """
    if not expected:
        return
    received = {answer.picture: answer for answer in answers_to_known_pictures(predict)}
    for known in expected:
        if known.picture not in received or not _agree(known, received[known.picture], precision):
            raise ModelFileError(
                f"Expected {model_name!r} to answer {known.answer} {known.probabilities} to the known image "
                f"{known.picture}. Received {received.get(known.picture)}. Its card was edited, or a library here "
                "works otherwise. Restore the card and the pinned versions, or publish the model again."
            )


def _agree(known: KnownAnswer, received: KnownAnswer, precision: str) -> bool:
    return (
        known.answer == received.answer
        and known.probabilities.keys() == received.probabilities.keys()
        and all(
            abs(p - received.probabilities[name]) <= _TOLERANCES[precision] for name, p in known.probabilities.items()
        )
        and abs(known.distance - received.distance) <= _DISTANCE_TOLERANCES[precision] * max(known.distance, 1e-3)
    )
