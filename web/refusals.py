"""Refusals: each has a stable code, with its HTTP status, and a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from model.errors import ImageError
from model.sentences import Sentence


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
    "unknown_field": Code(HTTPStatus.BAD_REQUEST, "A file is in a part that is not named 'files'."),
    "unknown_parameter": Code(HTTPStatus.BAD_REQUEST, "A text field has a name or a value that is not known."),
    "unknown_model": Code(HTTPStatus.BAD_REQUEST, "There is no model of the name in 'model'."),
    "unknown_sample": Code(HTTPStatus.BAD_REQUEST, "There is no sample of that name; only the page has samples."),
    "too_many_files": Code(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request holds more files than are read at once."),
    "upload_too_large": Code(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is larger than this server accepts."),
    "unsupported_format": Code(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The file's content is in none of the formats read here."
    ),
    "unreadable_image": Code(HTTPStatus.UNPROCESSABLE_ENTITY, "The format is known, but the content is damaged."),
    "too_many_pixels": Code(HTTPStatus.UNPROCESSABLE_ENTITY, "The image has more pixels than this server decodes."),
    "decoder_failed": Code(HTTPStatus.UNPROCESSABLE_ENTITY, "Reading the file crashed, or took too long."),
    "unsuitable_image": Code(HTTPStatus.UNPROCESSABLE_ENTITY, "The image holds nothing to classify."),
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
        HTTPStatus.METHOD_NOT_ALLOWED, "The address takes another method, named in 'Allow'.", of_form=False
    ),
    "overloaded": Code(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "More requests came than can be worked on; 'Retry-After' says when to try again.",
        of_form=False,
    ),
    "internal_error": Code(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed, not the request.", of_form=False),
}


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
        """Return the refusal of an image that cannot be classified."""
        return cls(error.code, error.sentence)


def concerns_the_form(code: str) -> bool:
    """Return whether what was sent is the cause, rather than the address or the server."""
    return code in CODES and CODES[code].of_form
