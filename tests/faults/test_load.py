"""B1 to B4, B8 to B12: more requests than can be answered, and clients that leave."""

import asyncio
import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.faults.clients import Record, Reply, ask, prediction, request_bytes
from tests.faults.load import Load, closed_loop, open_loop
from tests.support.images import OTHER_KINDS, encoded
from tests.support.proxy import nginx
from tests.support.server import Server, gunicorn

# Longest wait of an accepted request, in addition to its own work.
WAIT_SECONDS = 10
# Checked only with --full, on an idle machine: stalls of a busy machine say nothing about the app.
PROBE_SECONDS = 0.25
REFUSAL_SECONDS = 0.1
# A refusal takes less than this share of the time of an answer (medians).
AT_ONCE_SHARE = 0.5
N_CLIENTS = (1, 2, 4, 8)


@pytest.fixture(scope="module")
def busy_server(slow_models: Path) -> Iterator[Server]:
    with gunicorn(slow_models) as running:
        yield running


def figures(load: Load) -> str:
    p50, p95, p99 = (1000 * load.percentile(percent) for percent in (50, 95, 99))
    return f"{load.per_second:.1f}/s, p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms"


def test_b1_clients_that_wait_for_their_answers(
    busy_server: Server, pictures: list[bytes], record: Record, is_full: bool
) -> None:
    request, seconds = prediction(pictures[0]), 60 if is_full else 4
    closed_loop(busy_server, [request], 1, 1)
    loads = {n: closed_loop(busy_server, [request], n, seconds) for n in N_CLIENTS}
    record(
        "B1", f"1, 2, 4 and 8 clients that wait for their answers, {seconds} s each",
        "; ".join(f"{n}: {figures(load)}" for n, load in loads.items()) + f"; {busy_server.rss_mb():.0f} MB",
    )  # fmt: skip
    for n, load in loads.items():
        assert load.with_status(200), n
    # One or two at a time are never too many.
    assert {reply.status for n in (1, 2) for reply in loads[n].replies} == {200}


def test_b2_b3_b4_overload_is_refused_at_once_and_leaves_the_rest_its_speed(
    busy_server: Server, pictures: list[bytes], record: Record, is_full: bool
) -> None:
    request, seconds = prediction(pictures[0]), 60 if is_full else 6
    closed_loop(busy_server, [request], 1, 1)
    alone = closed_loop(busy_server, [request], 1, seconds)
    loads, peaks, probes = _rising(busy_server, request, (50, 80, 100, 200, 400), seconds)
    recovered = _recovery_seconds(busy_server, request, alone)

    record(
        "B2", f"straight at gunicorn, requests at 50, 80, 100, 200, 400 % of the peak, {seconds} s each, whether "
        "answered or not", _seen(loads, peaks),
    )  # fmt: skip
    slowest = max(reply.seconds for reply in probes)
    record(
        "B3", "/livez and /readyz five times a second meanwhile",
        f"{len(probes)} asked, {sum(reply.status == 200 for reply in probes)} answered 200, "
        f"slowest {1000 * slowest:.0f} ms",
    )  # fmt: skip
    record("B4", "the load stops", f"one client is answered as fast as before after {recovered:.1f} s")

    for percent, share, before, after in ((200, 0.75, *peaks[3:5]), (400, 0.6, *peaks[4:6])):
        load = loads[percent]
        # What sends the load shares the cores with the service, and takes more of them the more it sends.
        assert load.per_core_second >= share * min(before.per_core_second, after.per_core_second), percent
        assert {reply.status for reply in load.replies} <= {200, 503}, percent
        assert all(reply.headers["retry-after"].isdigit() for reply in load.with_status(503))
        _assert_refused_at_once(load, is_full)
        assert load.percentile(99) <= WAIT_SECONDS + 3 * alone.percentile(95)
    assert loads[400].with_status(503)
    assert {reply.status for reply in probes} == {200}
    assert np.median([reply.seconds for reply in probes]) < AT_ONCE_SHARE * loads[400].percentile(50)
    assert not is_full or slowest < PROBE_SECONDS
    assert recovered <= 10


def test_b2_overload_behind_nginx_leaves_the_rest_nine_tenths_of_the_peak(
    busy_server: Server, pictures: list[bytes], record: Record, is_full: bool, tmp_path: Path
) -> None:
    request, seconds = prediction(pictures[0]), 60 if is_full else 6
    # The load comes from one address, whose limit would apply.
    with nginx(busy_server, tmp_path, limit_conn="by_address 1000") as proxy:
        closed_loop(proxy, [request], 4, 1)
        loads, peaks, probes = _rising(proxy, request, (200, 400), seconds)
    record(
        "B2", f"behind nginx, requests at 200 and 400 % of the peak, {seconds} s each, whether answered or not",
        _seen(loads, peaks),
    )  # fmt: skip
    for percent, before, after in ((200, *peaks[:2]), (400, *peaks[1:])):
        load = loads[percent]
        # What sends the load shares the cores with the service, and takes more of them the more it sends.
        assert load.per_core_second >= 0.9 * min(before.per_core_second, after.per_core_second), percent
        assert {reply.status for reply in load.replies} <= {200, 503}, percent
        assert all(reply.headers["retry-after"].isdigit() for reply in load.with_status(503))
        _assert_refused_at_once(load, is_full)
    assert loads[400].with_status(503)
    assert {reply.status for reply in probes} == {200}


