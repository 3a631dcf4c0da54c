"""The limit of uploads per address: its clients, its answers, and its storage."""

import io
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from model.network.classifier import Classifier
from tests.support.client import multipart
from tests.support.samples import TOP
from web.settings import SettingsError, load_settings

URL = "/api/v1/predictions"
BAD_FILE = {"files": (io.BytesIO(b"not an image"), "a")}


def limited(classifiers: dict[str, Classifier], **settings: object) -> FlaskClient:
    return create_app({"RATE_LIMIT": "2/minute", **settings}, dict(classifiers)).test_client()


def statuses(client: FlaskClient, n: int, **request: object) -> list[int]:
    return [client.post(URL, **multipart(BAD_FILE), **request).status_code for _ in range(n)]


def from_address(address: str) -> dict[str, object]:
    return {"environ_overrides": {"REMOTE_ADDR": address}}


def forwarded_for(addresses: str) -> dict[str, object]:
    return {"headers": {"X-Forwarded-For": addresses}}


def test_upload_over_the_limit_gets_429_and_the_seconds_to_wait(classifiers: dict[str, Classifier]) -> None:
    client = limited(classifiers)
    assert statuses(client, 2) == [415, 415]
    answer = client.post(URL, **multipart(BAD_FILE), headers={"Accept-Language": "fr"})
    assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 60
    problem = json.loads(answer.data)
    assert problem["code"] == "too_many_requests"
    assert f"dans {wait} s." in problem["detail"]


def test_limit_counts_page_script_and_api_together_and_the_page_keeps_its_form(
    classifiers: dict[str, Classifier],
) -> None:
    client = limited(classifiers)
    client.post("/cards", **multipart(BAD_FILE))
    assert statuses(client, 1) == [415]
    page = client.post("/", **multipart(BAD_FILE))
    assert page.status_code == 429
    assert "<form" in page.text
    assert client.post("/cards", **multipart(BAD_FILE)).status_code == 429


def test_looking_is_never_limited(classifiers: dict[str, Classifier]) -> None:
    client = limited(classifiers, RATE_LIMIT="1/hour")
    assert statuses(client, 2) == [415, 429]
    for path in ("/", "/static/main.css", "/livez", "/readyz", "/api/v1/models"):
        assert [client.get(path, buffered=True).status_code for _ in range(3)] == [200] * 3


def test_upload_is_let_through_again_after_the_wait(classifiers: dict[str, Classifier]) -> None:
    client = limited(classifiers, RATE_LIMIT="1/second")
    assert statuses(client, 1) == [415]
    answer = client.post(URL, **multipart(BAD_FILE))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    time.sleep(1.05)
    assert statuses(client, 1) == [415]


def test_each_address_has_its_own_limit_and_an_ipv6_network_one(classifiers: dict[str, Classifier]) -> None:
    client = limited(classifiers, RATE_LIMIT="1/minute")
    addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    seen = [statuses(client, 1, **from_address(address))[0] for address in addresses]
    assert seen == [415, 415, 429, 415, 429, 415]


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_forged_address_does_not_change_whom_the_limit_counts(classifiers: dict[str, Classifier], hops: int) -> None:
    client = limited(classifiers, RATE_LIMIT="1/minute", PROXY_HOPS=hops)
    # Only the part appended by our proxies is true; a client can write anything before it.
    chain = ["192.0.2.1", "198.51.100.1"][:hops]
    seen = [statuses(client, 1, **forwarded_for(", ".join([forged, *chain])))[0] for forged in ("1.1.1.1", "2.2.2.2")]
    assert seen == [415, 429]


def test_clients_behind_a_known_proxy_are_told_apart(classifiers: dict[str, Classifier]) -> None:
    client = limited(classifiers, RATE_LIMIT="1/minute", PROXY_HOPS=1)
    addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.1")
    assert [statuses(client, 1, **forwarded_for(address))[0] for address in addresses] == [415, 415, 429]
    assert statuses(client, 2, **forwarded_for("no address")) == [415, 429]


def test_no_limit_holds_by_default(client: FlaskClient) -> None:
    assert set(statuses(client, 30)) == {415}


@pytest.mark.parametrize(("name", "value"), [("RATE_LIMIT", "many"), ("RATE_LIMIT_STORAGE", "mongodb://user:secret@h")])
def test_limit_that_cannot_be_read_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings({name: value})
    assert "secret" not in str(caught.value)


def test_redis_without_its_package_stops_the_start_with_one_line(tiny_models: Path) -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        f"import app; app.create_app({{'MODELS_DIR': {str(tiny_models)!r}, 'RATE_LIMIT': '1/minute', "
        "'RATE_LIMIT_STORAGE': 'redis://:secret@127.0.0.1:1'})"
    )
    started = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=False)
    assert started.returncode == 4
    assert "requirements/redis.txt" in started.stderr
    assert "secret" not in started.stderr
    assert len(started.stderr.strip().splitlines()) == 1


# A real Redis


class Redis:
    """A Redis server on a free port of this machine, which forgets everything when it stops."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if not program:
            pytest.skip("redis-server is not installed")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("redis-server does not answer")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    pytest.importorskip("redis", reason="the redis client is not installed")
    server = Redis(tmp_path)
    yield server
    server.stop()


def test_workers_that_share_a_redis_share_the_limit(classifiers: dict[str, Classifier], redis: Redis) -> None:
    redis.start()
    one, other = (limited(classifiers, RATE_LIMIT_STORAGE=redis.url) for _ in range(2))
    assert [statuses(client, 1)[0] for client in (one, other, one, other)] == [415, 415, 429, 429]
    answer = one.post(URL, **multipart(BAD_FILE))
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_redis_forgets_an_address_with_its_window(classifiers: dict[str, Classifier], redis: Redis) -> None:
    redis.start()
    assert statuses(limited(classifiers, RATE_LIMIT_STORAGE=redis.url), 3) == [415, 415, 429]
    client = pytest.importorskip("redis").from_url(redis.url)
    lifetimes = [client.ttl(key) for key in client.scan_iter()]
    client.close()
    assert lifetimes
    assert all(0 < seconds <= 60 for seconds in lifetimes)


def test_limit_holds_in_memory_while_redis_is_down_and_nothing_fails(
    classifiers: dict[str, Classifier], redis: Redis
) -> None:
    client = limited(classifiers, RATE_LIMIT_STORAGE=redis.url)
    assert statuses(client, 3) == [415, 415, 429]  # it never was up


def test_limit_goes_back_to_redis_when_that_is_up_again(classifiers: dict[str, Classifier], redis: Redis) -> None:
    redis.start()
    client = limited(classifiers, RATE_LIMIT_STORAGE=redis.url)
    assert statuses(client, 1) == [415]
    redis.stop()
    assert statuses(client, 3) == [415, 415, 429]
    redis.start()
    deadline = time.monotonic() + 20
    # It asks for Redis again after growing pauses; the emptied Redis has forgotten the uploads.
    while statuses(client, 1) != [415] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert time.monotonic() < deadline
