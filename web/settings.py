"""The settings: one table, which environment variables named BRAIN_MRI_... and then a test's mapping change."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from limits import parse_many

from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER
from model.reading.contents import Limits

RESULTS_FILE = Path(__file__).parent.parent / "training" / "results" / "results.json"
PREFIX = "BRAIN_MRI_"
BYTES_PER_MB = 1_000_000
# Kubernetes sets these in every container for a service named brain-mri; they are no misspelt settings.
_OF_KUBERNETES = re.compile(r"(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)\w*)?)")


class SettingsError(Exception):
    """A setting is unknown or its value cannot be used; the message is one line."""


@dataclass(frozen=True)
class Setting:
    """One row of the table: the name, the default, one sentence, how its text is read, and whether it is secret."""

    name: str
    default: Any
    sentence: str
    read: Callable[[str], Any]
    secret: bool = False


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("below 1")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("below 0")
    return number


def _digests(text: str) -> tuple[str, ...]:
    digests = tuple(digest.strip().lower() for digest in text.split(",") if digest.strip())
    if not all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests):
        raise ValueError("no SHA-256")
    return digests


def _rate(text: str) -> str:
    if text:
        parse_many(text)
    return text


def _storage(text: str) -> str:
    if urlsplit(text).scheme not in {"memory", "redis", "rediss", "redis+unix"}:
        raise ValueError("no storage")
    return text


def _who_sees_metrics(text: str) -> str:
    if text not in {"local", "on", "off"}:
        raise ValueError("none of three")
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ValueError("no name")
    return names


TABLE = (
    Setting("MAX_UPLOAD_MB", 60, "Largest request that is read, in megabytes, all its files together.", _positive),
    Setting("MAX_FILES", 600, "Most files in one request, and in one zip file.", _positive),
    Setting("MAX_MEGAPIXELS", 25, "Largest picture that is decoded, in millions of pixels.", _positive),
    Setting("MAX_MEGAVOXELS", 64, "Largest volume that is decoded, in millions of voxels.", _positive),
    Setting("MAX_IN_WORK", 12, "Most requests in work at once; more are refused with status 503.", _positive),
    Setting("MAX_WAIT_SECONDS", 10, "Longest wait of a picture, or a volume's first slices, for its turn.", _positive),
    Setting("MAX_READ_SECONDS", 45, "Longest time that reading the files of one request may take.", _positive),
    Setting("MODEL_NAMES", DEFAULT_MODELS, "Models to load, by name, the first is the default.", _names),
    Setting("MODELS_DIR", WEIGHTS_FOLDER, "Folder of the models' cards and weights.", Path),
    Setting("RESULTS_FILE", RESULTS_FILE, "File of the evaluation's results, if there is one.", Path),
    Setting("TOKENS", (), "SHA-256 of each token that lets in, by commas; with none, all are let in.", _digests, True),
    Setting("RATE_LIMIT", "", "Most uploads of one address, like 60/minute; empty for no limit.", _rate),
    Setting("RATE_LIMIT_STORAGE", "memory://", "Where they are counted: memory://, or redis://HOST.", _storage, True),
    Setting("PROXY_HOPS", 0, "Proxies in front whose X-Forwarded-For, -Proto and X-Request-Id are believed.", _count),
    Setting("HSTS_SECONDS", 0, "How long browsers must come back by HTTPS only; 0 for no such demand.", _count),
    Setting("METRICS", "local", "Who may read /metrics: local (this machine), on (all) or off.", _who_sees_metrics),
)


@dataclass(frozen=True)
class Settings:
    """The values in force; fields are the names of TABLE in lower case."""

    max_upload_mb: int
    max_files: int
    max_megapixels: int
    max_megavoxels: int
    max_in_work: int
    max_wait_seconds: int
    max_read_seconds: int
    model_names: tuple[str, ...]
    models_dir: Path
    results_file: Path
    tokens: tuple[str, ...]
    rate_limit: str
    rate_limit_storage: str
    proxy_hops: int
    hsts_seconds: int
    metrics: str

    @property
    def max_upload_bytes(self) -> int:
        """Largest request body, in bytes."""
        return self.max_upload_mb * BYTES_PER_MB

    @property
    def limits(self) -> Limits:
        """What is decoded at most."""
        return Limits(self.max_megapixels * 1_000_000, self.max_megavoxels * 1_000_000, self.max_files)


def load_settings(changes: Mapping[str, Any] | None = None) -> Settings:
    """Give the defaults, changed by the environment, changed by a mapping of names of TABLE to values.

    Raises:
        SettingsError: a name is not in the table, or a value cannot be read.
    """
    given = _from_environment() | dict(changes or {})
    unknown = set(given) - {setting.name for setting in TABLE}
    if unknown:
        known = ", ".join(PREFIX + setting.name for setting in TABLE)
        raise SettingsError(f"Expected settings among {known}. Received {PREFIX}{sorted(unknown)[0]}.")
    return Settings(**{setting.name.lower(): _value(setting, given) for setting in TABLE})


def _from_environment() -> dict[str, Any]:
    names = [name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX)]
    return {name: os.environ[PREFIX + name] for name in names if not _OF_KUBERNETES.fullmatch(name)}


def _value(setting: Setting, given: Mapping[str, Any]) -> Any:
    value = given.get(setting.name, setting.default)
    if not isinstance(value, str):
        return value
    try:
        return setting.read(value)
    except ValueError as error:
        received = f"{len(value)} other characters" if setting.secret else repr(value)
        like = f" like {setting.default!r}" if setting.default not in ("", ()) else ""
        raise SettingsError(
            f"Expected {PREFIX}{setting.name}{like} ({setting.sentence}) Received {received}."
        ) from error
