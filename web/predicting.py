"""From uploaded bytes to results, in the order given: the one path behind the page and the API."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from model.classifier import Classifier, Prediction
from model.errors import ImageError
from model.reading import MriImage, read_image
from web.errors import Refusal


@dataclass(frozen=True, eq=False)
class Answer:
    """A picture and what the network said of it; `seconds` is the time from bytes to probabilities."""

    index: int
    sha256: str
    image: MriImage
    prediction: Prediction
    seconds: float


@dataclass(frozen=True, eq=False)
class Refused:
    """A file that got no answer, and why."""

    index: int
    sha256: str
    refusal: Refusal


def classify(contents: Sequence[bytes], classifier: Classifier, max_pixels: int) -> list[Answer | Refused]:
    """Classify each file for itself; one that cannot be read is refused in its place."""
    return [_classify_one(i, content, classifier, max_pixels) for i, content in enumerate(contents)]


def _classify_one(index: int, content: bytes, classifier: Classifier, max_pixels: int) -> Answer | Refused:
    started = time.perf_counter()
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        image = read_image(content, max_pixels)
        prediction = classifier.predict([image])[0]
    except ImageError as error:
        return Refused(index, sha256, Refusal.of_image(error))
    return Answer(index, sha256, image, prediction, time.perf_counter() - started)
