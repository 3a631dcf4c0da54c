"""Requests of the Flask test client, and the required form of every refusal."""

import io
import json

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.samples import sample_bytes

PREDICTIONS = "/api/v1/predictions"


def multipart(fields: dict[str, object]) -> dict[str, object]:
    """Encode a form in memory; the test client would put a large one into a temporary file and leave it open.

    A value is a text, (BytesIO, file name), or a list of these.
    """
    parts = []
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            content, file_name = (value, None) if isinstance(value, str) else (value[0].getvalue(), value[1])
            label = f'; filename="{file_name}"' if file_name is not None else ""
            head = f'--boundary\r\nContent-Disposition: form-data; name="{name}"{label}\r\n\r\n'
            parts.append(head.encode() + (content.encode() if isinstance(content, str) else content) + b"\r\n")
    return {"data": b"".join(parts) + b"--boundary--\r\n", "content_type": "multipart/form-data; boundary=boundary"}


def upload(*contents: bytes, name: str = "slice.png", **fields: str) -> dict[str, object]:
    """Return the request arguments for sending these files."""
    return multipart({"files": [(io.BytesIO(content), name) for content in contents], **fields})


def post(client: FlaskClient, *contents: bytes, path: str = PREDICTIONS, **fields: str) -> TestResponse:
    """Send files, and read the whole answer."""
    return client.post(path, **upload(*contents, **fields), buffered=True)


def sample(name: str = "glioma") -> tuple[io.BytesIO, str]:
    """Return one of the page's samples as a form value."""
    return io.BytesIO(sample_bytes(name)), "slice.jpg"


def assert_problem(answer: TestResponse, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    problem = json.loads(answer.data)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in answer.text
    assert "/work" not in answer.text