def _assert_refused_at_once(load: Load, is_full: bool) -> None:
    assert load.percentile(50, 503) < AT_ONCE_SHARE * load.percentile(50)
    assert not is_full or load.percentile(95, 503) < REFUSAL_SECONDS


def _rising(
    server: Server, request: bytes, percents: Sequence[int], seconds: float
) -> tuple[dict[int, Load], list[Load], list[Reply]]:
    """Send loads in percent of the peak. Return them, the peak before and after each, and probes meanwhile."""
    loads: dict[int, Load] = {}
    probes: list[Reply] = []
    # Other work on the machine comes and goes: the peak is measured on both sides of each load.
    peaks = [_peak(server, request)]
    for percent in percents:
        loads[percent], probed = open_loop(server, request, peaks[-1].per_second * percent / 100, seconds)
        probes += probed.replies
        peaks.append(_peak(server, request))
    return loads, peaks, probes


def _seen(loads: dict[int, Load], peaks: Sequence[Load]) -> str:
    rates = [peak.per_second for peak in peaks]
    at_peak = [peak.per_core_second for peak in peaks]
    return f"peak {min(rates):.1f} to {max(rates):.1f}/s; " + "; ".join(
        f"{percent} %: {load.per_second:.1f}/s answered ({load.own_cores:.2f} cores to send it; per core that was left "
        f"{load.per_core_second / min(at_peak[i : i + 2]):.2f} of the peak), p99 {load.percentile(99):.2f} s, "
        f"{load.counts()}"
        + (f", refused within {load.percentile(99, 503) * 1000:.0f} ms (p99)" if load.with_status(503) else "")
        for i, (percent, load) in enumerate(loads.items())
    )


def _peak(server: Server, request: bytes) -> Load:
    """Return the load of four clients that wait for their answers."""
    return closed_loop(server, [request], 4, 3)


def _recovery_seconds(server: Server, request: bytes, alone: Load) -> float:
    """Send one request at a time until three in a row are as fast as before the load."""
    started = time.monotonic()
    fast = 0
    while fast < 3 and time.monotonic() < started + 30:
        reply = asyncio.run(ask(server, request))
        fast = fast + 1 if reply.status == 200 and reply.seconds <= 1.5 * alone.percentile(95) else 0
    return time.monotonic() - started


