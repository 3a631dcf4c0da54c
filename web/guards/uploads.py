"""Take uploads from a request into memory, and only there."""

import functools
import io
from dataclasses import dataclass, field
from typing import IO, Any

from flask import Request, current_app

from model.network.classifier import Classifier
from model.sandbox.readers import Readers
from model.sentences import Sentence
from web.errors import Refusal
from web.guards.overload import Places
from web.observing.metrics import Metrics
from web.settings import Settings

# Reading a large volume takes several times its size for a moment: so many may be read at once.
_READ_AT_ONCE = 2
# A pass is one picture: a fraction of a second, also on one slow core.
STUCK_SECONDS = 60.0


class MemoryRequest(Request):
    """A request whose files never reach the disk: Werkzeug would write those over 500 kB to a temporary file."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        # The size is bounded by MAX_CONTENT_LENGTH, which Werkzeug checks while it reads.
        return io.BytesIO()


@functools.cache
def _readers(seconds: float) -> Readers:
    return Readers(_READ_AT_ONCE, seconds)


@dataclass(frozen=True)
class App:
    """What a view needs: the settings, the loaded models by name, the evaluation's results where there are any.

    places: the requests in work; metrics: where requests, refusals and answers are counted.
    """

    settings: Settings
    classifiers: dict[str, Classifier]
    places: Places
    results: dict[str, Any] | None = None
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def readers(self) -> Readers:
        """The processes that read files: all apps of this process share them."""
        return _readers(self.settings.max_read_seconds)

    @property
    def is_stuck(self) -> bool:
        """Whether a network has been at one pass for so long that it will not come back."""
        return any(classifier.seconds_running > STUCK_SECONDS for classifier in self.classifiers.values())

    def classifier(self, name: str | None) -> Classifier:
        """Give the named model, or the default one where none is named.

        Raises:
            Refusal: there is no model of that name.
        """
        if not name:
            return next(iter(self.classifiers.values()))
        if name not in self.classifiers:
            names = ", ".join(self.classifiers)
            raise Refusal("unknown_model", Sentence("Expected a model among {names}. Choose one of them.", names=names))
        return self.classifiers[name]


def start_readers(settings: Settings) -> None:
    """Start a process that reads files, so that the first request finds it ready."""
    _readers(settings.max_read_seconds).start()


def this_app() -> App:
    """Give what the application factory stored."""
    app: App = current_app.extensions["brain_mri"]
    return app


def uploaded_files(request: Request, max_files: int) -> list[bytes]:
    """Give the contents of the parts named `files`, in order; a name only tells that a file was chosen.

    Raises:
        Refusal: there is no file, there are too many, or a file stands under another name.
    """
    strange = set(request.files) - {"files"}
    if strange:
        raise Refusal(
            "unknown_field",
            Sentence("Expected the pictures in parts named 'files'. Received a file in another part."),
        )
    # A browser sends one part without name and content when nothing was chosen.
    chosen = [part for part in request.files.getlist("files") if part.filename]
    if not chosen:
        raise Refusal(
            "missing_file", Sentence("Expected a picture. Received none. Choose an MRI slice and send it again.")
        )
    if len(chosen) > max_files:
        raise Refusal(
            "too_many_files",
            Sentence("Expected at most {n} files. Received {m}. Send them in parts.", n=max_files, m=len(chosen)),
        )
    return [_content(part.stream) for part in chosen]


def _content(stream: IO[bytes]) -> bytes:
    """Give what MemoryRequest stored, without the second copy that reading would make of it."""
    return stream.getvalue() if isinstance(stream, io.BytesIO) else stream.read()
