"""A real gunicorn on a free loopback port, for tests of what only a real server shows."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from web.settings import PREFIX

TOP = Path(__file__).parent.parent
START_SECONDS = 60


@contextmanager
def served(
    models: Path, options: tuple[str, ...] = (), log: Path | None = None, **settings: str
) -> Iterator[tuple[str, int]]:
    """Serve the models of a folder, with more options of gunicorn; give host and port. All output goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    changes = {f"{PREFIX}{name}": value for name, value in {"MODELS_DIR": str(models), **settings}.items()}
    command = [sys.executable, "-m", "gunicorn", "app:create_app()", "--bind", f"127.0.0.1:{port}", *options]
    with (log or Path(os.devnull)).open("wb") as output:
        server = subprocess.Popen(command, cwd=TOP, env={**os.environ, **changes}, stdout=output, stderr=output)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/readyz", server)
        yield "127.0.0.1", port
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"the server is not ready after {START_SECONDS} s, exit code {server.poll()}")
