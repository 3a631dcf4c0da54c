"""The figures of /metrics, read by prometheus_client's own parser, in one process and in gunicorn's workers."""

import io
import os
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from app import create_app
from model.network.classifier import Classifier
from tests.support.client import multipart, post
from tests.support.page_states import made_volume
from tests.support.samples import TOP, sample_bytes
from tests.support.server import served
from web.refusals import CODES
from web.service import service_of
from web.settings import SettingsError, load_settings

URL = "/api/v1/predictions"
SAMPLE = sample_bytes()
LABELS = {
    "brain_mri_requests": {"endpoint", "status"},
    "brain_mri_request_seconds": {"endpoint", "le"},
    "brain_mri_requests_in_progress": set(),
    "brain_mri_refusals": {"code"},
    "brain_mri_refused_files": {"code"},
    "brain_mri_predictions": {"model", "answer"},
    "brain_mri_model_info": {"model", "version", "sha256", "precision"},
}


def samples_in(text: str) -> dict[tuple[str, ...], float]:
    """Return the values by name and the labels' values, which come in the order of the labels' names."""
    return {
        (sample.name.removeprefix("brain_mri_"), *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def metrics_of(client: FlaskClient) -> dict[tuple[str, ...], float]:
    return samples_in(client.get("/metrics").text)


# In one process


def test_every_metric_is_named_described_and_has_its_own_labels_alone(client: FlaskClient) -> None:
    post(client, SAMPLE, b"not an image")
    post(client, b"not an image")
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    found: dict[str, set[str]] = {}
    # One process alone also says since when it counts.
    for family in (family for family in families if not family.name.endswith("_created")):
        assert family.documentation.endswith(".")
        found[family.name] = {label for sample in family.samples for label in sample.labels}
    assert found == LABELS


def test_requests_are_counted_by_endpoint_and_status_and_refusals_by_code(client: FlaskClient) -> None:
    answers = [post(client, SAMPLE), post(client, SAMPLE), post(client, b"no"), post(client)]
    assert [answer.status_code for answer in answers] == [200, 200, 415, 400]
    client.get("/nowhere", buffered=True)
    seen = metrics_of(client)
    assert seen["requests_total", "api.predictions", "200"] == 2
    assert seen["requests_total", "api.predictions", "415"] == 1
    assert seen["requests_total", "none", "404"] == 1
    assert seen["request_seconds_count", "api.predictions"] == 4
    codes = ("unsupported_format", "missing_file", "not_found")
    assert [seen["refusals_total", code] for code in codes] == [1, 1, 1]


@pytest.mark.parametrize("path", ["/", "/cards", URL])
def test_answers_and_refused_files_are_counted_the_same_for_page_script_and_api(
    client: FlaskClient, path: str, tmp_path: Path
) -> None:
    volume = made_volume(tmp_path, n_slices=4).read_bytes()
    assert post(client, SAMPLE, b"no", volume, path=path).status_code == 200
    seen = metrics_of(client)
    answers = {labels: value for labels, value in seen.items() if labels[0] == "predictions_total"}
    assert sum(answers.values()) == 2
    assert {labels[2] for labels in answers} == {"xception"}
    assert seen["refused_files_total", "unsupported_format"] == 1
    assert not [labels for labels in seen if labels[0] == "refusals_total"]


def test_page_that_refuses_its_only_file_counts_one_refusal(client: FlaskClient) -> None:
    assert post(client, b"no", path="/").status_code == 415
    assert metrics_of(client)["refusals_total", "unsupported_format"] == 1


def test_loaded_models_are_named_with_version_hash_and_precision(client: FlaskClient) -> None:
    cards = [classifier.card for classifier in service_of(client.application).classifiers.values()]
    seen = metrics_of(client)
    assert {labels[1:] for labels in seen if labels[0] == "model_info"} == {
        (card.name, "float32", card.sha256, card.version) for card in cards
    }


def test_labels_stay_bounded_whatever_is_asked_for(client: FlaskClient) -> None:
    client.get("/metrics")
    for i in range(50):
        client.get(f"/CANARY{i}?q=CANARY{i}", headers={"User-Agent": f"CANARY{i}"}, buffered=True)
        client.open(f"/api/v1/{i}", method=f"CANARY{i}", buffered=True)
        client.post(
            URL, **multipart({"model": f"CANARY{i}", f"CANARY{i}": (io.BytesIO(b"x"), f"CANARY{i}")}), buffered=True
        )
    text = client.get("/metrics").text
    assert "CANARY" not in text
    names = set(client.application.view_functions) | {"none"}
    for labels in samples_in(text):
        if labels[0] in {"requests_total", "request_seconds_count"}:
            assert labels[1] in names
        if labels[0] in {"refusals_total", "refused_files_total"}:
            assert labels[1] in CODES


def test_request_whose_client_goes_away_is_no_longer_in_progress(app: Flask) -> None:
    answer = app.test_client().post("/cards", **multipart({"files": [(io.BytesIO(SAMPLE), "a")] * 3}))
    parts = answer.iter_encoded()
    next(parts)
    assert metrics_of(app.test_client())[("requests_in_progress",)] == 1
    answer.close()
    assert metrics_of(app.test_client())[("requests_in_progress",)] == 0


# Who may read them


@pytest.mark.parametrize(
    ("setting", "address", "headers", "status"),
    [
        ("local", "127.0.0.1", {}, 200),
        ("local", "127.8.0.1", {}, 200),
        ("local", "::1", {}, 200),
        ("local", "192.0.2.1", {}, 404),
        ("local", "", {}, 404),
        ("local", "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("local", "127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 404),
        ("on", "192.0.2.1", {}, 200),
        ("off", "127.0.0.1", {}, 404),
    ],
)
def test_metrics_are_read_by_whom_the_setting_names(
    classifiers: dict[str, Classifier], setting: str, address: str, headers: dict[str, str], status: int
) -> None:
    client = create_app({"METRICS": setting}, dict(classifiers)).test_client()
    answer = client.get("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": address})
    assert answer.status_code == status
    assert ("brain_mri_" in answer.text) == (status == 200)


def test_other_value_of_the_setting_is_refused() -> None:
    with pytest.raises(SettingsError, match="METRICS"):
        load_settings({"METRICS": "everybody"})


# In gunicorn's workers


def lines_of(log: Path, pattern: str) -> list[str]:
    return re.findall(pattern, log.read_text())


def folder_of(log: Path) -> Path:
    """Return the folder of the server's metrics: it is named by the master's process."""
    (master,) = lines_of(log, r"Listening at: \S+ \((\d+)\)")
    return Path("/dev/shm", f"brain-mri-metrics-{master}")


def scraped(address: str) -> dict[tuple[str, ...], float]:
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        return samples_in(answer.read().decode())


def ask(address: str, path: str) -> None:
    with urllib.request.urlopen(address + path, timeout=30) as answer:
        answer.read()


def half_a_request(host: str, port: int) -> socket.socket:
    connection = socket.create_connection((host, port))
    connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                       b"Content-Length: 1000\r\n\r\n--b\r\n")  # fmt: skip
    return connection


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no folder in memory here")
def test_workers_count_together_and_a_killed_one_leaves_its_counts_and_nothing_in_progress(
    tiny_models: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with served(tiny_models, ("--workers", "2"), log) as (host, port):
        address = f"http://{host}:{port}"
        wait_until(lambda: len(set(lines_of(log, r"Booting worker with pid: (\d+)"))) == 2)
        folder = folder_of(log)
        wait_until(lambda: len(list(folder.glob("gauge_livemax_*.db"))) == 2)  # both have loaded the models
        n = 40
        for _ in range(n):
            ask(address, "/api/v1/models")
        # A request is counted after its answer is sent, so the client may be faster.
        wait_until(lambda: scraped(address)["requests_total", "api.models", "200"] == n)
        # A client that sends half a request and stays is in progress; that ends when it goes.
        half = half_a_request(host, port)
        wait_until(lambda: scraped(address)[("requests_in_progress",)] == 1)
        half.close()
        wait_until(lambda: scraped(address)[("requests_in_progress",)] == 0)
        # And when all workers are killed.
        half = half_a_request(host, port)
        wait_until(lambda: scraped(address)[("requests_in_progress",)] == 1)
        for pid in lines_of(log, r"Booting worker with pid: (\d+)"):
            os.kill(int(pid), signal.SIGKILL)
        half.close()
        wait_until(lambda: len(lines_of(log, r"Booting worker with pid: (\d+)")) == 4)
        wait_until(lambda: len(list(folder.glob("gauge_livemax_*.db"))) == 2)
        seen = scraped(address)
        assert seen["requests_total", "api.models", "200"] == n
        assert seen[("requests_in_progress",)] == 0
        # Each worker has at most one file of counters, one of histograms and two of gauges.
        assert {file.stem.rpartition("_")[2] for file in folder.iterdir()} == {"0", "1"}
    assert not folder.exists()


def test_proxy_does_not_pass_the_metrics_on() -> None:
    conf = (TOP / "deploy" / "nginx.conf").read_text()
    assert re.search(r"location = /metrics \{\s*return 404;\s*\}", conf)
