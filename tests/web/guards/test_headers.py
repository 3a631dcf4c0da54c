"""The headers that every answer carries."""

import pytest
from flask.testing import FlaskClient

from app import create_app
from model.network.classifier import Classifier

ANSWERS = [
    *(
        ("GET", path)
        for path in ("/", "/static/main.css", "/livez", "/metrics", "/api/v1/models", "/api/docs", "/nowhere")
    ),
    *(("POST", path) for path in ("/", "/cards", "/api/v1/predictions")),
    *((method, "/") for method in ("DELETE", "OPTIONS")),
]
SAME = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_every_answer_is_closed_to_other_sites_and_sets_no_cookie(client: FlaskClient, method: str, path: str) -> None:
    headers = client.open(path, method=method, buffered=True).headers
    assert {name: headers[name] for name in SAME} == SAME
    policy = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == policy["connect-src"] == "'self'"
    assert "Set-Cookie" not in headers
    assert "Access-Control-Allow-Origin" not in headers
    assert "Server" not in headers
    if not path.startswith("/static"):
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("seconds", "forwarded", "expected"), [(0, "https", None), (31_536_000, "http", None), (60, "https", "max-age=60")]
)
def test_https_is_asked_for_ever_after_only_by_setting_and_only_over_https(
    classifiers: dict[str, Classifier], seconds: int, forwarded: str, expected: str | None
) -> None:
    client = create_app({"HSTS_SECONDS": seconds, "PROXY_HOPS": 1}, dict(classifiers)).test_client()
    answer = client.get("/", headers={"X-Forwarded-Proto": forwarded})
    assert answer.headers.get("Strict-Transport-Security") == expected
