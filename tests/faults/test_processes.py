"""C1 to C5, D5: processes that are killed, stopped, reloaded or find other files than before."""

import asyncio
import itertools
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.clients import Record, Reply, ask, prediction
from tests.faults.load import Load, closed_loop
from tests.support.proxy import nginx
from tests.support.server import Server, gunicorn

TWO_WORKERS = ["--workers", "2"]
N_CLIENTS = 4


def under_load(server: Server, request: bytes, seconds: float, act: Callable[[], object]) -> tuple[Load, float]:
    """Do something to the server two seconds into a load. Return the load, and the time of the action (monotonic)."""
    acted: list[float] = []

    def later() -> None:
        time.sleep(2)
        acted.append(time.monotonic())
        act()

    thread = threading.Thread(target=later)
    thread.start()
    load = closed_loop(server, [request], N_CLIENTS, seconds)
    thread.join()
    return load, acted[0]


def longest_silence(load: Load) -> float:
    """Return the longest time in seconds without a good answer."""
    ends = sorted(reply.began + reply.seconds for reply in load.with_status(200))
    return max(later - earlier for earlier, later in itertools.pairwise(ends))


def test_c1_killed_worker_loses_its_own_requests_alone_and_is_replaced(
    slow_models: Path, pictures: list[bytes], record: Record
) -> None:
    with gunicorn(slow_models, TWO_WORKERS) as server:
        time.sleep(2)
        first, second = server.workers()
        load, killed = under_load(server, prediction(pictures[0]), 12, lambda: os.kill(first, signal.SIGKILL))
        workers = server.workers()
    lost = [reply for reply in load.replies if reply.status != 200]
    record(
        "C1", f"kill -9 of one of two workers, {N_CLIENTS} clients asking",
        f"{load.counts()}; longest silence {longest_silence(load):.2f} s; workers afterwards: {len(workers)}",
    )  # fmt: skip
    assert len(lost) <= N_CLIENTS
    assert all(reply.began <= killed <= reply.began + reply.seconds for reply in lost)
    assert second in workers
    assert (len(workers), first in workers) == (2, False)


def test_c2_service_outlives_workers_that_die_every_few_seconds(
    tiny_models: Path, pictures: list[bytes], record: Record, is_full: bool
) -> None:
    seconds = 60 if is_full else 20
    request, replies, n_killed = prediction(pictures[0]), [], 0
    with gunicorn(tiny_models, TWO_WORKERS) as server:
        until = time.monotonic() + seconds
        next_kill = time.monotonic() + 1
        while time.monotonic() < until:
            if time.monotonic() > next_kill and (workers := server.workers()):
                os.kill(workers[0], signal.SIGKILL)
                n_killed, next_kill = n_killed + 1, next_kill + 5
            replies.append(asyncio.run(_ask_twice(server, request)))
            time.sleep(0.05)
        master_lives = server.process.poll() is None
    n_good = sum(reply.status == 200 for reply in replies)
    record(
        "C2", f"kill -9 of a worker of two every 5 s for {seconds} s; a client that asks again after 502, 503 or none",
        f"{n_killed} killed, {n_good} of {len(replies)} answered, master {'alive' if master_lives else 'gone'}",
    )  # fmt: skip
    assert master_lives
    assert n_good >= 0.7 * len(replies)


async def _ask_twice(server: Server, request: bytes) -> Reply:
    reply = await ask(server, request, 20)
    if reply.status in {0, 502, 503}:
        await asyncio.sleep(1)
        reply = await ask(server, request, 20)
    return reply


def test_c3_terminated_server_answers_what_it_has_accepted(
    slow_models: Path, pictures: list[bytes], record: Record
) -> None:
    with gunicorn(slow_models) as server:
        stop = lambda: os.kill(server.process.pid, signal.SIGTERM)  # noqa: E731
        load, stopped = under_load(server, prediction(pictures[0]), 3, stop)
        code = server.process.wait(timeout=60)
        seconds = time.monotonic() - stopped
    before = [reply for reply in load.replies if reply.began < stopped]
    record(
        "C3", f"SIGTERM to the master, {N_CLIENTS} clients asking",
        f"of {len(before)} requests sent before, {sum(reply.status == 200 for reply in before)} were answered; later "
        f"ones found nobody listening; exit code {code} after {seconds:.1f} s",
    )  # fmt: skip
    assert {reply.status for reply in before} == {200}
    assert code == 0
    assert seconds <= 35


