"""Every refusal: its stable code, its HTTP status, and how pages and the API show it."""

import logging
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Flask, Response, current_app, g, json, make_response, request, url_for
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from model.errors import ImageError
from model.sentences import Sentence
from web.languages.languages import say

API_PREFIX = "/api/"
# Addresses whose caller is a program: the API's, and the one that the page's script asks.
_FOR_PROGRAMS = (API_PREFIX, "/cards")


@dataclass(frozen=True)
class Code:
    """One row of CODES: the HTTP status, the meaning in one sentence, and whether what was sent is the cause."""

    status: HTTPStatus
    meaning: str
    of_form: bool = True


# Every code that an answer can carry. A code never changes its meaning; the documentation lists them all.
CODES = {
    "missing_file": Code(HTTPStatus.BAD_REQUEST, "The request holds no file in a part named 'files'."),
    "empty_file": Code(HTTPStatus.BAD_REQUEST, "The file holds no bytes."),
    "unknown_field": Code(HTTPStatus.BAD_REQUEST, "A file stands in a part of another name than 'files'."),
    "unknown_model": Code(HTTPStatus.BAD_REQUEST, "There is no model of the name in 'model'."),
    "unknown_sample": Code(HTTPStatus.BAD_REQUEST, "There is no sample of that name; only the page has samples."),
    "too_many_files": Code(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request holds more files than are read at once."),
    "upload_too_large": Code(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is larger than what is read."),
    "unsupported_format": Code(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The file's content is of no format read here."),
    "unreadable_image": Code(HTTPStatus.UNPROCESSABLE_ENTITY, "The format is known, but the content is damaged."),
    "too_many_pixels": Code(HTTPStatus.UNPROCESSABLE_ENTITY, "The picture has more pixels than are decoded here."),
    "decoder_failed": Code(HTTPStatus.UNPROCESSABLE_ENTITY, "Reading the file crashed, or took too long."),
    "unsuitable_image": Code(HTTPStatus.UNPROCESSABLE_ENTITY, "The picture holds nothing that can be classified."),
    "unauthorized": Code(
        HTTPStatus.UNAUTHORIZED, "The request carries no token that this server knows.", of_form=False
    ),
    "cross_site": Code(HTTPStatus.FORBIDDEN, "A page of another web site made the request.", of_form=False),
    "too_many_requests": Code(
        HTTPStatus.TOO_MANY_REQUESTS, "This address sent too many uploads; 'Retry-After' says how long to wait.", False
    ),
    "no_results": Code(HTTPStatus.NOT_FOUND, "This server holds no results of an evaluation.", of_form=False),
    "bad_request": Code(HTTPStatus.BAD_REQUEST, "The request breaks the rules of HTTP.", of_form=False),
    "not_found": Code(HTTPStatus.NOT_FOUND, "There is nothing at this address.", of_form=False),
    "method_not_allowed": Code(
        HTTPStatus.METHOD_NOT_ALLOWED, "The address is asked for by another method, named in 'Allow'.", of_form=False
    ),
    "overloaded": Code(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "More requests came than can be worked on; 'Retry-After' says when to try again.",
        of_form=False,
    ),
    "internal_error": Code(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed, not the request.", of_form=False),
}
# Refused by their headers alone, while the body is still on its way.
_BEFORE_READING = {"unauthorized", "cross_site", "too_many_requests", "overloaded"}
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}
# Bodies up to this much over the limit are read to their end; the proxy in front lets no longer ones through.
_SPARE_BYTES = 10_000_000
_CHUNK_BYTES = 65_536
# A proxy's ids, UUIDs among them, are hexadecimal; no word or name has this form.
_PROXY_REQUEST_ID = re.compile(r"[0-9a-f]{16,32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HTTP_SENTENCES = {
    404: Sentence("Expected an address of this application. There is nothing here. Go back to the start page."),
    405: Sentence("Expected another method for this address. Predictions are asked for with POST."),
}
_log = logging.getLogger(__name__)


class Refusal(Exception):
    """A request that is not answered with a prediction. `detail` is fit to be shown; `headers` go with the answer."""

    def __init__(self, code: str, detail: Sentence, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(detail)
        self.code, self.detail, self.headers = code, detail, list(headers)

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status of the code."""
        return CODES[self.code].status

    @classmethod
    def of_image(cls, error: ImageError) -> "Refusal":
        """Give the refusal of a picture that cannot be classified."""
        return cls(error.code, error.sentence)


def register(app: Flask, show_page: Callable[[str, Sentence], str]) -> None:
    """Answer every error: problem+json below /api/, else `show_page`, which keeps the form."""

    def answer(status: int, code: str, detail: Sentence) -> tuple[Response | str, int]:
        note_refusal(code)
        if request.path.startswith(_FOR_PROGRAMS):
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
        settings = current_app.extensions["brain_mri"].settings
        _drain_body(_longest_body_bytes())
        detail = Sentence(
            "Expected at most {n} files and {mb} MB in one request. Received more. Send fewer or smaller pictures.",
            n=settings.max_files,
            mb=settings.max_upload_mb,
        )
        return answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "upload_too_large", detail)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        other = Sentence("Expected a request that can be answered. Received: {name}.", name=error.name)
        detail = _HTTP_SENTENCES.get(status, other)
        response = make_response(answer(status, _http_code(status), detail))
        if isinstance(error, MethodNotAllowed):
            response.allow.update(error.valid_methods or ())
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> tuple[Response | str, int]:
        _log.error("request %s failed", request_id(), exc_info=error, extra={"fields": {"request_id": request_id()}})
        detail = Sentence(
            "Something went wrong here, not with your picture. If it stays so, report the id {id}.", id=request_id()
        )
        return answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail)


def note_refusal(code: str) -> None:
    """Keep the code for the log and the metrics of this request."""
    g.refusal_code = code


def _longest_body_bytes() -> int:
    bound: int = current_app.extensions["brain_mri"].settings.max_upload_bytes + _SPARE_BYTES
    return bound


def _drain_body(n_bytes: int) -> None:
    """Take the rest of a body that is a little too long and drop it; a much longer one is cut off.

    A client that still sends when the connection closes sees a reset, and a proxy answers 502, instead of the sentence.
    """
    if (request.content_length or 0) > n_bytes:
        return
    while n_bytes > 0 and (chunk := request.environ["wsgi.input"].read(min(n_bytes, _CHUNK_BYTES))):
        n_bytes -= len(chunk)


def _http_code(status: int) -> str:
    return _HTTP_CODES.get(status, "bad_request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal_error")


def concerns_the_form(code: str) -> bool:
    """Tell whether what was sent is the cause, rather than the address or the server."""
    return code in CODES and CODES[code].of_form


def problem(status: int, code: str, detail: Sentence) -> Response:
    """Give an RFC 9457 problem; its type is the address of the code's row in the documentation."""
    body = {
        "type": url_for("docs.page", _anchor=f"error-{code}"),
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": say(detail),
        "request_id": request_id(),
    }
    return Response(json.dumps(body), status=status, mimetype="application/problem+json")


def request_id() -> str:
    """Give this request's id: that of a trusted proxy in front, else a random one, made at its first use."""
    if "request_id" not in g:
        g.request_id = _id_of_proxy() or secrets.token_hex(8)
    identifier: str = g.request_id
    return identifier


def _id_of_proxy() -> str:
    given = request.headers.get("X-Request-Id", "")
    trusted = current_app.extensions["brain_mri"].settings.proxy_hops > 0
    return given if trusted and _PROXY_REQUEST_ID.fullmatch(given) else ""
