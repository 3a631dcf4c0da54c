"""What a replica of the web service takes: memory, time to start, pictures per second."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.scaling.processes import children_of, memory_mb

_SAMPLE = Path("static/samples/glioma.jpg")
_N_PICTURES = 30
_START_SECONDS = 120.0
_BOUNDARY = "boundary-of-a-form"


def serving() -> dict[str, float]:
    """Start gunicorn, ask it about a picture some times, one after the other, and look at its memory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "gunicorn", "app:create_app()", "--bind", f"127.0.0.1:{port}"]
    started = time.monotonic()
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_ready(port, server)
        ready = time.monotonic()
        loaded_mb = _memory_mb(server.pid)
        for _ in range(_N_PICTURES):
            _ask(port)
        seconds = time.monotonic() - ready
        return {
            "seconds_until_ready": ready - started, "loaded_mb": loaded_mb, "working_mb": _memory_mb(server.pid),
            "pictures_per_second": _N_PICTURES / seconds,
        }  # fmt: skip
    finally:
        server.terminate()
        server.wait()


def _memory_mb(pid: int) -> float:
    """Add up a process and all that it started."""
    return memory_mb(pid) + sum(map(_memory_mb, children_of(pid)))


def _wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"Expected the app to be ready. It was not after {_START_SECONDS:.0f} s.")


def _ask(port: int) -> None:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="slice.jpg"\r\n\r\n'
    body = head.encode() + _SAMPLE.read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/predictions", body, kind)
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