def test_c4_reload_and_worn_out_workers_lose_no_request(
    tiny_models: Path, pictures: list[bytes], record: Record
) -> None:
    request = prediction(pictures[0])
    with gunicorn(tiny_models, TWO_WORKERS) as server:
        time.sleep(2)
        old = server.workers()
        reloaded, _ = under_load(server, request, 12, lambda: os.kill(server.process.pid, signal.SIGHUP))
        new = server.workers()
    with gunicorn(tiny_models, [*TWO_WORKERS, "--max-requests", "200", "--max-requests-jitter", "100"]) as server:
        worn = closed_loop(server, [request], N_CLIENTS, 15)
    record(
        "C4", f"SIGHUP with two workers, {N_CLIENTS} clients asking", f"{reloaded.counts()}; new workers: {new != old}"
    )
    record("C4", "workers that leave after 200 to 300 requests, two of them", worn.counts())
    assert {reply.status for reply in reloaded.replies} == {200}
    assert not set(old) & set(new)
    assert {reply.status for reply in worn.replies} == {200}


def test_c5_stuck_worker_is_killed_by_its_heartbeat_and_replaced(
    tiny_models: Path, pictures: list[bytes], record: Record
) -> None:
    request = prediction(pictures[0])
    with gunicorn(tiny_models, ["--timeout", "5"]) as server:
        (stuck,) = server.workers()
        os.kill(stuck, signal.SIGSTOP)
        stopped = time.monotonic()
        reply = asyncio.run(_ask_until_answered(server, request, 60))
        seconds = time.monotonic() - stopped
        workers = server.workers()
    record(
        "C5", "SIGSTOP to the only worker, with gunicorn's timeout at 5 s instead of 120 s",
        f"a new worker answered {reply.status} after {seconds:.1f} s",
    )  # fmt: skip
    assert reply.status == 200
    assert stuck not in workers
    assert seconds < 40


def test_c5_worker_whose_network_hangs_is_replaced(
    tiny_models: Path, pictures: list[bytes], record: Record, tmp_path: Path
) -> None:
    mark = tmp_path / "hang"
    mark.touch()
    environment = {"HANG_ONCE": str(mark)}
    options = ["--timeout", "5", "--graceful-timeout", "2"]
    with gunicorn(
        tiny_models, options, environment=environment, app="tests.support.misbehaving.stuck_app:create_app()"
    ) as server:
        (stuck,) = server.workers()
        began = time.monotonic()
        reply = asyncio.run(_ask_until_answered(server, prediction(pictures[0]), 60))
        seconds = time.monotonic() - began
        workers = server.workers()
    record(
        "C5", "a network that hangs within a pass, with the time limit for that at 1 s instead of 60 s and gunicorn's "
        "timeout at 5 s instead of 120 s",
        f"the worker sent no more heartbeats; a new one answered {reply.status} after {seconds:.1f} s",
    )  # fmt: skip
    assert reply.status == 200
    assert stuck not in workers


async def _ask_until_answered(server: Server, request: bytes, seconds: float) -> Reply:
    until = time.monotonic() + seconds
    reply = await ask(server, request, 2)
    while reply.status != 200 and time.monotonic() < until:
        await asyncio.sleep(0.2)
        reply = await ask(server, request, 2)
    return reply


def test_c5_client_of_a_stuck_worker_is_told_by_nginx(
    tiny_models: Path, pictures: list[bytes], record: Record, tmp_path: Path
) -> None:
    with gunicorn(tiny_models) as server, nginx(server, tmp_path, proxy_read_timeout="3s") as proxy:
        (stuck,) = server.workers()
        os.kill(stuck, signal.SIGSTOP)
        reply = asyncio.run(ask(proxy, prediction(pictures[0]), 30))
        os.kill(stuck, signal.SIGCONT)
        after = asyncio.run(_ask_until_answered(proxy, prediction(pictures[0]), 20))
    record(
        "C5", "the same behind nginx, with its proxy_read_timeout at 3 s instead of 60 s",
        f"{reply.status} after {reply.seconds:.1f} s; once the worker goes on: {after.status}",
    )  # fmt: skip
    assert reply.status in {503, 504}
    assert after.status == 200


def test_d5_exchanged_weights_are_not_served_and_a_new_worker_refuses_them(
    tiny_models: Path, pictures: list[bytes], record: Record, tmp_path: Path
) -> None:
    models = Path(shutil.copytree(tiny_models, tmp_path / "models"))
    request = prediction(pictures[0])
    with gunicorn(models) as server:
        before = asyncio.run(ask(server, request)).json()["results"][0]["probabilities"]
        aside = models / "aside"
        aside.write_bytes((models / "xception.keras").read_bytes()[:-1] + b"?")
        aside.replace(models / "xception.keras")
        after = asyncio.run(ask(server, request)).json()["results"][0]["probabilities"]
        os.kill(server.workers()[0], signal.SIGKILL)
        code = server.process.wait(timeout=60)
    record(
        "D5", "other bytes in the place of the weights while the server runs, then kill -9 of the worker",
        f"the running worker gave the same probabilities: {after == before}; the new one refused the file, and "
        f"gunicorn stopped with exit code {code}",
    )  # fmt: skip
    assert after == before
    assert code not in {0, None}
