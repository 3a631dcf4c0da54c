"""The log: one line of JSON per request and per error, with nothing that a person typed."""

import io
import json
import logging
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from model.network.classifier import Classifier
from tests.support.client import multipart
from tests.support.samples import sample_bytes
from tests.support.server import served
from web.observing.json_lines import JsonLines

URL = "/api/v1/predictions"
SAMPLE = sample_bytes()
FIELDS = {
    "time",
    "level",
    "logger",
    "message",
    "request_id",
    "method",
    "route",
    "status",
    "duration_ms",
    "bytes",
    "code",
}


def written(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [json.loads(JsonLines().format(record)) for record in caplog.records]


@pytest.fixture(autouse=True)
def _log_requests(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "web")


def test_request_is_one_line_with_route_status_time_size_and_id(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.post(URL, **multipart({"files": (io.BytesIO(SAMPLE), "a.jpg")}), buffered=True)
    (line,) = written(caplog)
    assert set(line) == FIELDS
    assert (line["method"], line["route"], line["status"], line["code"]) == ("POST", URL, 200, "")
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert line["bytes"] == len(answer.data)
    assert 0 < line["duration_ms"] < 60_000
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize(
    ("method", "path", "route", "status", "code"),
    [
        ("GET", "/static/main.css", "/static/<path:filename>", 200, ""),
        ("GET", "/CANARY?q=CANARY", "", 404, "not_found"),
        ("CANARY", "/", "", 405, "method_not_allowed"),
        ("POST", "/?lang=CANARY", "/", 400, "missing_file"),
        ("POST", "/api/v1/predictions?CANARY", URL, 400, "missing_file"),
    ],
)
def test_line_names_the_route_and_never_the_path_or_an_unknown_method(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, method: str, path: str, route: str, status: int, code: str
) -> None:
    client.open(path, method=method, buffered=True)
    (line,) = written(caplog)
    assert (line["route"], line["status"], line["code"]) == (route, status, code)
    assert "CANARY" not in json.dumps(line)


def test_line_of_a_stream_comes_at_its_end_with_all_its_bytes(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.post("/cards", **multipart({"files": [(io.BytesIO(SAMPLE), "a")] * 2}))
    assert written(caplog) == []
    n_bytes = len(answer.data)
    answer.close()
    (line,) = written(caplog)
    assert line["bytes"] == n_bytes


def failing(app: Flask) -> FlaskClient:
    """Return a client of an app with a view that raises nested errors with a patient's name."""

    @app.get("/fail/<path:anything>")
    def fail(anything: str) -> str:
        try:
            raise KeyError(f"CANARY^ZEBRA {anything}")
        except KeyError as error:
            raise ValueError(f"PatientName is CANARY^ZEBRA, {anything}") from error

    return app.test_client()


def test_error_is_one_line_with_id_type_and_places_and_without_its_message(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    answer = failing(app).get("/fail/CANARY", buffered=True)
    assert answer.status_code == 500
    error, line = written(caplog)
    assert error["level"] == "error"
    assert error["request_id"] == line["request_id"] == answer.headers["X-Request-Id"]
    assert [exception["type"] for exception in error["exceptions"]] == ["ValueError", "KeyError"]
    for exception in error["exceptions"]:
        assert exception["places"][-1].startswith(f"{__file__}:")
    assert line["code"] == "internal_error"
    assert "CANARY" not in json.dumps([error, line]) + answer.text


def test_messages_of_libraries_are_left_out_and_those_about_code_are_kept() -> None:
    record = logging.LogRecord("PIL.TiffImagePlugin", logging.WARNING, "tiff.py", 7, "Artist: %s", ("CANARY",), None)
    assert json.loads(JsonLines().format(record))["message"] == "at tiff:7"
    try:
        import no_such_module  # noqa: F401
    except ImportError as error:
        record = logging.LogRecord("gunicorn.error", logging.ERROR, "a", 1, "failed", (), (type(error), error, None))
    assert "no_such_module" in json.loads(JsonLines().format(record))["exceptions"][0]["message"]


# Ids of requests


@pytest.mark.parametrize(
    "given", ["0123456789abcdef0123456789abcdef", "0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"]
)
def test_id_of_a_known_proxy_is_taken_over(classifiers: dict[str, Classifier], given: str) -> None:
    client = create_app({"PROXY_HOPS": 1}, dict(classifiers)).test_client()
    assert client.get("/livez", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize(
    "given", ["CANARY-ZEBRA-1970", "abc", "0" * 33, "0123456789ABCDEF", "0123456789abcdef\t", "é" * 16, ""]
)
def test_id_of_another_form_is_replaced(classifiers: dict[str, Classifier], given: str) -> None:
    client = create_app({"PROXY_HOPS": 1}, dict(classifiers)).test_client()
    made = client.get("/livez", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert made != given.strip()
    assert len(made) == 16


def test_without_a_known_proxy_every_id_is_made_here(client: FlaskClient) -> None:
    given = "0123456789abcdef"
    made = {client.get("/livez", headers={"X-Request-Id": given}).headers["X-Request-Id"] for _ in range(5)}
    assert len(made) == 5
    assert given not in made


# gunicorn


def test_everything_that_the_server_writes_is_json_and_each_request_stands_in_it_once(
    tiny_models: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with served(tiny_models, ("--log-level", "debug"), log) as (host, port):
        for path in ("/api/v1/models", "/CANARY"):
            try:
                with urllib.request.urlopen(f"http://{host}:{port}{path}?CANARY", timeout=30) as answer:
                    answer.read()
            except urllib.error.HTTPError as error:
                error.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    requests = [line for line in lines if line["message"] == "request" and line["route"] != "/readyz"]
    assert [(line["route"], line["status"]) for line in requests] == [("/api/v1/models", 200), ("", 404)]
    assert "CANARY" not in log.read_text()
    assert host not in json.dumps(requests)
