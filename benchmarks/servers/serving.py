"""Real servers on free loopback ports: the app as it is shipped, and two that one would otherwise have."""

import importlib.util
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from benchmarks.engines.network import ServedNetwork
from benchmarks.rows import PYTORCH_PACKAGES
from benchmarks.servers.processes import TOP, ChildError, environment
from web.settings import PREFIX

_START_SECONDS = 180
_ASK_AGAIN_SECONDS = 0.01


@dataclass(frozen=True)
class Server:
    """A server that answers; process_id: of gunicorn's master, or of uvicorn."""

    host: str
    port: int
    process_id: int
    seconds_to_ready: float

    def worker(self) -> psutil.Process:
        """Return the worker: the one child of the master."""
        return psutil.Process(self.process_id).children()[0]

    def worker_and_children(self) -> list[psutil.Process]:
        """Return the worker and what it started."""
        worker = self.worker()
        return [worker, *worker.children(recursive=True)]


@contextmanager
def app(models: Path, **settings: str) -> Iterator[Server]:
    """Serve the app with the gunicorn.conf.py of this repository; settings are those of web.settings."""
    changes = {f"{PREFIX}{name}": value for name, value in {"MODELS_DIR": str(models.resolve()), **settings}.items()}
    with _gunicorn(["app:create_app()"], changes, "/readyz") as server:
        yield server


@contextmanager
def tutorial(network: ServedNetwork) -> Iterator[Server]:
    """Serve benchmarks.servers.tutorial on TensorFlow."""
    view = f"benchmarks.servers.tutorial:create_app({str(network.file.resolve())!r}, {network.card.feature_layer!r})"
    arguments = ["--config", "benchmarks/servers/tutorial.conf.py", view]
    changes = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    with _gunicorn(arguments, changes, "/") as server:
        yield server


@contextmanager
def pytorch(network: ServedNetwork) -> Iterator[Server]:
    """Serve benchmarks.servers.pytorch; PYTORCH_PACKAGES must be installed."""
    port = _free_port()
    card = network.card
    arguments = [str(network.onnx_file), card.feature_layer, str(card.input_size_px), str(port)]
    with _started(["benchmarks.servers.pytorch", *arguments], port, {}, "/") as server:
        yield server


def has_pytorch() -> bool:
    """Return whether everything is installed that serving with PyTorch needs."""
    return all(importlib.util.find_spec(name.replace("-", "_")) for name in PYTORCH_PACKAGES)


@contextmanager
def _gunicorn(arguments: Sequence[str], changes: Mapping[str, str], ready_path: str) -> Iterator[Server]:
    port = _free_port()
    with _started(["gunicorn", *arguments, "--bind", f"127.0.0.1:{port}"], port, changes, ready_path) as server:
        yield server


@contextmanager
def _started(module: Sequence[str], port: int, changes: Mapping[str, str], ready_path: str) -> Iterator[Server]:
    """Run a module with its arguments until the block ends."""
    command = [sys.executable, "-m", *module]
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=TOP, env=environment(changes), stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
        try:
            _wait(f"http://127.0.0.1:{port}{ready_path}", process, log)
            yield Server("127.0.0.1", port, process.pid, time.perf_counter() - started)
        finally:
            process.terminate()
            process.wait(timeout=60)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait(url: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(url, timeout=30):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(_ASK_AGAIN_SECONDS)
    log.seek(0)
    raise ChildError(
        f"Expected a server within {_START_SECONDS} s. Received exit code {process.poll()} and:\n"
        + log.read()[-2000:].decode(errors="replace")
    )
