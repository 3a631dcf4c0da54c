"""Clients in a process of their own: `python -m benchmarks.servers.clients HOST PORT PICTURE N_CLIENTS`.

Reads a number of seconds per line, posts for so long, and prints what came of it as a JSON line.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers.posting import PREDICTIONS, AnswerError, Client
from benchmarks.servers.processes import TOP, ChildError
from benchmarks.servers.serving import Server

# Too many requests at once, or from one client: it is to come again.
_REFUSED = (429, 503)


@dataclass(frozen=True)
class Load:
    """What came of posting for a while: times of answers in seconds, how many were sent away, and how long it took."""

    seconds: tuple[float, ...]
    n_refused: int
    duration_seconds: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.seconds) / self.duration_seconds


class Clients:
    """A process with clients, each with an open connection."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def post_for(self, seconds: float) -> Load:
        """Have all clients post, each as soon as it got its answer."""
        assert self._process.stdin
        assert self._process.stdout
        print(seconds, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(f"Expected an answer of the clients. They ended with code {self._process.wait()}.")
        return Load(**json.loads(line))


@contextmanager
def clients(server: Server, picture: Path, n_clients: int) -> Iterator[Clients]:
    """Start clients that ask about one image over and over."""
    arguments = (server.host, str(server.port), str(picture.resolve()), str(n_clients))
    command = [sys.executable, "-m", "benchmarks.servers.clients", *arguments]
    with subprocess.Popen(command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Clients(process)
        assert process.stdin
        process.stdin.close()


def _main(host: str, port: str, picture: str, n_clients: str) -> None:
    content = Path(picture).read_bytes()
    every = [Client(host, int(port), PREDICTIONS, [content]) for _ in range(int(n_clients))]
    for line in sys.stdin:
        print(json.dumps(_post_for(float(line), every)), flush=True)


def _post_for(seconds: float, every: list[Client]) -> dict[str, object]:
    taken: list[float] = []
    refused: list[int] = []
    failed: list[str] = []
    started = time.perf_counter()

    def post(client: Client) -> None:
        while time.perf_counter() - started < seconds and not failed:
            before = time.perf_counter()
            answer = client.answer()
            if answer.status in _REFUSED:
                refused.append(answer.status)
                # As requested, but not beyond the end.
                time.sleep(max(0.0, min(answer.retry_after_seconds, started + seconds - time.perf_counter())))
            elif answer.status == 200:
                taken.append(time.perf_counter() - before)
            else:
                failed.append(f"{answer.status}: {answer.body[:300]!r}")

    threads = [threading.Thread(target=post, args=(client,)) for client in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise AnswerError(f"Expected status 200, or one of {_REFUSED}. Received {failed[0]}")
    return {"seconds": taken, "n_refused": len(refused), "duration_seconds": time.perf_counter() - started}


if __name__ == "__main__":
    _main(*sys.argv[1:])
