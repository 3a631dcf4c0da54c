"""gunicorn's own messages as lines of the log, without what clients sent."""

import os
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger

from web.observing.json_lines import JsonLines, write_to_stdout


class ServerLog(Logger):
    """A logger for gunicorn's setting `logger_class`. The app logs each request itself, so there is no access log."""

    def __init__(self, cfg: Config) -> None:
        self._master = os.getpid()
        super().__init__(cfg)

    def setup(self, cfg: Config) -> None:
        """Write gunicorn's messages to standard error and the app's to standard output, from `loglevel` on."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines())
        write_to_stdout(self.loglevel)

    def _tell(self, level: str, message: Any, values: tuple[Any, ...], **options: Any) -> None:
        if os.getpid() != self._master:
            message, values = _of_worker(message, values)
        getattr(self.error_log, level)(message, *values, **options)

    def critical(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self._tell("critical", msg, args, **kwargs)

    def error(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self._tell("error", msg, args, **kwargs)

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self._tell("warning", msg, args, **kwargs)

    def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self._tell("info", msg, args, **kwargs)

    def debug(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self._tell("debug", msg, args, **kwargs)

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at level error, with where the exception came from."""
        self._tell("exception", msg, args, **kwargs)


def _of_worker(message: Any, values: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Keep gunicorn's words and numbers. Other values may come from a client."""
    if isinstance(message, BaseException):
        message = type(message).__name__
    # "Invalid request from ip=...: ..." comes with its values put in.
    words = str(message).partition(" from ip=")[0]
    return words, tuple(value if isinstance(value, int) else "..." for value in values)
