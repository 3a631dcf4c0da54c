"""The service: the settings, the models and what else all requests share."""

import functools
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, current_app

from model.network.classifier import Classifier
from model.sandbox.readers import Readers
from model.sentences import Sentence
from web.guards.overload import Places
from web.observing.metrics import Metrics
from web.refusals import Refusal
from web.settings import Settings

_KEY = "brain_mri"
# Reading a large volume takes several times its size in memory: at most this many reads at once.
_READ_AT_ONCE = 2
# Longest wait of an image, or of a volume's first slices, for the network; MAX_IN_WORK images take less.
_WAIT_SECONDS = 10
# A pass is one image: a fraction of a second even on one slow core.
_STUCK_SECONDS = 60


@functools.cache
def _readers() -> Readers:
    return Readers(_READ_AT_ONCE)


@dataclass(frozen=True)
class Service:
    """What a view needs: the settings, the loaded models by name, the evaluation's results if there are any.

    places: the requests in work; metrics: where requests, refusals and answers are counted; wait_seconds: the longest
    wait for the network; stuck_seconds: after this time a pass counts as hanging.
    """

    settings: Settings
    classifiers: dict[str, Classifier]
    places: Places
    results: dict[str, Any] | None = None
    metrics: Metrics = field(default_factory=Metrics)
    wait_seconds: float = _WAIT_SECONDS
    stuck_seconds: float = _STUCK_SECONDS

    @property
    def readers(self) -> Readers:
        """The processes that read files: all services of this process share them."""
        return _readers()

    @property
    def is_stuck(self) -> bool:
        """Whether a network hangs in one pass."""
        return any(classifier.turns.seconds_running > self.stuck_seconds for classifier in self.classifiers.values())

    @property
    def precision(self) -> str:
        """How the networks compute: all alike."""
        return next(iter(self.classifiers.values())).precision

    def classifier(self, name: str | None) -> Classifier:
        """Return the named model, or the default one where none is named.

        Raises:
            Refusal: there is no model of that name.
        """
        if not name:
            return next(iter(self.classifiers.values()))
        if name not in self.classifiers:
            names = ", ".join(self.classifiers)
            raise Refusal("unknown_model", Sentence("Expected a model among {names}. Choose one of them.", names=names))
        return self.classifiers[name]

    def other_than(self, classifier: Classifier) -> Classifier:
        """Return the first model that is not this one.

        Raises:
            Refusal: there is no other.
        """
        for other in self.classifiers.values():
            if other is not classifier:
                return other
        raise Refusal(
            "unknown_model",
            Sentence("A second opinion needs a second model; this server has one. Ask for one opinion."),
        )


def start_readers() -> None:
    """Start a process that reads files, ready for the first request."""
    _readers().start()


def install(app: Flask, service: Service) -> None:
    """Let an app answer with a service."""
    app.extensions[_KEY] = service


def service_of(app: object) -> Service | None:
    """Return the service that a WSGI application answers with, if it is one of these."""
    service: Service | None = getattr(app, "extensions", {}).get(_KEY)
    return service


def this_service() -> Service:
    """Return the service of the app that answers this request."""
    service: Service = current_app.extensions[_KEY]
    return service
