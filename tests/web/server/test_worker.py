"""gunicorn with the guarded worker, directly on a socket: slow clients must not block others."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.samples import TOP
from tests.support.server import free_port
from web.server.patient_socket import BYTES_PER_EXTRA_SECOND

RECEIVE_SECONDS = 1
N_THREADS = 4
CONFIGURATION = f"""
worker_class = "web.server.worker.GuardedThreadWorker"
threads = {N_THREADS}
keepalive = 5
control_socket_disable = True
def post_fork(server, worker):
    worker.receive_seconds = {RECEIVE_SECONDS}
"""
HEADER = b"GET /bytes HTTP/1.1\r\nHost: x\r\nX-Slow: "
BODY = b"POST /bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n..."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Yield the port and the master's process id."""
    configuration = tmp_path_factory.mktemp("gunicorn") / "conf.py"
    configuration.write_text(CONFIGURATION)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.support.misbehaving.echo_app:app", "-c", str(configuration)]
    process = subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}"], cwd=TOP, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        time.sleep(0.1)
    yield port, process.pid
    process.terminate()
    process.wait(timeout=30)


def connect(port: int, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 30)
    connection.sendall(sent)
    return connection


def ask(port: int, path: str = "/bytes", body: bytes | None = None) -> tuple[bytes, float]:
    """Return the answer's body, and how many seconds it took."""
    started = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("POST" if body is not None else "GET", path, body)
    answer = client.getresponse().read()
    client.close()
    return answer, time.monotonic() - started


@pytest.mark.parametrize("beginning", [HEADER, BODY], ids=["header", "body"])
def test_request_that_stalls_is_answered_408_and_closed(server: tuple[int, int], beginning: bytes) -> None:
    # It would stall for ever.
    with connect(server[0], beginning) as slow:
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")
        assert slow.recv(1000) == b""


@pytest.mark.slow
@pytest.mark.parametrize("beginning", [HEADER, BODY, b""], ids=["header", "body", "nothing"])
def test_many_more_stalled_connections_than_threads_hold_others_up_for_less_than_a_turn_each(
    server: tuple[int, int], beginning: bytes
) -> None:
    n_turns = 12
    with contextlib.ExitStack() as stack:
        for _ in range(n_turns * N_THREADS):
            stack.enter_context(connect(server[0], beginning))
        answer, seconds = ask(server[0])
    assert answer == b"0"
    # Those that got no thread in time get half a second each; those that sent nothing need no thread.
    assert seconds < n_turns * RECEIVE_SECONDS * (0.85 if beginning else 0.25)


def drip(connection: socket.socket, seconds: float) -> None:
    for _ in range(round(10 * seconds)):
        connection.sendall(b"a")
        time.sleep(0.1)


def test_client_that_drips_bytes_gains_no_time(server: tuple[int, int]) -> None:
    with connect(server[0], HEADER) as slow, pytest.raises(ConnectionError):
        drip(slow, 5 * RECEIVE_SECONDS)


def test_upload_at_the_speed_of_a_network_is_read_whole_though_it_takes_longer(server: tuple[int, int]) -> None:
    n_bytes = 2_000_000
    with connect(server[0], b"POST /bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n") as steady:
        for _ in range(20 * RECEIVE_SECONDS):
            steady.sendall(bytes(n_bytes // (20 * RECEIVE_SECONDS)))
            time.sleep(0.1)
        assert steady.recv(1000).endswith(b"2000000")


def test_sixty_megabytes_are_read_whole(server: tuple[int, int]) -> None:
    assert ask(server[0], body=bytes(60_000_000))[0] == b"60000000"


def test_answer_may_be_computed_for_longer_than_a_request_may_be_sent(server: tuple[int, int]) -> None:
    assert ask(server[0], "/late")[0] == b"late"


def test_second_request_of_a_connection_has_a_time_of_its_own(server: tuple[int, int]) -> None:
    client = http.client.HTTPConnection("127.0.0.1", server[0], timeout=30)
    for _ in range(2):
        client.request("GET", "/bytes")
        assert client.getresponse().read() == b"0"
        time.sleep(1.5 * RECEIVE_SECONDS)
    client.close()


def test_large_answer_is_sent_whole_to_who_reads_it(server: tuple[int, int]) -> None:
    assert len(ask(server[0], "/large")[0]) == 40_000_000


@pytest.mark.slow
def test_clients_that_read_no_answer_are_cut_off_and_others_are_answered(server: tuple[int, int]) -> None:
    # The system buffers some megabytes, which count as received by the client.
    until = RECEIVE_SECONDS + 10_000_000 / BYTES_PER_EXTRA_SECOND
    with contextlib.ExitStack() as stack:
        for _ in range(N_THREADS):
            stack.enter_context(connect(server[0], b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"))
        time.sleep(0.2)
        answer, seconds = ask(server[0])
    assert answer == b"0"
    assert seconds < until


@pytest.mark.slow
def test_clients_that_do_not_close_their_connection_do_not_hold_the_main_loop(server: tuple[int, int]) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(N_THREADS - 1):
            stack.enter_context(connect(server[0], b"GET /bytes HTTP/1.0\r\n\r\n"))
        time.sleep(0.2)
        assert ask(server[0])[1] < 1


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_worker_writes_no_core_dump_and_cannot_be_read_by_others(server: tuple[int, int]) -> None:
    assert ask(server[0], "/dumps")[0] == b"0 (0, 0)"
    (worker,) = Path(f"/proc/{server[1]}/task/{server[1]}/children").read_text().split()
    limits = Path(f"/proc/{worker}/limits").read_text()
    assert re.search(r"Max core file size +0 +0", limits)


def test_master_stops_with_idle_connections_open(tmp_path: Path) -> None:
    configuration = tmp_path / "conf.py"
    configuration.write_text(CONFIGURATION)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.support.misbehaving.echo_app:app", "-c", str(configuration)]
    process = subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}"], cwd=TOP, stderr=subprocess.DEVNULL)
    idle = None
    while idle is None:
        with contextlib.suppress(OSError):
            idle = connect(port)
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=15) == 0
    idle.close()


def test_models_loaded_before_the_fork_are_refused_with_one_clear_line(tiny_models: Path) -> None:
    step = subprocess.run(
        [sys.executable, "-m", "gunicorn", "app:create_app()", "--bind", "127.0.0.1:0", "--preload"], cwd=TOP,
        env={**os.environ, "BRAIN_MRI_MODELS_DIR": str(tiny_models)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert step.returncode == 4
    assert [line for line in step.stderr.splitlines() if "preload" in line and line.startswith("Cannot start:")]
