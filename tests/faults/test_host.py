"""C6 to C10: a host without memory, disk, log or file descriptors to spare."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.faults.clients import Record, Reply, ask, prediction
from tests.support.images import encoded
from tests.support.server import Server, gunicorn

# Memory for a worker beyond what it has: not enough to decode a large image.
SPARE_BYTES = 60_000_000
MAX_FILES = 64


def answered_within(server: Server, request: bytes, seconds: float) -> Reply:
    """Send requests until one gets a good answer; return the last answer."""
    until = time.monotonic() + seconds
    while (reply := asyncio.run(ask(server, request, 20))).status != 200 and time.monotonic() < until:
        time.sleep(0.3)
    return reply


def test_c6_picture_for_which_there_is_no_memory_is_refused_and_the_service_goes_on(
    tiny_models: Path, pictures: list[bytes], record: Record
) -> None:
    large = prediction(encoded(np.random.default_rng(6).integers(0, 255, (4900, 4900), np.uint8), "BMP"))
    with gunicorn(tiny_models) as server:
        asyncio.run(ask(server, prediction(pictures[0])))
        (worker,) = server.workers()
        limit = psutil.Process(worker).memory_info().vms + SPARE_BYTES
        subprocess.run(["prlimit", "--pid", str(worker), f"--as={limit}"], check=True)
        reply = asyncio.run(ask(server, large, 60))
        after = answered_within(server, prediction(pictures[0]), 30)
        is_same = server.workers() == [worker]
    record(
        "C6", f"prlimit: the worker may take {SPARE_BYTES // 10**6} MB more; an image of 24 megapixels",
        f"{reply.status or reply.problem} {_code(reply)}; the next request: {after.status}, by "
        f"{'the same' if is_same else 'a new'} worker",
    )  # fmt: skip
    assert reply.status in {0, 200, 422, 500, 503}
    assert after.status == 200


def _code(reply: Reply) -> str:
    return str(reply.json().get("code", "")) if reply.status >= 400 else ""


@pytest.fixture
def full_folder(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a file system without a free byte."""
    folder = tmp_path / "full"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        with (folder / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
    except OSError:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_c7_full_temporary_folder_is_not_needed(
    tiny_models: Path, pictures: list[bytes], record: Record, full_folder: Path
) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (1500, 1500), np.uint8)
    with gunicorn(tiny_models, environment={"TMPDIR": str(full_folder), "HOME": str(full_folder)}) as server:
        replies = [asyncio.run(ask(server, prediction(content))) for content in (pictures[0], encoded(noise))]
    record(
        "C7", "TMPDIR and HOME on a file system without a free byte; uploads of 20 kB and 2 MB",
        f"answers: {[reply.status for reply in replies]}",
    )  # fmt: skip
    assert [reply.status for reply in replies] == [200, 200]


def test_c7_absent_temporary_folder_is_not_needed(tiny_models: Path, pictures: list[bytes], record: Record) -> None:
    absent = {"TMPDIR": "/nonexistent", "HOME": "/nonexistent"}
    with gunicorn(tiny_models, environment=absent) as server:
        reply = asyncio.run(ask(server, prediction(pictures[0])))
    record("C7", "TMPDIR and HOME name no folder", f"answer: {reply.status}")
    assert reply.status == 200


# Makes every mounted file system except the kernel's read-only, in a separate mount namespace.
READ_ONLY = """
findmnt --noheadings --raw --output TARGET | while read -r place; do
  case "$place" in /proc*|/sys*|/dev/shm) ;; *) mount -o remount,bind,ro "$place" 2>/dev/null ;; esac
done
! touch / /tmp/probe "$HOME/probe" 2>/dev/null || exit 9
exec "$@"
"""


def test_c8_read_only_file_system_is_enough(tiny_models: Path, pictures: list[bytes], record: Record) -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("mount namespaces are not permitted here")
    before = ["unshare", "-m", "sh", "-c", READ_ONLY, "sh"]
    with gunicorn(tiny_models, before=before, environment={"PYTHONDONTWRITEBYTECODE": "1"}) as server:
        reply = asyncio.run(ask(server, prediction(pictures[0])))
        mounts = Path(f"/proc/{server.workers()[0]}/mounts").read_text().splitlines()
    root = next(line.split()[3] for line in mounts if line.split()[1] == "/")
    record(
        "C8", "every file system read-only but /dev/shm (mount namespace): no /tmp, no home folder to write to",
        f"ready, answer: {reply.status}; root mounted {root.split(',')[0]}",
    )  # fmt: skip
    assert reply.status == 200
    assert root.startswith("ro")


@pytest.mark.parametrize("sink", ["closed pipe", "full device"])
def test_c9_log_that_cannot_be_written_stops_no_answer(
    tiny_models: Path, pictures: list[bytes], record: Record, sink: str
) -> None:
    if sink == "closed pipe":
        reading, output = os.pipe()
        os.close(reading)
    else:
        output = os.open("/dev/full", os.O_WRONLY)
    with gunicorn(tiny_models, output=output) as server:
        os.close(output)
        statuses = [asyncio.run(ask(server, prediction(picture), 20)).status for picture in pictures * 5]
    record("C9", f"standard output and error are a {sink}", f"{statuses.count(200)} of {len(statuses)} answered")
    assert set(statuses) == {200}


def test_c10_more_connections_than_files_may_be_open_end_no_process(
    tiny_models: Path, pictures: list[bytes], record: Record
) -> None:
    with gunicorn(tiny_models) as server:
        (worker,) = server.workers()
        subprocess.run(["prlimit", "--pid", str(worker), f"--nofile={MAX_FILES}"], check=True)
        connections = [socket.create_connection((server.host, server.port), 5) for _ in range(2 * MAX_FILES)]
        time.sleep(1)
        during = asyncio.run(ask(server, prediction(pictures[0]), 20))
        for connection in connections:
            connection.close()
        after = answered_within(server, prediction(pictures[0]), 20)
        is_same = server.workers() == [worker]
    record(
        "C10", f"at most {MAX_FILES} open files, and {2 * MAX_FILES} connections",
        f"a request meanwhile: {during.status or during.problem} after {during.seconds:.1f} s; afterwards "
        f"{after.status}, by {'the same' if is_same else 'a new'} worker",
    )  # fmt: skip
    assert after.status == 200
    assert is_same


def test_c13_taken_port_ends_the_start_with_a_message(tiny_models: Path, record: Record) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        step = subprocess.run(
            [sys.executable, "-m", "gunicorn", "app:create_app()", "--bind", bind], capture_output=True, text=True,
            env={**os.environ, "BRAIN_MRI_MODELS_DIR": str(tiny_models)}, timeout=60, check=False,
        )  # fmt: skip
    (line,) = [line for line in step.stderr.splitlines() if line.startswith("Cannot start:")]
    record("C13", "the port is taken", f"“{line}”, exit code {step.returncode}")
    assert step.returncode == 4
