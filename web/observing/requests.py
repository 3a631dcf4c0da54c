"""What is kept about each request for the log and the metrics: nothing that a user typed or uploaded."""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request, request_started

from web.observing.metrics import Metrics
from web.observing.request_id import request_id
from web.routes import Mark, is_marked

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEY = "brain_mri.observed"
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
_log = logging.getLogger(__name__)


@dataclass
class Observed:
    """One request, from its first byte to the last of its answer; `route` is the template, not the path.

    is_load: whether it counts as in progress.
    """

    method: str
    started: float = field(default_factory=time.monotonic)
    route: str = ""
    endpoint: str = "none"
    request_id: str = ""
    code: str = ""
    status: int = 0
    n_bytes: int = 0
    is_load: bool = False

    @property
    def seconds(self) -> float:
        """Time since the request began."""
        return time.monotonic() - self.started

    def log(self) -> None:
        """Write the request's line."""
        fields = {
            "request_id": self.request_id,
            "method": self.method,
            "route": self.route,
            "status": self.status,
            "duration_ms": round(1000 * self.seconds, 1),
            "bytes": self.n_bytes,
            "code": self.code,
        }
        _log.info("request", extra={"fields": fields})


def register(app: Flask, metrics: Metrics) -> None:
    """Log and count every request of the app. Call it last: its wrapper is then the outermost."""

    def begin(_: Flask) -> None:
        observed: Observed | None = request.environ.get(_KEY)
        if observed and not is_marked(Mark.FOR_OPERATORS):
            observed.is_load = True
            metrics.in_progress.inc()

    request_started.connect(begin, app, weak=False)

    @app.after_request
    def describe(response: Response) -> Response:
        observed: Observed | None = request.environ.get(_KEY)
        if observed:
            observed.route = request.url_rule.rule if request.url_rule else ""
            observed.endpoint = request.endpoint or "none"
            observed.request_id = request_id()
            observed.code = g.get("refusal_code", "")
        return response

    app.wsgi_app = _ObservedApp(app.wsgi_app, metrics)  # type: ignore[method-assign]


class _ObservedApp:
    """The WSGI application, wrapped."""

    def __init__(self, app: "WSGIApplication", metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        observed = environ[_KEY] = Observed(method if method in _METHODS else "other")

        def start(status: str, *arguments: Any) -> Any:
            observed.status = int(status[:3])
            return start_response(status, *arguments)

        answer = _ObservedAnswer(observed, self._metrics)
        try:
            answer.parts = self._app(environ, start)
        except BaseException:
            answer.close()
            raise
        return answer


class _ObservedAnswer:
    """The body of an answer. The server closes it at its end, or when the client is gone."""

    parts: Iterable[bytes] = ()

    def __init__(self, observed: Observed, metrics: Metrics) -> None:
        self._observed, self._metrics = observed, metrics

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            self._observed.n_bytes += len(part)
            yield part

    def close(self) -> None:
        """Close the body, then log and count the request."""
        try:
            if hasattr(self.parts, "close"):
                self.parts.close()
        finally:
            observed = self._observed
            if observed.is_load:
                self._metrics.in_progress.dec()
            self._metrics.count_request(observed.endpoint, observed.status, observed.code, observed.seconds)
            observed.log()
