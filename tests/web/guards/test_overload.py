"""The number of concurrent requests is limited; the others are told when to retry."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from model.network.classifier import Classifier
from model.network.engine import Engine
from model.network.waiting_line import Turns
from tests.support.client import assert_problem, multipart, sample
from tests.support.images import GOOD
from web.guards.overload import Places
from web.refusals import Refusal
from web.service import install, service_of

API = "/api/v1/predictions"


@pytest.fixture
def app(classifiers: dict[str, Classifier]) -> Flask:
    app = create_app({"MAX_IN_WORK": 2}, dict(classifiers))
    install(app, replace(service_of(app), wait_seconds=1))
    return app


def take_all_places(app: Flask) -> list[Callable[[], None]]:
    places = service_of(app).places
    return [places.take(), places.take()]


def test_request_beyond_the_places_is_refused_at_once_and_told_when_to_come_back(
    app: Flask, client: FlaskClient
) -> None:
    take_all_places(app)
    answer = client.post(API, data={"files": sample()})
    assert_problem(answer, 503, "overloaded")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("language", ["en", "fr"])
def test_page_says_that_there_is_too_much_to_do_and_keeps_the_form(
    app: Flask, client: FlaskClient, language: str
) -> None:
    take_all_places(app)
    answer = client.post("/", data={"sample": "glioma"}, headers={"Accept-Language": language})
    assert answer.status_code == 503
    assert {"en": "Try again in a few seconds.", "fr": "Réessayez dans quelques secondes."}[language] in answer.text
    assert 'type="file"' in answer.text
    assert 'aria-invalid="true"' not in answer.text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/", "/api/v1/models"])
def test_probes_and_pages_need_no_place(app: Flask, client: FlaskClient, path: str) -> None:
    take_all_places(app)
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("kind", ["good", "bad", "page", "stream", "stream left early"])
def test_place_is_free_again_after_every_kind_of_answer(app: Flask, client: FlaskClient, kind: str) -> None:
    for _ in range(4):
        match kind:
            case "good":
                assert client.post(API, data={"files": sample()}).status_code == 200
            case "bad":
                assert client.post(API, data={}).status_code == 400
            case "page":
                assert client.post("/", data={"sample": "glioma"}).status_code == 200
            case "stream":
                assert client.post("/cards", data={"sample": "glioma"}, buffered=True).text.count("card") > 0
            case "stream left early":
                client.post("/cards", data={"sample": "glioma"}, buffered=False).close()
    for free in take_all_places(app):
        free()


def test_stream_keeps_its_place_until_it_ends(client: FlaskClient) -> None:
    streams = [client.post("/cards", data={"sample": "glioma"}, buffered=False) for _ in range(2)]
    assert client.post(API, data={"files": sample()}).status_code == 503
    # The contexts of requests in one thread are left in the opposite order.
    for stream in reversed(streams):
        stream.close()
    assert client.post(API, data={"files": sample()}).status_code == 200


def test_body_of_a_refused_request_is_read_to_its_end(app: Flask, client: FlaskClient) -> None:
    take_all_places(app)
    body = multipart({"files": (io.BytesIO(bytes(3_000_000)), "a")})
    stream = io.BytesIO(body["data"])
    answer = client.post(
        API, input_stream=stream, content_type=body["content_type"], content_length=len(stream.getvalue())
    )
    assert answer.status_code == 503
    assert stream.read() == b""


@contextmanager
def a_pass_that_takes_long(
    app: Flask, classifier: Classifier, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Let a request have its turn at the network until the block ends, and then its answer."""
    may_go_on, runs, turns = threading.Event(), threading.Event(), classifier.turns

    def slow(inputs: np.ndarray) -> list[np.ndarray]:
        runs.set()
        assert may_go_on.wait(60)
        return turns.engine.alone(inputs)

    classifier.turns = Turns(Engine(slow), clock)
    first = threading.Thread(target=lambda: app.test_client().post(API, data={"files": sample()}))
    first.start()
    try:
        assert runs.wait(60)
        yield
    finally:
        may_go_on.set()
        first.join(60)
        classifier.turns = turns


def test_picture_that_waits_too_long_for_the_network_is_refused(
    app: Flask, client: FlaskClient, classifiers: dict[str, Classifier]
) -> None:
    with a_pass_that_takes_long(app, classifiers["xception"]):
        assert_problem(client.post(API, data={"files": (io.BytesIO(GOOD), "a")}), 503, "overloaded")
    assert client.post(API, data={"files": sample()}).status_code == 200


def test_process_whose_network_hangs_says_that_it_is_not_alive(
    app: Flask, client: FlaskClient, classifiers: dict[str, Classifier]
) -> None:
    now = 0.0
    with a_pass_that_takes_long(app, classifiers["xception"], clock=lambda: now):
        now = 60.0
        assert client.get("/livez").status_code == 200
        now = 60.1
        answer = client.get("/livez")
        assert (answer.status_code, answer.json) == (503, {"status": "stuck"})
    assert client.get("/livez").status_code == 200


def test_place_that_is_freed_twice_counts_once() -> None:
    places = Places(1)
    free = places.take()
    free()
    free()
    places.take()
    with pytest.raises(Refusal):
        places.take()
