"""The settings: one table. Environment variables named BRAIN_MRI_... change it, then a test's mapping."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from limits import parse_many

from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER
from model.network.precision import FLOAT32, PRECISIONS
from model.reading.contents import Limits

PREFIX = "BRAIN_MRI_"
BYTES_PER_MB = 1_000_000
# Largest request where only this machine is served: a 16-bit series of 200 slices of 512 x 512 pixels is 105 MB.
LOCAL_UPLOAD_MB = 256
_THIS_MACHINE = {"127.0.0.1", "localhost", "::1", "[::1]"}
# Kubernetes sets these in every container for a service named brain-mri; they are no misspelt settings.
_OF_KUBERNETES = re.compile(r"(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)\w*)?)")


class SettingsError(Exception):
    """A setting is unknown or its value cannot be used; the message is one line."""


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


def _precision(text: str) -> str:
    if text not in PRECISIONS:
        raise ValueError("none of three")
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ValueError("no name")
    return names


def _as(sentence: str, read: Callable[[str], Any], is_secret: bool = False) -> dict[str, Any]:
    """Return what a field says of itself: one sentence, how its text is read, and whether errors must hide it."""
    return {"sentence": sentence, "read": read, "is_secret": is_secret}


@dataclass(frozen=True)
class Settings:
    """The values in force. The environment names each in upper case, after PREFIX."""

    max_upload_mb: int = field(
        default=60,
        metadata=_as(
            f"Largest request in megabytes, all files together; {LOCAL_UPLOAD_MB} where only this machine is served.",
            _positive,
        ),
    )
    max_files: int = field(default=600, metadata=_as("Most files in one request, and in one zip file.", _positive))
    max_in_work: int = field(
        default=12, metadata=_as("Most requests in work at once; more are refused with status 503.", _positive)
    )
    model_names: tuple[str, ...] = field(
        default=DEFAULT_MODELS, metadata=_as("Models to load, by name; the first is the default.", _names)
    )
    models_dir: Path = field(default=WEIGHTS_FOLDER, metadata=_as("Folder of the models' cards and weights.", Path))
    tokens: tuple[str, ...] = field(
        default=(),
        metadata=_as(
            "SHA-256 digests of the accepted tokens, separated by commas; without any, everyone is let in.",
            _digests,
            True,
        ),
    )
    rate_limit: str = field(
        default="", metadata=_as("Upload limit for one address, like 60/minute; empty for no limit.", _rate)
    )
    rate_limit_storage: str = field(
        default="memory://",
        metadata=_as("Where uploads are counted: memory://, or redis://HOST for all workers together.", _storage, True),
    )
    proxy_hops: int = field(
        default=0,
        metadata=_as("Number of proxies in front, whose X-Forwarded-For, -Proto and X-Request-Id are trusted.", _count),
    )
    hsts_seconds: int = field(
        default=0, metadata=_as("Seconds for which browsers must use HTTPS; 0 does not ask for it.", _count)
    )
    metrics: str = field(
        default="local",
        metadata=_as("Who may read /metrics: local (this machine), on (all) or off.", _who_sees_metrics),
    )

    precision: str = field(
        default=FLOAT32,
        metadata=_as(
            "How networks compute: float32, the same on every machine; bfloat16, faster and less exact; "
            "auto: bfloat16 where the processor has it.",
            _precision,
        ),
    )

    @property
    def max_upload_bytes(self) -> int:
        """Largest request body, in bytes."""
        return self.max_upload_mb * BYTES_PER_MB

    @property
    def limits(self) -> Limits:
        """What is decoded at most."""
        return Limits(max_files=self.max_files)


TABLE = {setting.name.upper(): setting for setting in fields(Settings)}


def load_settings(changes: Mapping[str, Any] | None = None) -> Settings:
    """Return the defaults, changed by the environment, changed by a mapping of names of TABLE to values.

    Raises:
        SettingsError: a name is not in the table, or a value cannot be read.
    """
    given = _from_environment() | dict(changes or {})
    if unknown := sorted(set(given) - set(TABLE)):
        known = ", ".join(PREFIX + name for name in TABLE)
        raise SettingsError(f"Expected settings among {known}. Received {PREFIX}{unknown[0]}.")
    values = {name.lower(): _value(name, value) for name, value in given.items()}
    if _serves_this_machine_alone(values):
        values.setdefault("max_upload_mb", LOCAL_UPLOAD_MB)
    return Settings(**values)


def _serves_this_machine_alone(values: Mapping[str, Any]) -> bool:
    """Return whether the server listens to this machine only, as gunicorn.conf.py says in BIND, and no proxy is set."""
    return os.environ.get("BIND", "127.0.0.1") in _THIS_MACHINE and not values.get("proxy_hops")


def _from_environment() -> dict[str, Any]:
    names = [name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX)]
    return {name: os.environ[PREFIX + name] for name in names if not _OF_KUBERNETES.fullmatch(name)}


def _value(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    default, about = TABLE[name].default, TABLE[name].metadata
    try:
        return about["read"](value)
    except ValueError as error:
        received = f"{len(value)} other characters" if about["is_secret"] else repr(value)
        like = f" like {default!r}" if default not in ("", ()) else ""
        raise SettingsError(f"Expected {PREFIX}{name}{like} ({about['sentence']}) Received {received}.") from error
