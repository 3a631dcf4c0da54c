"""A real gunicorn on a free loopback port, for behaviour that only a real server shows."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from tests.support.samples import TOP
from web.settings import PREFIX

START_SECONDS = 60


@dataclass
class Server:
    """A running gunicorn: the master process, and where it listens."""

    process: subprocess.Popen[bytes]
    host: str
    port: int

    def workers(self) -> list[int]:
        """Return the process ids of the workers, the oldest first."""
        children = psutil.Process(self.process.pid).children()
        return [child.pid for child in sorted(children, key=lambda child: child.create_time())]

    def rss_mb(self) -> float:
        """Return the memory of the master and all below it, in megabytes."""
        return sum(process.memory_info().rss for process in self.family()) / 1e6

    def family(self) -> list[psutil.Process]:
        """Return the master and all processes below it."""
        master = psutil.Process(self.process.pid)
        return [master, *master.children(recursive=True)]

    def is_ready(self) -> bool:
        """Ask /readyz."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.port}/readyz", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def wait_until_ready(self, seconds: float = START_SECONDS) -> float:
        """Wait for /readyz and return the seconds that it took."""
        started = time.monotonic()
        while time.monotonic() < started + seconds and self.process.poll() is None:
            if self.is_ready():
                return time.monotonic() - started
            time.sleep(0.2)
        raise AssertionError(f"the server is not ready after {seconds} s, exit code {self.process.poll()}")


def free_port() -> int:
    """Return a free port of the loopback address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def gunicorn(
    models: Path,
    arguments: Sequence[str] = (),
    before: Sequence[str] = (),
    environment: dict[str, str] | None = None,
    output: int | IO[bytes] = subprocess.DEVNULL,
    app: str = "app:create_app()",
    **settings: str,
) -> Iterator[Server]:
    """Serve the models of a folder with the shipped gunicorn.conf.py.

    arguments: of gunicorn; before: a command that starts another, as prlimit; environment: further variables.
    """
    port = free_port()
    changes = {f"{PREFIX}{name}": value for name, value in {"MODELS_DIR": str(models), **settings}.items()}
    command = [*before, sys.executable, "-m", "gunicorn", app, "--bind", f"127.0.0.1:{port}", *arguments]
    process = subprocess.Popen(
        command, cwd=TOP, env={**os.environ, **changes, **(environment or {})}, stdout=output, stderr=output
    )
    server = Server(process, "127.0.0.1", port)
    try:
        server.wait_until_ready()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


@contextmanager
def served(
    models: Path, options: tuple[str, ...] = (), log: Path | None = None, **settings: str
) -> Iterator[tuple[str, int]]:
    """Serve the models of a folder, with more options of gunicorn; yield host and port. All output goes to `log`."""
    with (
        (log or Path(os.devnull)).open("wb") as output,
        gunicorn(models, options, output=output, **settings) as server,
    ):
        yield server.host, server.port
