"""B5 to B7: clients that send or read slowly, behind nginx and straight at gunicorn."""

import asyncio
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.faults.clients import BODY, HEADER, IDLE, STALLED, Record, Reply, SlowClient, ask, prediction, request_bytes
from tests.support.proxy import nginx
from tests.support.server import Server, gunicorn

N_SLOW = 64
KINDS = {"header": HEADER, "body": BODY, "stalled body": STALLED, "idle": IDLE}


async def besiege(
    server: Server, clients: Sequence[SlowClient], request: bytes, seconds: float
) -> tuple[list[Reply], float]:
    """Let slow clients hold connections while one client asks each half second. Return its answers and worst wait.

    The wait is the time from the beginning until a request that was sent then, or later, was answered.
    """
    started = time.monotonic()
    slow = [asyncio.create_task(client.run(server, seconds)) for client in clients]
    await asyncio.sleep(0.3)
    asked = []
    while not all(task.done() for task in slow):
        asked.append(asyncio.create_task(ask(server, request, seconds)))
        await asyncio.sleep(0.5)
    replies = list(await asyncio.gather(*asked))
    first = next((reply for reply in replies if reply.status == 200), None)
    return replies, first.began + first.seconds - started if first else seconds


def mixture(n_clients: int) -> list[SlowClient]:
    """Return slow clients of all kinds, from addresses of this machine other than the tests' own."""
    kinds = list(KINDS.values())
    return [SlowClient(*kinds[i % len(kinds)], address=f"127.0.0.{2 + i % 4}") for i in range(n_clients)]


def told(clients: Sequence[SlowClient]) -> str:
    statuses = [client.answer[9:12].decode() or "closed" for client in clients]
    return ", ".join(f"{statuses.count(status)} × {status}" for status in sorted(set(statuses)))


def test_b5_slow_clients_behind_nginx_are_not_felt(
    tiny_models: Path, pictures: list[bytes], record: Record, tmp_path: Path
) -> None:
    clients = mixture(N_SLOW)
    with gunicorn(tiny_models) as app, nginx(app, tmp_path) as proxy:
        replies, _ = asyncio.run(besiege(proxy, clients, prediction(pictures[0]), 40))
    p95 = float(np.percentile([reply.seconds for reply in replies], 95))
    longest = max(client.lived_seconds for client in clients)
    record(
        "B5", f"nginx in front: {N_SLOW} clients drip a byte each 5 s into a header or a body, stall, or say nothing",
        f"{len(replies)} predictions meanwhile, p95 {1000 * p95:.0f} ms, {told(clients)}; the slowest was closed after "
        f"{longest:.1f} s",
    )  # fmt: skip
    assert {reply.status for reply in replies} == {200}
    assert p95 < 2
    stalled = [client.lived_seconds for client in clients if not client.drip]
    assert max(stalled) <= 15


def test_b6_slow_clients_straight_at_gunicorn_stop_the_service_for_less_than_twenty_seconds(
    tiny_models: Path, pictures: list[bytes], record: Record
) -> None:
    clients = mixture(N_SLOW)
    with gunicorn(tiny_models) as server:
        _, back_after = asyncio.run(besiege(server, clients, prediction(pictures[0]), 40))
    longest = max(client.lived_seconds for client in clients)
    record(
        "B6", f"straight at gunicorn, the guarded worker: {N_SLOW} slow clients as in B5",
        f"a prediction was answered {back_after:.1f} s after the attack began; {told(clients)}; the slowest was closed "
        f"after {longest:.1f} s",
    )  # fmt: skip
    assert back_after <= 20
    assert longest <= 20


def test_b6_without_the_guard_they_stop_it_for_as_long_as_they_like(
    tiny_models: Path, pictures: list[bytes], record: Record, is_full: bool
) -> None:
    seconds = 60 if is_full else 25
    clients = [SlowClient(*HEADER) for _ in range(N_SLOW)]
    with gunicorn(tiny_models, ["--worker-class", "gthread"]) as server:
        _, back_after = asyncio.run(besiege(server, clients, prediction(pictures[0]), seconds))
    record(
        "B6", f"straight at gunicorn, its own gthread worker: {N_SLOW} clients drip into a header for {seconds} s",
        f"the first prediction was answered after {back_after:.1f} s, when they had left",
    )  # fmt: skip
    # If gunicorn gets its own guard one day, ours can go.
    assert back_after > 20


def test_b7_clients_that_do_not_read_their_answers_hold_nobody_up(
    tiny_models: Path, pictures: list[bytes], record: Record
) -> None:
    with gunicorn(tiny_models) as server:
        slow = [_ask_and_read_nothing(server) for _ in range(32)]
        replies = [asyncio.run(ask(server, prediction(pictures[0]), 30)) for _ in range(10)]
        for connection in slow:
            connection.close()
    record(
        "B7", "32 clients ask for the page with a receive buffer of 2 kB and never read the answer",
        f"10 predictions meanwhile: {sorted({reply.status for reply in replies})}, slowest "
        f"{1000 * max(reply.seconds for reply in replies):.0f} ms",
    )  # fmt: skip
    assert {reply.status for reply in replies} == {200}
    assert max(reply.seconds for reply in replies) < 20


def _ask_and_read_nothing(server: Server) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect((server.host, server.port))
    connection.sendall(request_bytes("GET", "/"))
    return connection
