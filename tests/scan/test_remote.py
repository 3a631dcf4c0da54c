"""Scan an object store: moto's S3 on loopback, which fails and stalls like real ones."""

import hashlib
import io
import itertools
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from model.records import Row
from model.sandbox.readers import Readers
from model.scan.listing.inputs import Shard
from model.scan.listing.remote import is_remote, with_retries
from model.scan.listing.sources import list_units
from model.scan.listing.units import Unit
from model.scan.rows.preparing import Preparer
from tests.support.archives import rows_of, scan, write_slices

pytest.importorskip("pyarrow", reason="requirements/scan.txt is not installed")
fsspec = pytest.importorskip("fsspec", reason="requirements/scan.txt is not installed")
SECRETS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
STALL_SECONDS = 3


class FlakyStore:
    """moto's S3. While `is_flaky`, every fifth answer to a read is a 500 and every eleventh comes too late."""

    def __init__(self) -> None:
        server = pytest.importorskip("moto.server", reason="requirements/dev.txt is not installed")
        self._store = server.DomainDispatcherApplication(server.create_backend_app)
        self._counter = itertools.count(1)
        self.is_flaky = False
        self.n_faults = 0

    def __call__(self, environment: dict[str, Any], start: Any) -> Any:
        if self.is_flaky and environment["REQUEST_METHOD"] in {"GET", "HEAD"}:
            n = next(self._counter)
            if n % 11 == 0:
                self.n_faults += 1
                time.sleep(STALL_SECONDS)
            elif n % 5 == 0:
                self.n_faults += 1
                start("500 Internal Server Error", [("Content-Length", "0")])
                return [b""]
        return self._store(environment, start)


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[FlakyStore, str]]:
    flaky = FlakyStore()
    server = make_server("127.0.0.1", 0, flaky, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield flaky, f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def uploaded(store: tuple[FlakyStore, str], tmp_path: Path) -> tuple[FlakyStore, dict[str, str], Path]:
    """Return the store, its environment variables, and the local folder that bucket/in is a copy of."""
    boto3 = pytest.importorskip("boto3", reason="requirements/dev.txt is not installed")
    flaky, address = store
    flaky.is_flaky = False
    folder = tmp_path / "in"
    files = write_slices(folder, 40)
    (folder / "bad.png").write_bytes(files[0].read_bytes()[:200])
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        for file in files[:3]:
            archive.write(file, file.name)
    secrets = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=address, **secrets)
    client.create_bucket(Bucket=tmp_path.name.replace("_", "-"))
    for file in folder.rglob("*"):
        if file.is_file():
            client.put_object(
                Bucket=tmp_path.name.replace("_", "-"), Key=f"in/{file.relative_to(folder)}", Body=file.read_bytes()
            )
    client.close()
    # The client's shortest timeout: a stall must exceed it.
    patience = '{"config_kwargs": {"read_timeout": 1, "connect_timeout": 1, "retries": {"max_attempts": 1}}}'
    return flaky, {**SECRETS, "AWS_ENDPOINT_URL": address, "FSSPEC_S3": patience}, folder


@pytest.mark.slow
def test_store_that_fails_and_stalls_gives_the_rows_of_the_same_local_files(
    uploaded: tuple[FlakyStore, dict[str, str], Path], tmp_path: Path, tiny_models: Path
) -> None:
    flaky, variables, folder = uploaded
    bucket = tmp_path.name.replace("_", "-")
    local = scan(folder, "--out", tmp_path / "local", models=tiny_models)
    flaky.is_flaky = True
    before = flaky.n_faults
    remote = scan(
        f"s3://{bucket}/in", "--out", tmp_path / "remote", "--decoders", 3, models=tiny_models, **variables
    )  # fmt: skip
    assert (local.returncode, remote.returncode) == (1, 1), remote.stderr
    assert flaky.n_faults - before >= 5

    def answers(out: Path, prefix: str) -> list[tuple[Any, ...]]:
        names = ("sha256", "answer", "p_glioma", "p_no_tumor", "error_code", "size_bytes")
        return sorted((r["path"].removeprefix(prefix), *(r[name] for name in names)) for r in rows_of(out))

    assert answers(tmp_path / "remote", f"s3://{bucket}/in/") == answers(tmp_path / "local", f"{folder}/")
    assert len(rows_of(tmp_path / "remote")) == 44


