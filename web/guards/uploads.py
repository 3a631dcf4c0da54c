"""Take uploads from a request into memory, and only there."""

import io
from typing import IO, Any

from flask import Request
from werkzeug.formparser import FormDataParser

from model.sentences import Sentence
from web.refusals import Refusal


class _FormParser(FormDataParser):
    """Refuses a file name that cannot be read; Werkzeug would continue as if nothing had been sent."""

    def parse(self, *given: Any, **options: Any) -> Any:
        self.silent = False
        try:
            return super().parse(*given, **options)
        except UnicodeDecodeError as error:
            raise Refusal(
                "missing_file",
                Sentence("Expected file names in UTF-8. Received another encoding. Rename the file and send it again."),
            ) from error
        except ValueError:
            return given[0], self.cls(), self.cls()


class MemoryRequest(Request):
    """A request whose files never reach the disk: Werkzeug would write those over 500 kB to a temporary file."""

    form_data_parser_class = _FormParser

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        # The size is bounded by MAX_CONTENT_LENGTH, which Werkzeug checks while it reads.
        return io.BytesIO()


def uploaded_files(request: Request, max_files: int) -> list[bytes]:
    """Return the contents of the parts named `files`, in order; a name only tells that a file was chosen.

    Raises:
        Refusal: there is no file, there are too many, or a file has another field name.
    """
    strange = set(request.files) - {"files"}
    if strange:
        raise Refusal(
            "unknown_field",
            Sentence("Expected the images in parts named 'files'. Received a file in another part."),
        )
    # A browser sends one part without name and content when nothing was chosen.
    chosen = [part for part in request.files.getlist("files") if part.filename]
    if not chosen:
        raise Refusal("missing_file", Sentence("Choose a file first."))
    if len(chosen) > max_files:
        raise Refusal(
            "too_many_files",
            Sentence(
                "Expected at most {n} files. Received {m}. Send fewer at a time, and each series whole.",
                n=max_files,
                m=len(chosen),
            ),
        )
    return [_content(part.stream) for part in chosen]


def _content(stream: IO[bytes]) -> bytes:
    """Return what MemoryRequest stored, without the second copy that reading would make of it."""
    return stream.getvalue() if isinstance(stream, io.BytesIO) else stream.read()
