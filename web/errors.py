"""Every error on pages and in the API: whose fault it is, what to do, and an id where the server failed."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from flask import Flask, Response, g, json, make_response, request, url_for
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from model.sentences import Sentence
from web.languages.languages import say
from web.observing.request_id import request_id
from web.refusals import Refusal
from web.routes import Mark, is_marked
from web.service import this_service

# Programs alone use addresses below it, known ones and others.
API_PREFIX = "/api/"
# Refused by the headers, before the body has arrived.
_BEFORE_READING = {"unauthorized", "cross_site", "too_many_requests", "overloaded"}
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}
# Bodies up to this much over the limit are read to their end. The proxy lets no longer ones through.
_SPARE_BYTES = 10_000_000
_CHUNK_BYTES = 65_536
_HTTP_SENTENCES = {
    404: Sentence("Page not found."),
    405: Sentence("This address takes another method. Send images with POST."),
}
_log = logging.getLogger(__name__)


def register(app: Flask, show_page: Callable[[str, Sentence], str]) -> None:
    """Answer every error: programs with problem+json, people with `show_page`, which keeps the form."""

    def answer(status: int, code: str, detail: Sentence) -> tuple[Response | str, int]:
        note_refusal(code)
        if request.path.startswith(API_PREFIX) or is_marked(Mark.FOR_PROGRAMS):
            return problem(status, code, detail), status
        return show_page(code, detail), status

    @app.errorhandler(Refusal)
    def refused(error: Refusal) -> Response:
        if error.code in _BEFORE_READING:
            _drain_body(_longest_body_bytes())
        response = make_response(answer(error.status, error.code, error.detail))
        for name, value in error.headers:
            response.headers.add(name, value)
        return response

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> tuple[Response | str, int]:
        settings = this_service().settings
        _drain_body(_longest_body_bytes())
        detail = Sentence(
            "Expected at most {n} files and {mb} MB in one request. Received more. Send fewer files, or a zip "
            "file, which is smaller. On your own machine, `python -m model FOLDER` reads a large series.",
            n=settings.max_files,
            mb=settings.max_upload_mb,
        )
        return answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "upload_too_large", detail)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        other = Sentence("This request cannot be answered: {name}.", name=error.name)
        detail = _HTTP_SENTENCES.get(status, other)
        response = make_response(answer(status, _http_code(status), detail))
        if isinstance(error, MethodNotAllowed):
            response.allow.update(error.valid_methods or ())
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> tuple[Response | str, int]:
        _log.error("request %s failed", request_id(), exc_info=error, extra={"fields": {"request_id": request_id()}})
        detail = Sentence(
            "Something failed on this server. Your image is not the cause. If it happens again, report the id {id}.",
            id=request_id(),
        )
        return answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail)


def note_refusal(code: str) -> None:
    """Keep the code for the log and the metrics of this request."""
    g.refusal_code = code


def _longest_body_bytes() -> int:
    return this_service().settings.max_upload_bytes + _SPARE_BYTES


def _drain_body(n_bytes: int) -> None:
    """Read and drop the rest of a body that is a little too long; cut off a much longer one.

    If the connection closes while a client still sends, the client sees a reset or a 502 instead of the sentence.
    """
    if (request.content_length or 0) > n_bytes:
        return
    while n_bytes > 0 and (chunk := request.environ["wsgi.input"].read(min(n_bytes, _CHUNK_BYTES))):
        n_bytes -= len(chunk)


def _http_code(status: int) -> str:
    return _HTTP_CODES.get(status, "bad_request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal_error")


def problem(status: int, code: str, detail: Sentence) -> Response:
    """Return an RFC 9457 problem; its type is the address of the code's row in the documentation."""
    body = {
        "type": url_for("docs.page", _anchor=f"error-{code}"),
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": say(detail),
        "request_id": request_id(),
    }
    return Response(json.dumps(body), status=status, mimetype="application/problem+json")
