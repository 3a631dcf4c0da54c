"""Load: clients that wait for their answers (closed loop), and requests at a fixed rate (open loop)."""

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.faults.clients import Reply, ask, request_bytes
from tests.support.server import Server

PROBES_PER_SECOND = 5
# Nobody waits longer for an answer.
PATIENCE_SECONDS = 60
# The first answers did not wait in the queue; counting them would distort a load of a few seconds.
SETTLE_SECONDS = 0.5


@dataclass(frozen=True)
class Load:
    """The result of a load that began at `began` (monotonic clock) and was sent for `seconds`.

    own_cores: how many cores the sending of it took, on the average; the service has only the others.
    """

    replies: tuple[Reply, ...]
    seconds: float
    began: float = 0.0
    own_cores: float = 0.0

    def with_status(self, *statuses: int) -> list[Reply]:
        """Return the replies of these statuses; 0 is no answer."""
        return [reply for reply in self.replies if reply.status in statuses]

    @property
    def per_second(self) -> float:
        """Good answers per second, from when the queue is full until the last request is sent."""
        since, until = self.began + SETTLE_SECONDS, self.began + self.seconds
        ends = [reply.began + reply.seconds for reply in self.with_status(200)]
        return sum(since < end <= until for end in ends) / (self.seconds - SETTLE_SECONDS)

    @property
    def per_core_second(self) -> float:
        """Good answers per second and per core left to the service by the load's sender."""
        return self.per_second / (len(os.sched_getaffinity(0)) - self.own_cores)

    def percentile(self, percent: float, status: int = 200) -> float:
        """Return a percentile of the seconds for answers of a status; 0 if there are none."""
        seconds = [reply.seconds for reply in self.with_status(status)]
        return float(np.percentile(seconds, percent)) if seconds else 0.0

    def counts(self) -> str:
        """Return, as text, the number of answers by status, or by reason for none."""
        kinds = [str(reply.status or reply.problem) for reply in self.replies]
        return ", ".join(f"{kinds.count(kind)} × {kind}" for kind in sorted(set(kinds)))


def closed_loop(server: Server, requests: Sequence[bytes], n_clients: int, seconds: float) -> Load:
    """Run clients that each send the next request as soon as the last is answered."""
    return asyncio.run(keep_asking(server, requests, n_clients, seconds))


async def keep_asking(server: Server, requests: Sequence[bytes], n_clients: int, seconds: float) -> Load:
    """Do the work of `closed_loop` in a running event loop."""
    started, cpu = time.monotonic(), time.process_time()
    replies: list[Reply] = []

    async def client(number: int) -> None:
        for i in itertools.count(number):
            if time.monotonic() >= started + seconds:
                return
            replies.append(await ask(server, requests[i % len(requests)], PATIENCE_SECONDS))

    await asyncio.gather(*(client(number) for number in range(n_clients)))
    seconds = time.monotonic() - started
    return Load(tuple(replies), seconds, started, (time.process_time() - cpu) / seconds)


def open_loop(server: Server, request: bytes, per_second: float, seconds: float) -> tuple[Load, Load]:
    """Send requests at a fixed rate, answered or not. Return their results, and those of probes sent meanwhile."""

    async def run() -> tuple[Load, Load]:
        probes = [request_bytes("GET", path) for path in ("/livez", "/readyz")]
        return tuple(  # type: ignore[return-value]
            await asyncio.gather(
                _at_rate(server, [request], per_second, seconds), _at_rate(server, probes, PROBES_PER_SECOND, seconds)
            )
        )

    return asyncio.run(run())


async def _at_rate(server: Server, requests: Sequence[bytes], per_second: float, seconds: float) -> Load:
    started, cpu = time.monotonic(), time.process_time()
    asked = []
    for i in range(max(1, round(per_second * seconds))):
        await asyncio.sleep(max(0.0, started + i / per_second - time.monotonic()))
        asked.append(asyncio.create_task(ask(server, requests[i % len(requests)], PATIENCE_SECONDS)))
    sent_for, own_cores = time.monotonic() - started, (time.process_time() - cpu) / (time.monotonic() - started)
    return Load(tuple(await asyncio.gather(*asked)), sent_for, started, own_cores)
