"""A WSGI application that reports the number of received bytes, for tests of the server in front of the app."""

import ctypes
import resource
import time
from collections.abc import Callable, Iterable
from typing import Any

_PR_GET_DUMPABLE = 3


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by path: /bytes counts the body, /large sends 40 MB, /late waits two seconds, /dumps shows the limits."""
    answer = {
        "/bytes": lambda: str(len(environ["wsgi.input"].read())).encode(),
        "/large": lambda: bytes(40_000_000),
        "/late": _late,
        "/dumps": lambda: f"{_dumpable()} {resource.getrlimit(resource.RLIMIT_CORE)}".encode(),
    }[environ["PATH_INFO"]]()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


def _late() -> bytes:
    time.sleep(2)
    return b"late"


def _dumpable() -> int:
    return ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)
