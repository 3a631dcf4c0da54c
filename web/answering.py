"""From uploaded bytes to results: what the service adds to `model.answering`, its limits and its counts."""

import hashlib
from collections.abc import Iterator, Sequence

from model.answering import Refused, Result, SlicesDone, Step, answers
from model.errors import Busy
from model.network.classifier import Classifier
from model.reading.contents import Reading
from web.guards.overload import overloaded
from web.observing.metrics import Metrics
from web.refusals import Refusal
from web.service import Service


def classify(
    contents: Sequence[bytes], classifier: Classifier, service: Service, second: Classifier | None = None
) -> Iterator[Step]:
    """Read and classify files, as `answers` does.

    Raises:
        Refusal: all processes that read files were in use for too long.
    """
    for step in answers(_read(contents, service), classifier, second, wait_seconds=service.wait_seconds):
        _count(step, classifier.card.name, service.metrics)
        yield step


def results_of(
    contents: Sequence[bytes], classifier: Classifier, service: Service, second: Classifier | None = None
) -> Iterator[Result]:
    """Yield the results without the progress."""
    return (step for step in classify(contents, classifier, service, second) if not isinstance(step, SlicesDone))


def _read(contents: Sequence[bytes], service: Service) -> Iterator[Reading]:
    # A generator, so that the time of the first result includes reading.
    try:
        yield from service.readers.read(contents, service.settings.limits)
    except Busy as error:
        raise overloaded() from error


def _count(step: Step, model: str, metrics: Metrics) -> None:
    if isinstance(step, Refused):
        metrics.refused_files.labels(step.error.code).inc()
    elif not isinstance(step, SlicesDone):
        metrics.predictions.labels(model, step.answer.answer).inc()


def refusal_of(refused: Refused) -> Refusal:
    """Return the refusal of a whole request of which nothing else came."""
    return overloaded() if isinstance(refused.error, Busy) else Refusal.of_image(refused.error)


def hashes_of(contents: Sequence[bytes]) -> list[str]:
    """Return the SHA-256 of each file."""
    return [hashlib.sha256(content).hexdigest() for content in contents]
