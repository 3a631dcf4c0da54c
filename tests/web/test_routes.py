"""The marks of each route; a new one without marks gets the strict rules."""

import pytest
from flask import Flask

from app import create_app
from model.network.classifier import Classifier
from tests.support.client import multipart
from web.guards.tokens import digest_of
from web.refusals import Refusal
from web.routes import Mark, marks_of

MARKS = {
    "static": Mark.OPEN_TO_ALL | Mark.FOR_KEEPING,
    "operations.livez": Mark.OPEN_TO_ALL | Mark.FOR_OPERATORS,
    "operations.readyz": Mark.OPEN_TO_ALL | Mark.FOR_OPERATORS,
    "operations.metrics": Mark.FOR_OPERATORS,
    "pages.stream_cards": Mark.FOR_PROGRAMS,
}


def test_only_these_routes_have_marks_and_all_others_the_strict_rules(app: Flask) -> None:
    with app.app_context():
        found = {rule.endpoint: marks_of(rule.endpoint) for rule in app.url_map.iter_rules()}
    assert {endpoint: marks for endpoint, marks in found.items() if marks} == MARKS


def with_new_route(classifiers: dict[str, Classifier], **settings: object) -> Flask:
    app = create_app(settings, dict(classifiers))

    @app.post("/new")
    def new() -> str:
        return "done"

    return app


def test_new_route_needs_a_token(classifiers: dict[str, Classifier]) -> None:
    client = with_new_route(classifiers, TOKENS=(digest_of("known"),)).test_client()
    assert client.post("/new").status_code == 401
    assert client.post("/new", headers={"Authorization": "Bearer known"}).text == "done"


def test_new_route_that_takes_uploads_is_limited(classifiers: dict[str, Classifier]) -> None:
    client = with_new_route(classifiers, RATE_LIMIT="1/minute").test_client()
    assert [client.post("/new", **multipart({})).status_code for _ in range(2)] == [200, 429]


def test_new_route_counts_as_load_and_its_answer_is_not_kept(classifiers: dict[str, Classifier]) -> None:
    app = with_new_route(classifiers)
    client = app.test_client()
    seen = []

    @app.get("/count")
    def count() -> str:
        seen.append(client.get("/metrics").text)
        return ""

    answer = client.get("/count")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "brain_mri_requests_in_progress 1.0" in seen[0]


def test_new_route_shows_its_errors_to_people(classifiers: dict[str, Classifier]) -> None:
    app = with_new_route(classifiers)

    @app.get("/refused")
    def refused() -> str:
        raise Refusal("bad_request", "Not so.")  # type: ignore[arg-type]

    assert app.test_client().get("/refused").mimetype == "text/html"


@pytest.mark.parametrize(("path", "counts"), [("/livez", 0), ("/readyz", 0), ("/", 1)])
def test_what_operators_ask_is_not_load(app: Flask, path: str, counts: int) -> None:
    seen = []

    @app.before_request
    def look() -> None:
        from web.service import service_of

        seen.append(b"in_progress 1.0" in service_of(app).metrics.exposed())

    app.test_client().get(path)
    assert seen == [bool(counts)]
