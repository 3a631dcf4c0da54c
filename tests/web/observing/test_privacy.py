"""Nothing here connects to other machines or leaves traces."""

import base64
import io
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageCms

from tests.support.client import multipart
from tests.support.page_states import made_volume
from tests.support.samples import SAMPLES, TOP, sample_bytes
from tests.support.server import served

CLASSIFY_WITHOUT_NETWORK = """
import socket, sys
from pathlib import Path

def refuse(*arguments):
    raise AssertionError(f"tried to connect to {arguments[1:]}")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse
from model.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_classifying_connects_nowhere_and_leaves_no_file_in_the_home_folder(tiny_models: Path, tmp_path: Path) -> None:
    home, sample = tmp_path / "home", SAMPLES / "glioma.jpg"
    home.mkdir()
    # CI=true would silence OpenVINO's telemetry by itself.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    step = subprocess.run(
        [sys.executable, "-c", CLASSIFY_WITHOUT_NETWORK, str(sample), "--models", str(tiny_models)],
        cwd=TOP, env={**environment, "HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert step.returncode == 0, step.stderr
    assert "glioma.jpg" in step.stdout
    # Keras makes a settings file of its own; nothing else may be there.
    assert [p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()] == [".keras/keras.json"]


# The server

PATHS = ("/", "/cards", "/api/v1/predictions")
# System calls that make, rename or remove a file, or call somebody.
TRACED = "openat,open,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,link,symlink,memfd_create,connect"


def noise(side_px: int, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (side_px, side_px), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def post_to(address: str, path: str, *contents: bytes) -> None:
    form = multipart({"files": [(io.BytesIO(content), "a.jpg") for content in contents]})
    request = urllib.request.Request(address + path, form["data"], {"Content-Type": str(form["content_type"])})
    with urllib.request.urlopen(request, timeout=120) as answer:
        answer.read()


class Trace:
    """strace on a process with all its threads and children, from now on."""

    def __init__(self, pid: int, file: Path) -> None:
        program = shutil.which("strace")
        if not program:
            pytest.skip("strace is not installed")
        self.file = file
        self._process = subprocess.Popen(
            [program, "-f", "-qq", "-e", f"trace={TRACED}", "-o", str(file), "-p", str(pid)], stderr=subprocess.PIPE
        )
        time.sleep(1)
        if self._process.poll() is not None:
            pytest.skip("strace may not look at other processes here")

    def calls(self) -> list[str]:
        """Stop, and return the calls."""
        self._process.terminate()
        self._process.communicate(timeout=30)
        return self.file.read_text().splitlines()


def test_server_writes_no_file_and_calls_nobody_while_it_answers(tiny_models: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    volume, sample = made_volume(tmp_path).read_bytes(), sample_bytes()
    # 0.1 to 16 MB: Werkzeug alone would write what is above 0.5 MB to a temporary file.
    contents = [sample, noise(1_000, "PNG"), volume, noise(4_000, "BMP")]
    with served(tiny_models, (), log) as (host, port):
        (worker,) = re.findall(r"Booting worker with pid: (\d+)", log.read_text())
        address = f"http://{host}:{port}"
        for path in PATHS:  # what is loaded at the first request
            post_to(address, path, sample)
        trace = Trace(int(worker), tmp_path / "calls")
        for path in PATHS:
            for content in contents:
                post_to(address, path, content)
        post_to(address, "/cards", *contents)
        # That the trace sees what it is for: this file is opened to be read.
        with urllib.request.urlopen(f"{address}/static/main.css", timeout=30) as answer:
            answer.read()
        calls = trace.calls()
    assert [call for call in calls if "main.css" in call]
    quiet = re.compile(r"\b(openat|open)\(.*O_RDONLY|/brain-mri-metrics-|\"/dev/null\"|resumed>|^\d+ (\+\+\+|---)")
    assert [call for call in calls if not quiet.search(call)] == []


def test_pictures_that_come_back_carry_pixels_alone(client: FlaskClient) -> None:
    exif = Image.Exif()
    exif[0x013B] = "an artist"  # Artist
    buffer = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.open(SAMPLES / "glioma.jpg").save(
        buffer, "JPEG", exif=exif, icc_profile=profile, comment="a comment", xmp=b"<x/>"
    )
    page = client.post("/", **multipart({"files": (io.BytesIO(buffer.getvalue()), "a.jpg")})).text
    pictures = [base64.b64decode(found) for found in re.findall(r"data:image/webp;base64,([\w+/=]+)", page)]
    assert len(pictures) == 7
    for content in pictures:
        assert re.findall(rb"EXIF|XMP |ICCP|artist|comment", content) == []
        with Image.open(io.BytesIO(content)) as picture:
            assert not picture.getexif()
