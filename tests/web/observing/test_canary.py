"""Clients send a name wherever possible; the server must never repeat it, even at its most verbose log level."""

import base64
import http.client
import io
import re
import socket
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.support.heads import dicom, head
from tests.support.server import served
from web.guards.tokens import digest_of

CANARY = "CANARY^ZEBRA"
# Upper and lower case, and what is left where the sign between both is escaped.
TRACE = re.compile(rb"canary|zebra", re.IGNORECASE)
PATHS = ("/", "/cards", "/api/v1/predictions")
EXIF_ARTIST, EXIF_COMMENT = 0x013B, 0x9286


def head_as(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.clip(head()[:, :, 11] // 4, 0, 255).astype(np.uint8)).resize((64, 64)).save(
        buffer, kind, **options
    )
    return buffer.getvalue()


def named_files() -> dict[str, bytes]:
    """Return a file of each kind that can carry a name, each with the canary in it."""
    exif = Image.Exif()
    exif[EXIF_ARTIST], exif[EXIF_COMMENT] = CANARY, CANARY
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", CANARY)
    texts.add_text(CANARY, CANARY, zip=True)
    volume = nibabel.Nifti1Image(head(), np.diag([-1.5, 1.5, 6.0, 1.0]))
    volume.header["descrip"] = CANARY.encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(f"{CANARY}/{CANARY}.dcm", dicom(head()[:, :, 11], PatientName=CANARY))
        writer.writestr(f"{CANARY}.txt", CANARY)
    return {
        "DICOM": dicom(head()[:, :, 11], PatientName=CANARY, PatientID=CANARY, StudyDescription=CANARY),
        "DICOM of another kind": dicom(head()[:, :, 11], PatientName=CANARY, Modality=CANARY[:6]),
        "JPEG": head_as("JPEG", exif=exif, comment=CANARY.encode()),
        "PNG": head_as("PNG", pnginfo=texts),
        "TIFF": head_as("TIFF", tiffinfo={EXIF_ARTIST: CANARY}),
        "WebP": head_as("WEBP", exif=exif, xmp=CANARY.encode()),
        "NIfTI": volume.to_bytes(),
        "zip": archive.getvalue(),
        "text": CANARY.encode(),
    }


def bodies() -> Iterator[tuple[str, bytes]]:
    """Yield the bodies to send, by name: each file whole, cut off, and with a changed byte; and odd forms."""
    for kind, content in named_files().items():
        assert TRACE.search(content), kind
        yield kind, part("files", content)
        yield f"{kind}, cut off", part("files", content[: len(content) * 2 // 3])
        middle = len(content) // 2
        yield f"{kind}, altered", part("files", content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    good = part("files", named_files()["JPEG"])
    yield "another model", part("model", CANARY.encode()) + good
    yield "a sample of another name", part("sample", CANARY.encode())
    yield "a number that is none", part("number", CANARY.encode()) + good
    yield "a field of another name", part(CANARY, CANARY.encode())
    yield "an endless field", part("model", CANARY.encode() * 20_000)
    yield "no form", CANARY.encode()


def part(name: str, content: bytes) -> bytes:
    file_name = f'; filename="{CANARY}.dcm"' if name in {"files", CANARY} else ""
    head_lines = (
        f'--{CANARY[:6]}\r\nContent-Disposition: form-data; name="{name}"{file_name}\r\nX-{CANARY[:6]}: {CANARY}'
    )
    return f"{head_lines}\r\n\r\n".encode() + content + b"\r\n"


HEADERS = {
    "User-Agent": CANARY, "Referer": f"http://{CANARY}/", "Cookie": f"{CANARY}={CANARY}", "From": CANARY,
    "Authorization": f"Bearer {CANARY}", "X-Request-Id": CANARY, "X-Forwarded-For": CANARY,
    "Forwarded": f"for={CANARY}", "Accept-Language": "canary", "X-CANARY": CANARY,
}  # fmt: skip


def answers(ask: Callable[..., bytes]) -> Iterator[tuple[str, bytes]]:
    """Send everything everywhere; yield each answer, headers included, with a name."""
    form = {**HEADERS, "Content-Type": f"multipart/form-data; boundary={CANARY[:6]}"}
    for name, body in bodies():
        for path in PATHS:
            yield (
                f"{name} to {path}",
                ask("POST", f"{path}?{CANARY}={CANARY}", body + f"--{CANARY[:6]}--\r\n".encode(), form),
            )
    odd = {"Content-Type": CANARY}
    for method in ("GET", "CANARY", "DELETE"):
        for path in (
            *PATHS,
            f"/{CANARY}",
            f"/static/{CANARY}.css",
            f"/api/v1/{CANARY}",
            f"/api/docs?{CANARY}",
            "/metrics",
        ):
            yield f"{method} {path}", ask(method, f"{path}?lang={CANARY}", CANARY.encode(), {**HEADERS, **odd})
    yield "cross-site", ask("POST", "/", b"", {"Origin": f"http://{CANARY}"})
    yield "metrics", ask("GET", "/metrics", b"", {})


def unpacked(answer: bytes) -> bytes:
    """Return an answer with its data: URLs decoded."""
    inner = re.findall(rb"data:[\w/;=.+-]*base64,([\w+/=]+)", answer)
    return answer + b"".join(base64.b64decode(content) for content in inner)


def malformed() -> Iterator[bytes]:
    """Yield requests that are invalid HTTP and never reach the app."""
    canary = CANARY.encode()
    yield canary + b"\r\n\r\n"
    yield b"GET /" + canary + b" HTTP/9.9\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n" + canary + b"\r\n\r\n"
    yield b"GET / HTTP/1.1\r\nHost: a\r\n" + canary + b" : x\r\n\r\n"
    yield b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + canary + b"\r\n\r\n"
    yield b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + canary + b"\r\n\r\n"
    yield b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + b"\r\n"
    yield b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n" + canary
    yield b"GET /" + canary * 1000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    yield b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + canary * 1000 + b"\r\n\r\n"


def send_malformed(host: str, port: int) -> None:
    for request in malformed():
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass


@pytest.mark.parametrize(
    ("settings", "statuses"),
    [
        ({}, {200, 400, 403, 404, 405, 413, 415, 422}),
        pytest.param({"TOKENS": digest_of("another")}, {401}, marks=pytest.mark.slow),
        pytest.param({"RATE_LIMIT": "3/hour"}, {429}, marks=pytest.mark.slow),
    ],
    ids=["open", "with tokens", "with a rate limit"],
)
def test_name_in_files_forms_addresses_and_headers_is_repeated_nowhere(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], statuses: set[int]
) -> None:
    home, log = tmp_path / "home", tmp_path / "log"
    home.mkdir()
    monkeypatch.setenv("TMPDIR", str(home))
    monkeypatch.setenv("HOME", str(home))
    seen = set()
    with served(tiny_models, ("--log-level", "debug"), log, **settings) as (host, port):

        def ask(method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
            connection = http.client.HTTPConnection(host, port, timeout=60)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            seen.add(answer.status)
            content = str(answer.headers).encode() + answer.read()
            connection.close()
            return content

        for name, answer in answers(ask):
            assert not TRACE.search(unpacked(answer)), name
        send_malformed(host, port)
        for path in (*home.rglob("*"), *Path("/dev/shm").glob("brain-mri-*/*")):
            assert not TRACE.search(str(path.name).encode()), path
            assert not (path.is_file() and TRACE.search(path.read_bytes())), path
    assert statuses <= seen
    for line in log.read_bytes().splitlines():
        assert not TRACE.search(line), line
