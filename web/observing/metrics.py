"""Metrics for Prometheus: endpoints, statuses, codes, models and answers, all from fixed lists."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from model.card import ModelCard

# From a static file to a long series on a busy machine.
_BUCKETS_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one process; `exposed` returns those of all workers of this server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("brain_mri_requests", "Requests.", ["endpoint", "status"], registry=registry)
        self.seconds = Histogram(
            "brain_mri_request_seconds",
            "Time from a request's first byte to its answer's last, in seconds.",
            ["endpoint"],
            buckets=_BUCKETS_SECONDS,
            registry=registry,
        )
        self.in_progress = Gauge(
            "brain_mri_requests_in_progress",
            "Requests without an answer yet, except those of operators.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.refusals = Counter("brain_mri_refusals", "Requests that were refused.", ["code"], registry=registry)
        self.refused_files = Counter(
            "brain_mri_refused_files", "Files that were refused, alone or with others.", ["code"], registry=registry
        )
        self.predictions = Counter(
            "brain_mri_predictions", "Answers to images and volumes.", ["model", "answer"], registry=registry
        )
        self._models = Gauge(
            "brain_mri_model_info",
            "1 for each model that is loaded.",
            ["model", "version", "sha256", "precision"],
            multiprocess_mode="livemax",
            registry=registry,
        )

    def tell_models(self, models: Iterable[tuple[ModelCard, str]]) -> None:
        """Record which models are loaded, each with its precision."""
        for card, precision in models:
            self._models.labels(card.name, card.version, card.sha256, precision).set(1)

    def count_request(self, endpoint: str, status: int, code: str, seconds: float) -> None:
        """Count a finished request; `code` is the code of its refusal, or empty."""
        self.requests.labels(endpoint, str(status)).inc()
        self.seconds.labels(endpoint).observe(seconds)
        if code:
            self.refusals.labels(code).inc()

    def exposed(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        registry = CollectorRegistry()
        try:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        except ValueError:  # without gunicorn.conf.py there is only this process
            registry = self._registry
        return generate_latest(registry)
