"""P1, P2, P5, P7: what the running service writes, says and connects to, seen from outside."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.faults.clients import Record, ask, request_bytes, upload_body
from tests.support.images import drawn_slice, encoded
from tests.support.proxy import nginx
from tests.support.server import Server, gunicorn

CANARY = "CANARYZEBRA"
TRACED = "open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,memfd_create,connect,mkdir,mkdirat"
# 0.1 to 20 MB; Werkzeug alone would write those over 500 kB to a file.
SIZES_MB = (0.1, 0.4, 0.6, 1, 2, 4, 8, 12, 16, 20)


def noise_of(megabytes: float) -> bytes:
    side = int((megabytes * 1e6 / 3) ** 0.5)
    return encoded(np.random.default_rng(1).integers(0, 255, (side, side, 3), np.uint8), "BMP")


def upload(content: bytes, path: str = "/api/v1/predictions", name: str = "slice.png") -> bytes:
    return request_bytes("POST", path, upload_body(content, name=name))


def written_by(trace: str) -> list[str]:
    """Return the calls of a trace that opened something for writing, removed or renamed it, and succeeded."""
    calls = [line for line in trace.splitlines() if re.search(r"\) = \d", line)]
    reading = [line for line in calls if "open" in line and not re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE)", line)]
    return [line for line in calls if line not in reading and "connect(" not in line and '"/dev/null"' not in line]


def test_p1_p5_uploads_write_no_file_and_connect_nowhere(
    tiny_models: Path, record: Record, tmp_path: Path, is_full: bool
) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    log = tmp_path / "trace"
    # With -D the service is the process that is ended afterwards, not strace, which would leave it running.
    tracer = ["strace", "-D", "-f", "--seccomp-bpf", "-s", "200", "-o", str(log), "-e", f"trace={TRACED}"]
    with gunicorn(tiny_models, before=tracer) as server:
        asyncio.run(ask(server, upload(noise_of(0.1))))
        after_start = len(log.read_text())
        sizes = SIZES_MB if is_full else SIZES_MB[::3]
        sent = [upload(noise_of(size), path) for size in sizes for path in ("/", "/api/v1/predictions")]
        statuses = [asyncio.run(ask(server, request, 120)).status for request in sent]
        # Checked before it ends: at its end it removes its counter files, which contain nothing of an upload.
        trace = log.read_text()
    # At the start gunicorn makes a file for its heartbeat: the trace sees what is written.
    assert written_by(trace[:after_start])
    written = written_by(trace[after_start:])
    connected = [line for line in trace.splitlines() if "connect(" in line and "AF_UNIX" not in line]
    record(
        "P1", f"strace during {len(sent)} uploads of 0.1 to 20 MB (open, rename, unlink, memfd_create, mkdir)",
        f"answers {sorted(set(statuses))}; {len(written)} calls that write, remove or rename",
    )  # fmt: skip
    record("P5", "strace from the start to after the uploads (connect)", f"{len(connected)} attempts to connect")
    assert set(statuses) == {200}
    assert written == []
    assert connected == []


def test_p5_service_works_in_a_network_namespace_without_any_network(tiny_models: Path, record: Record) -> None:
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("network namespaces are not permitted here")
    # The only device of a new namespace is the loopback, which is down until started.
    command = ["unshare", "-n", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh"]
    step = subprocess.run(
        [*command, "python3", "-c", "import socket; socket.create_connection(('192.0.2.1', 80), 2)"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "unreachable" in step.stderr
    sample = Path(__file__).parents[2] / "static" / "samples" / "glioma.jpg"
    step = subprocess.run(
        [*command, sys.executable, "-m", "model", str(sample), "--models", str(tiny_models)],
        cwd=sample.parents[2], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    record(
        "P5",
        "the command in a network namespace without any route",
        f"exit code {step.returncode}, a row for the sample",
    )
    assert step.returncode == 0
    assert "glioma.jpg" in step.stdout


def with_canaries() -> dict[str, bytes]:
    """Return files that carry the canary wherever a format has room for words."""
    picture = Image.fromarray(drawn_slice())
    exif = Image.Exif()
    exif[0x013B] = exif[0x010E] = CANARY  # Artist, ImageDescription
    text = PngInfo()
    text.add_text("Comment", CANARY)
    return {
        "JPEG": encoded(picture, "JPEG", exif=exif),
        "PNG": encoded(picture, "PNG", pnginfo=text, exif=exif),
        "DICOM": dicom_of_canary(),
        "cut off": encoded(picture, "JPEG", exif=exif)[:400],
        "text": CANARY.encode() * 20,
        "damaged DICOM": dicom_of_canary()[:-2000],
    }


def dicom_of_canary() -> bytes:
    dataset = pydicom.dcmread(pydicom.data.get_testdata_file("MR_small.dcm"))
    dataset.PatientName, dataset.PatientID, dataset.StudyDescription = f"{CANARY}^{CANARY}", CANARY, CANARY
    buffer = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(buffer, dataset)
    return bytes(buffer.getvalue())


def test_p2_names_appear_in_no_answer_log_or_file(tiny_models: Path, record: Record, tmp_path: Path) -> None:
    output, temporary = tmp_path / "output", tmp_path / "temporary"
    temporary.mkdir()
    paths = ("/", "/cards", "/api/v1/predictions")
    requests = [upload(content, path, f"{CANARY}.png") for content in with_canaries().values() for path in paths]
    with output.open("wb") as log:
        arguments = ["--log-level", "debug"]
        environment = {"TMPDIR": str(temporary), "HOME": str(temporary)}
        with (
            gunicorn(tiny_models, arguments, environment=environment, output=log.fileno()) as app,
            nginx(app, temporary) as proxy,
        ):
            replies = [asyncio.run(ask(server, request)) for request in requests for server in (app, proxy)]
            asyncio.run(ask(app, request_bytes("GET", f"/{CANARY.lower()}?{CANARY}")))
    answers = b"".join(str(reply.headers).encode() + reply.body for reply in replies)
    kept = [path for path in temporary.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    n_in_log = output.read_bytes().count(CANARY.encode())
    record(
        "P2", f"a made-up name in EXIF, PNG text, DICOM tags and file names: {len(replies)} uploads to page, script "
        "and API, good and damaged, straight and through nginx, gunicorn at level debug",
        f"found {answers.count(CANARY.encode())} times in the answers, {n_in_log} times in the logs, in {len(kept)} "
        "files",
    )  # fmt: skip
    assert {reply.status for reply in replies} == {200, 415, 422}
    assert CANARY.encode() not in answers
    assert n_in_log == 0
    assert kept == []


def test_p7_worker_writes_no_core_dump(server: Server, record: Record) -> None:
    (worker,) = server.workers()
    (limit,) = re.findall(r"Max core file size +(\S+ +\S+)", Path(f"/proc/{worker}/limits").read_text())
    limit = " to ".join(limit.split())
    record("P7", "/proc/PID/limits of the worker", f"core dumps of {limit} bytes; a quick test asks PR_GET_DUMPABLE")
    assert limit == "0 to 0"
