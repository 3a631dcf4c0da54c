"""The shipped nginx.conf in front of an app that is overloaded or gone."""

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tests.support.proxy import nginx
from tests.support.samples import TOP
from tests.support.server import Server
from web.guards.overload import overloaded

N_AT_ONCE = 12
API = "/api/v1/predictions"
ENGLISH = str(overloaded().detail)


def french() -> str:
    file = TOP / "web" / "languages" / "translations" / "fr" / "LC_MESSAGES" / "messages.po"
    with file.open("rb") as stream:
        return str(read_po(stream)[ENGLISH].string)


class SlowApp(ThreadingHTTPServer):
    """Answers GET requests; answers uploads when told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SlowHandler)
        self.arrived = threading.Semaphore(0)
        self.go_on = threading.Event()


class SlowHandler(BaseHTTPRequestHandler):
    server: SlowApp

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.arrived.release()
        self.server.go_on.wait(30)
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def app() -> Iterator[SlowApp]:
    with SlowApp() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.go_on.set()
        running.shutdown()


def behind(app: SlowApp, folder: Path, **replacements: str) -> AbstractContextManager[Server]:
    return nginx(Server(None, "127.0.0.1", app.server_address[1]), folder, **replacements)


class Answer:
    def __init__(self, proxy: Server, method: str, path: str, **headers: str) -> None:
        connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=30)
        body = b"an image" if method == "POST" else None
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        self.status, self.headers, self.body = response.status, response.headers, response.read()
        connection.close()


def fill(app: SlowApp, proxy: Server, threads: ThreadPoolExecutor, n: int = N_AT_ONCE) -> list[Future[Answer]]:
    uploads = [threads.submit(Answer, proxy, "POST", API) for _ in range(n)]
    for _ in uploads:
        assert app.arrived.acquire(timeout=20)
    return uploads


@pytest.fixture
def full(app: SlowApp, tmp_path: Path) -> Iterator[Server]:
    with behind(app, tmp_path) as proxy, ThreadPoolExecutor(N_AT_ONCE) as threads:
        uploads = fill(app, proxy, threads)
        yield proxy
        app.go_on.set()
        assert [upload.result().status for upload in uploads] == [200] * N_AT_ONCE
        assert Answer(proxy, "POST", API).status == 200


@pytest.mark.parametrize("path", [API, "/cards"])
def test_upload_that_no_replica_has_room_for_is_refused_as_the_app_would(full: Server, path: str) -> None:
    answer = Answer(full, "POST", path)
    problem = json.loads(answer.body)
    assert answer.status == problem["status"] == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"].isdigit()
    assert (problem["code"], problem["detail"]) == ("overloaded", ENGLISH)
    assert problem["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("path", "languages", "language"),
    [
        (API, "", "en"), (API, "fr-CA,en;q=0.5", "fr"), (API, "de, fr;q=0.5", "en"), (API + "?lang=fr", "en", "fr"),
        (API + "?lang=en", "fr", "en"), ("/?lang=fr", "", "fr"), ("/", "fr", "fr"),
    ],
)  # fmt: skip
def test_refusal_speaks_the_language_that_was_asked_for(full: Server, path: str, languages: str, language: str) -> None:
    answer = Answer(full, "POST", path, Accept_Language=languages)
    assert answer.headers["Content-Language"] == language
    assert {"en": ENGLISH, "fr": french()}[language] in answer.body.decode()


def test_refused_form_gets_a_page_that_loads_nothing(full: Server) -> None:
    answer = Answer(full, "POST", "/")
    assert answer.status == 503
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Retry-After"].isdigit()


def test_pages_are_shown_while_uploads_are_refused(full: Server) -> None:
    assert Answer(full, "GET", "/").status == 200


def test_address_with_too_many_connections_is_told_when_to_come_again(app: SlowApp, tmp_path: Path) -> None:
    with behind(app, tmp_path, limit_conn="by_address 2") as proxy, ThreadPoolExecutor(2) as threads:
        fill(app, proxy, threads, 2)
        answer = Answer(proxy, "POST", API)
        app.go_on.set()
    assert answer.status == 503
    assert answer.headers["Retry-After"].isdigit()


def test_app_that_is_gone_is_a_bad_gateway_and_not_overload(app: SlowApp, tmp_path: Path) -> None:
    with behind(app, tmp_path) as proxy:
        app.shutdown()
        app.server_close()
        assert Answer(proxy, "POST", API).status == 502
        assert Answer(proxy, "GET", "/").status == 502