def test_b8_clients_that_leave_during_the_work_leave_nothing_behind(
    busy_server: Server, pictures: list[bytes], record: Record, is_full: bool
) -> None:
    request, n_times = prediction(pictures[0]), 200 if is_full else 60
    threads, files = _threads_and_files(busy_server)
    leave_after = random.Random(8)

    async def leave() -> None:
        for _ in range(n_times // 4):
            await asyncio.gather(*(ask(busy_server, request, leave_after.uniform(0.005, 0.15)) for _ in range(4)))

    asyncio.run(leave())
    time.sleep(2)
    after = closed_loop(busy_server, [request], 2, 3)
    threads_after, files_after = _threads_and_files(busy_server)
    record(
        "B8", f"{n_times} clients close their connection 5 to 150 ms after connecting",
        f"then 2 clients: {after.counts()}; threads {threads} before and {threads_after} after, "
        f"open files {files} and {files_after}",
    )  # fmt: skip
    assert {reply.status for reply in after.replies} == {200}
    assert threads_after <= threads + 16  # gunicorn starts its 16 threads as they are needed
    assert files_after <= files + 4


def _threads_and_files(server: Server) -> tuple[int, int]:
    family = server.family()
    return sum(process.num_threads() for process in family), sum(process.num_fds() for process in family)


def test_b9_hours_of_good_and_bad_requests_leave_nothing_behind(
    tiny_models: Path, pictures: list[bytes], record: Record, is_full: bool, tmp_path: Path
) -> None:
    seconds = 7200 if is_full else 20
    good = [prediction(picture) for picture in pictures]
    bad = [prediction(content) for content in (b"", pictures[0][:300], *OTHER_KINDS.values())]
    mixed = [*good, *bad, request_bytes("GET", "/nothing"), prediction(*pictures)]
    with gunicorn(tiny_models, environment={"TMPDIR": str(tmp_path)}) as server:
        closed_loop(server, mixed, 2, seconds / 4)
        before, (threads, files) = server.rss_mb(), _threads_and_files(server)
        load = closed_loop(server, mixed, 2, seconds)
        after, (threads_after, files_after) = server.rss_mb(), _threads_and_files(server)
    record(
        "B9", f"2 clients send good and bad files for {seconds} s, after {seconds / 4:.0f} s to warm up",
        f"{load.counts()}; memory {before:.0f} MB before and {after:.0f} MB after, threads {threads} and "
        f"{threads_after}, open files {files} and {files_after}, {len(list(tmp_path.iterdir()))} temporary files",
    )  # fmt: skip
    assert not load.with_status(0, 500, 502)
    assert after < before * (1.02 if is_full else 1.1)
    assert threads_after <= threads + 2
    assert files_after <= files + 4
    assert list(tmp_path.iterdir()) == []


def test_b10_nobody_gets_the_answer_to_another_s_picture(
    tiny_models: Path, pictures: list[bytes], record: Record, is_full: bool
) -> None:
    n_requests = 5000 if is_full else 800
    gives_up = random.Random(10)
    with gunicorn(tiny_models) as server:
        golden = [asyncio.run(ask(server, prediction(picture))) for picture in pictures]
        replies = asyncio.run(_eight_senders(server, pictures, n_requests, gives_up))
    expected = [(hashlib.sha256(picture).hexdigest(), *_said(golden[i])[1:]) for i, picture in enumerate(pictures)]
    answered = [reply for _, reply in replies if reply.status == 200]
    mixed_up = [reply for i, reply in replies if reply.status == 200 and _said(reply) != expected[i]]
    identifiers = [reply.headers["x-request-id"] for reply in answered]
    record(
        "B10", f"8 clients, each with an image of its own, {n_requests} requests, a tenth of them given up early",
        f"{len(answered)} answered, {len(replies) - len(answered)} given up or refused, {len(mixed_up)} mixed up",
    )  # fmt: skip
    assert len({_said(reply)[2] for reply in golden}) == len(pictures)
    assert len(answered) > 0.8 * n_requests
    assert mixed_up == []
    assert len(set(identifiers)) == len(identifiers)


async def _eight_senders(
    server: Server, pictures: list[bytes], n_requests: int, gives_up: random.Random
) -> list[tuple[int, Reply]]:
    replies = []

    async def send(i: int) -> None:
        for _ in range(n_requests // len(pictures)):
            patience = gives_up.uniform(0.001, 0.02) if gives_up.random() < 0.1 else 60
            replies.append((i, await ask(server, prediction(pictures[i]), patience)))

    await asyncio.gather(*(send(i) for i in range(len(pictures))))
    return replies


def _said(reply: Reply) -> tuple[str, str, tuple[float, ...]]:
    (result,) = reply.json()["results"]
    return result["input_sha256"], result["predicted_class"], tuple(result["probabilities"].values())


def test_b11_a_claimed_address_changes_nothing(server: Server, pictures: list[bytes], record: Record) -> None:
    plain = prediction(pictures[0])
    claimed = plain.replace(b"Host: localhost\r\n", b"Host: localhost\r\nX-Forwarded-For: 10.1.2.3\r\n")
    statuses = [asyncio.run(ask(server, request)).status for request in (plain, claimed)]
    record(
        "B11", "a request with and without a made-up X-Forwarded-For",
        f"{statuses}; nginx replaces the header, and counts connections by the true address (limit_conn)",
    )  # fmt: skip
    assert statuses == [200, 200]


def test_b12_sixteen_uploads_of_the_largest_size_at_once_stay_within_memory(
    tiny_models: Path, record: Record, is_full: bool
) -> None:
    limit_mb = 60 if is_full else 20
    side = int((limit_mb * 1e6 * 0.95 / 3) ** 0.5)
    noise = np.random.default_rng(12).integers(0, 255, (side, side, 3), np.uint8)
    request = prediction(encoded(noise, "BMP"))
    with gunicorn(tiny_models, MAX_UPLOAD_MB=str(limit_mb)) as server:
        before = server.rss_mb()
        peak, replies = asyncio.run(_peak_during(server, [request] * 16))
        healthy = asyncio.run(ask(server, prediction(encoded(noise[:200, :200, 0]))))
    statuses = sorted(reply.status for reply in replies)
    record(
        "B12", f"16 uploads of {len(request) / 1e6:.0f} MB at once",
        f"{Load(tuple(replies), 1).counts()}; memory {before:.0f} MB before, {peak:.0f} MB at most; "
        f"the next request: {healthy.status}",
    )  # fmt: skip
    assert set(statuses) <= {200, 503}
    # Each upload in memory once, with some spare room, and what the two that are decoded at a time take.
    assert peak - before < 16 * 1.5 * limit_mb + 2 * 15 * limit_mb
    assert healthy.status == 200


async def _peak_during(server: Server, requests: list[bytes]) -> tuple[float, list[Reply]]:
    asked = [asyncio.create_task(ask(server, request, 120)) for request in requests]
    peak = 0.0
    while not all(task.done() for task in asked):
        peak = max(peak, server.rss_mb())
        await asyncio.sleep(0.05)
    return peak, [task.result() for task in asked]
