"""Debian's nginx with the shipped deploy/nginx.conf in front of a gunicorn, on free ports."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.samples import TOP
from tests.support.server import Server, free_port

CONFIGURATION = TOP / "deploy" / "nginx.conf"


@contextmanager
def nginx(behind: Server, folder: Path, **replacements: str) -> Iterator[Server]:
    """Start nginx in front of a server. replacements: of settings, as proxy_read_timeout="2s".

    folder: for its files; log messages go to `folder/log`.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if not program:
        pytest.skip("nginx is not installed")
    port = free_port()
    text = CONFIGURATION.read_text(encoding="utf-8").replace("server app:8000", f"server {behind.host}:{behind.port}")
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}").replace("/tmp/", f"{folder}/")
    for name, value in replacements.items():
        text = "\n".join(
            f"{line.split(name)[0]}{name} {value};" if line.strip().startswith(f"{name} ") else line
            for line in text.splitlines()
        )
    (folder / "nginx.conf").write_text(text)
    # Started by root, Debian's nginx would run its workers as another user, who may not write here.
    command = [program, "-c", str(folder / "nginx.conf"), "-g", "daemon off; user root;"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        proxy = Server(process, "127.0.0.1", port)
        try:
            proxy.wait_until_ready(20)
            yield proxy
        finally:
            process.terminate()
            process.wait(timeout=20)