@pytest.mark.slow
def test_pattern_and_changed_object_are_told_apart_by_their_etag(
    uploaded: tuple[FlakyStore, dict[str, str], Path], tmp_path: Path, tiny_models: Path
) -> None:
    _, variables, _ = uploaded
    bucket = tmp_path.name.replace("_", "-")
    arguments = [f"s3://{bucket}/in/00/000*.png", "--out", tmp_path / "out", "--resume", "--decoders", 2]
    first = scan(*arguments, models=tiny_models, **variables)
    assert first.returncode == 0, first.stderr
    boto3 = pytest.importorskip("boto3")
    client = boto3.client(
        "s3", endpoint_url=variables["AWS_ENDPOINT_URL"], aws_access_key_id="test", aws_secret_access_key="test",
        region_name="us-east-1",
    )  # fmt: skip
    content = client.get_object(Bucket=bucket, Key="in/00/0020.png")["Body"].read()
    client.put_object(Bucket=bucket, Key="in/00/0004.png", Body=content)
    client.close()
    second = scan(*arguments, models=tiny_models, **variables)
    assert "10 files, 9 done before, 1 changed" in second.stderr
    rows = {row["path"][-8:]: row for row in rows_of(tmp_path / "out")}
    assert len(rows) == 10
    assert rows["0004.png"]["sha256"] != rows["0003.png"]["sha256"]


def test_call_that_fails_is_tried_again_with_growing_waits() -> None:
    moments: list[float] = []

    def third_time_lucky() -> str:
        moments.append(time.monotonic())
        if len(moments) < 3:
            raise TimeoutError
        return "content"

    assert with_retries(third_time_lucky, first_wait_seconds=0.1) == "content"
    assert moments[1] - moments[0] >= 0.05
    assert moments[2] - moments[1] >= 0.1


def test_call_that_never_works_ends_as_one_error_and_a_missing_file_at_once() -> None:
    calls = []

    def fails(error: Exception) -> None:
        calls.append(error)
        raise error

    with pytest.raises(OSError, match="tried 3 times, ValueError"):
        with_retries(lambda: fails(ValueError("secret address")), tries=3, first_wait_seconds=0)
    with pytest.raises(FileNotFoundError):
        with_retries(lambda: fails(FileNotFoundError()), tries=3)
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("source", "expected"), [("s3://a/b", True), ("/a/b", False), ("file:///a", False), ("a:b", False)]
)
def test_address_is_told_from_a_path(source: str, expected: bool) -> None:
    assert is_remote(source) is expected


class FailingFile(io.BytesIO):
    """An open file whose next `n_failures` reads fail."""

    n_failures = 0

    def read(self, n_bytes: int | None = -1) -> bytes:
        if FailingFile.n_failures:
            FailingFile.n_failures -= 1
            raise TimeoutError("the store stalls")
        return super().read(n_bytes)


class FailingStore(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A store with one zip file: whole reads succeed, partial reads fail."""

    protocol = "failing"
    content = b""

    def ls(self, path: str, **_: Any) -> list[dict[str, Any]]:
        return [{"name": path, "size": len(self.content), "type": "file"}]

    def open(self, *_: Any, **__: Any) -> FailingFile:
        return FailingFile(self.content)

    def cat_file(self, *_: Any, **__: Any) -> bytes:
        return self.content


def cells_of(unit: Unit) -> Row:
    """Prepare a unit of one file and return its row."""
    (part,) = Preparer(160, Readers(1))(unit).parts
    return part.cells


@pytest.fixture
def member(tmp_path: Path) -> Unit:
    """The only image in a zip file on a store that fails."""
    fsspec.register_implementation("failing", FailingStore, clobber=True)
    (picture,) = write_slices(tmp_path / "in", 1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(picture, "one.png")
    FailingStore.content = (tmp_path / "a.zip").read_bytes()
    FailingFile.n_failures = 0
    (listed,) = list_units(["failing://a.zip"], Shard(), "")
    assert listed.files[0].member == "one.png"
    return listed


def test_zip_member_is_read_again_where_the_store_stalls(member: Unit, tmp_path: Path) -> None:
    FailingFile.n_failures = 2
    cells = cells_of(member)
    assert FailingFile.n_failures == 0
    (picture,) = (tmp_path / "in").rglob("*.png")
    assert (cells.get("error_code"), cells["sha256"]) == (None, hashlib.sha256(picture.read_bytes()).hexdigest())


@pytest.mark.slow
def test_store_that_stays_away_is_not_called_a_damaged_zip_file(member: Unit) -> None:
    FailingFile.n_failures = 1000
    cells = cells_of(member)
    assert cells["error_code"] == "unreadable_file"
    assert "tried 6 times, TimeoutError" in cells["error"]
    (archive,) = list_units(["failing://a.zip"], Shard(), "")
    assert archive.files[0].member == ""
    cells = cells_of(archive)
    assert cells["error_code"] == "unreadable_file"
    assert "whole, but not in parts" in cells["error"]
