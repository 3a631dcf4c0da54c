"""The log: one JSON object per line, without anything that a user typed or uploaded."""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

# Loggers with messages of this project. Messages of libraries may quote the file that they read.
_OWN_LOGGERS = ("web", "model", "gunicorn.error")
# Exceptions with messages about code. Others may quote what was read.
_ABOUT_CODE = (ImportError, SyntaxError)


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON; a record's `fields`, given as `extra`, become members of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, logger, message, the record's own fields and where an exception came from."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["exceptions"] = list(_chain(record.exc_info[1]))
        return json.dumps(line)


def _message(record: logging.LogRecord) -> str:
    if record.name.startswith(_OWN_LOGGERS):
        return record.getMessage()
    return f"at {record.module}:{record.lineno}"


def _chain(error: BaseException | None) -> Iterator[dict[str, Any]]:
    """Yield the exception and its causes: type and places, without messages that may quote a file."""
    while error is not None:
        described = {"type": type(error).__name__, "places": _places(error.__traceback__)}
        yield {**described, "message": str(error)} if isinstance(error, _ABOUT_CODE) else described
        error = error.__cause__ or error.__context__


def _places(place: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(place)]


def write_to_stdout(level: int) -> None:
    """Send this process's log to standard output: this project's from `level` on, libraries' only warnings."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("web", "model"):
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
