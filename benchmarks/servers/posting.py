"""Post files to a server over a connection that stays open, as a program would."""

import http.client
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_TIMEOUT_SECONDS = 600


class AnswerError(Exception):
    """A server did not answer as expected; the message says how it did."""


@dataclass(frozen=True)
class Route:
    """Where files are posted, with which fields, and what the answer must contain."""

    path: str
    fields: Mapping[str, str] = field(default_factory=dict)
    must_contain: bytes = b"probabilities"


PREDICTIONS = Route("/api/v1/predictions")
WITH_HEATMAP = Route(PREDICTIONS.path, {"heatmap": "yes"}, must_contain=b'"heatmap"')
# Of the servers that the app is compared with.
PEER = Route("/predict", must_contain=b"heatmap")


@dataclass(frozen=True)
class HttpAnswer:
    """An answer, whatever it says; retry_after_seconds: 0 where the server does not ask to come again later."""

    status: int
    body: bytes
    retry_after_seconds: float


class Client:
    """One connection to one server, which is opened again when the server closed it while nothing was sent."""

    def __init__(self, host: str, port: int, route: Route, files: Sequence[bytes]) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
        self._route = route
        self._body, self._headers = multipart(files, route.fields)

    def post(self) -> bytes:
        """Post the files and give the answer's body.

        Raises:
            AnswerError: the status is not 200, or the answer lacks what it must contain.
        """
        answer = self.answer()
        if answer.status != 200 or self._route.must_contain not in answer.body:
            raise AnswerError(
                f"Expected status 200 and {self._route.must_contain.decode()!r} from {self._route.path}. "
                f"Received {answer.status}: {answer.body[:300].decode(errors='replace')}"
            )
        return answer.body

    def answer(self) -> HttpAnswer:
        """Post the files and give the answer, whatever it says."""
        try:
            return self._send()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._connection.close()
            return self._send()

    def json(self) -> Any:
        """Post the files and give what the answer's JSON says."""
        return json.loads(self.post())

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _send(self) -> HttpAnswer:
        self._connection.request("POST", self._route.path, self._body, self._headers)
        response = self._connection.getresponse()
        return HttpAnswer(response.status, response.read(), float(response.headers.get("Retry-After", 0)))


def multipart(files: Sequence[bytes], fields: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form with fields, and files in parts named `files`."""
    boundary = uuid.uuid4().hex
    parts = [_part(boundary, f'name="{name}"', value.encode()) for name, value in fields.items()]
    parts += [_part(boundary, f'name="files"; filename="{i}"', content) for i, content in enumerate(files)]
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def _part(boundary: str, disposition: str, content: bytes) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"
