"""The folder of a scan: the request, who works in it, what is finished."""

import dataclasses
import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from model.network.precision import FLOAT32
from model.safe_files import write_atomically
from model.scan.errors import ScanError
from model.scan.listing.inputs import Shard
from model.scan.table.parts import Parts

_REQUEST, _FINISHED = "scan.json", "finished"
# Of the table: 1 had a row per file, 2 has one per image, series or volume.
_LAYOUT = 2


@dataclass(frozen=True)
class Request:
    """The request of a scan. All jobs in one folder share it, so their rows belong together.

    sources: absolute paths and addresses. class_names: columns of the table. precision: of model.network.precision.
    """

    sources: tuple[str, ...]
    n_shards: int
    model: str
    model_version: str
    model_sha256: str
    class_names: tuple[str, ...]
    layout: int = _LAYOUT
    precision: str = FLOAT32


class ScanFolder:
    """The folder that one shard's job works in, alone until the end of the `with` statement it is used in."""

    def __init__(self, path: Path, request: Request, shard: Shard, may_resume: bool) -> None:
        """Claim the shard.

        Raises:
            ScanError: the folder holds another scan, or this one and it may not be resumed, or another process works
                on it.
        """
        self.path, self.request, self.shard = path, request, shard
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _claim(path / f".{shard}.lock")
        except OSError as error:
            raise _not_writable(path, error) from error
        try:
            self._prepare(may_resume)
        except BaseException:
            self._lock.close()
            raise

    def _prepare(self, may_resume: bool) -> None:
        self._check(may_resume)
        try:
            write_atomically(self.path / _REQUEST, json.dumps(dataclasses.asdict(self.request), indent=1).encode())
            self._marker.unlink(missing_ok=True)
            self.parts.clear_aside()
        except OSError as error:
            raise _not_writable(self.path, error) from error

    def __enter__(self) -> "ScanFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    @property
    def parts(self) -> Parts:
        """This shard's parts."""
        return Parts(self.path, self.shard, self.request.class_names)

    @property
    def todo(self) -> Path:
        """Where the list of what is still to be done is kept meanwhile."""
        return self.path / f".{self.shard}.todo"

    @property
    def _marker(self) -> Path:
        return self.path / _FINISHED / f"{self.shard}.json"

    def _check(self, may_resume: bool) -> None:
        file = self.path / _REQUEST
        if not file.is_file():
            return
        known = _request(file)
        if known.layout != self.request.layout:
            raise ScanError(
                f"{self.path} holds a scan of another version of this program. Choose another folder with --out."
            )
        differing = [
            f"{field.name}: {getattr(known, field.name)} there, {getattr(self.request, field.name)} now"
            for field in dataclasses.fields(Request)
            if getattr(known, field.name) != getattr(self.request, field.name)
        ]
        if differing:
            raise ScanError(
                f"{self.path} holds another scan ({'; '.join(differing)}). Choose another folder with --out."
            )
        if not may_resume and (self._marker.is_file() or self.parts.files()):
            raise ScanError(
                f"{self.path} already holds rows of this scan. Continue it with --resume, or "
                "choose another folder with --out."
            )

    def finish(self, figures: dict[str, Any]) -> bool:
        """Mark this shard as complete; return whether it was the last one."""
        write_atomically(self._marker, json.dumps(figures, indent=1).encode())
        shards = [Shard(i, self.request.n_shards) for i in range(self.request.n_shards)]
        return all((self.path / _FINISHED / f"{shard}.json").is_file() for shard in shards)


def _not_writable(path: Path, error: OSError) -> ScanError:
    return ScanError(f"Cannot write to {path}: {error.strerror}. Choose another folder with --out.")


def _request(file: Path) -> Request:
    try:
        values: dict[str, Any] = {"layout": 1} | json.loads(file.read_text())
        read: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return Request(**read)
    except (ValueError, TypeError) as error:
        raise ScanError(f"Cannot read the request of a scan in {file}. Choose another folder with --out.") from error


def _claim(file: Path) -> TextIO:
    """Hold a lock that ends with the process, however it ends; where the system has none, trust the caller.

    Raises:
        ScanError: another process holds it.
    """
    handle = file.open("w")
    try:
        fcntl = importlib.import_module("fcntl")
    except ImportError:
        return handle
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        raise ScanError(
            f"Another process works on this part of the scan ({file}). "
            "Wait until it ends, or give each job its own --shard."
        ) from error
    except OSError:
        # A file system without locks.
        return handle
    return handle
