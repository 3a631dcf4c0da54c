"""The OpenAPI document, made from the views below /api/v1 and their schemas."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema

from web.api import schemas
from web.errors import API_PREFIX
from web.refusals import CODES

OPENAPI_VERSION = "3.1.0"
# Raised when the API gains something.
API_VERSION = "1.3.0"
V1_PREFIX = f"{API_PREFIX}v1"
_LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "description": "Language of the sentences in the answer: en or fr.",
    "schema": {"type": "string", "examples": ["fr"]},
}
_RETRY_AFTER = {"description": "Seconds to wait before the request is sent again.", "schema": {"type": "integer"}}
_WAITING = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
# Needed only if the operator set tokens: hence an alternative to none.
_SECURITY: list[dict[str, list[str]]] = [{}, {"token": []}]
_TOKEN = {"type": "http", "scheme": "bearer", "description": "A token, where the server's operator asks for one."}
# Of every operation.
_COMMON_CODES = ("unauthorized", "internal_error")
_REQUEST_ID = {"description": "Id of the request, as in the log.", "schema": {"type": "string"}, "required": True}

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operation:
    """What a view's signature cannot say; its decorator, below the route.

    answer: schema of the answer with status 200, answers: the sentence that describes it; codes: of the problems that
    it can give besides those of all; takes: schema of the multipart request; examples: answers by name.
    """

    operation_id: str
    answer: type[Schema]
    answers: str
    codes: tuple[str, ...] = ()
    takes: type[Schema] | None = None
    examples: dict[str, Any] | None = None

    def __call__(self, view: View) -> View:
        """Keep this description with the view."""
        view.__dict__["operation"] = self
        return view


def describe(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of the app's routes below /api/v1. Each of their views must have an Operation."""
    spec = APISpec(
        "Brain MRI classifier",
        API_VERSION,
        OPENAPI_VERSION,
        plugins=[MarshmallowPlugin()],
        info={
            "description": "Classifies brain MRI by tumor type. For research and teaching, not a medical device.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
    )
    for schema in schemas.AnyReading.schemas:
        spec.components.schema(schemas.name_of(schema), schema=schema)
    spec.components.header("RequestId", _REQUEST_ID)
    spec.components.header("RetryAfter", _RETRY_AFTER)
    spec.components.security_scheme("token", _TOKEN)
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.rule.startswith(f"{V1_PREFIX}/"):
            view = app.view_functions[rule.endpoint]
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            spec.path(rule.rule, operations={method.lower(): _operation(view) for method in sorted(methods)})
    for name, described in spec.components.schemas.items():
        sentence = inspect.getdoc(getattr(schemas, f"{name}Schema"))
        spec.components.schemas[name] = {"description": sentence, **described}
    document: dict[str, Any] = spec.to_dict()
    return document


def _operation(view: Callable[..., Any]) -> dict[str, Any]:
    operation: Operation = view.__dict__["operation"]
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": inspect.getdoc(view),
        "parameters": [_LANGUAGE],
        "security": _SECURITY,
    }
    if operation.takes:
        described["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": operation.takes}},
        }
    content = {"schema": operation.answer, "examples": _examples(operation)}
    described["responses"] = {
        "200": _response(operation.answers, "application/json", {k: v for k, v in content.items() if v}),
        **_problems((*operation.codes, *_COMMON_CODES)),
    }
    return described


def _examples(operation: Operation) -> dict[str, Any]:
    return {name: {"value": value} for name, value in (operation.examples or {}).items()}


def _response(sentence: str, media_type: str, content: dict[str, Any], waits: bool = False) -> dict[str, Any]:
    headers = {"X-Request-Id": "RequestId"} | ({"Retry-After": "RetryAfter"} if waits else {})
    return {"description": sentence, "headers": headers, "content": {media_type: content}}


def _problems(codes: tuple[str, ...]) -> dict[str, Any]:
    """Return one response per status, which names the codes that it can carry."""
    by_status: dict[HTTPStatus, list[str]] = {}
    for code in codes:
        by_status.setdefault(CODES[code].status, []).append(code)
    return {
        str(int(status)): _response(
            " ".join(f"`{code}`: {CODES[code].meaning}" for code in of_status),
            "application/problem+json",
            {"schema": {"allOf": [schemas.ProblemSchema, {"type": "object", "properties": _fixed(status, of_status)}]}},
            waits=status in _WAITING,
        )
        for status, of_status in sorted(by_status.items())
    }


def _fixed(status: HTTPStatus, codes: list[str]) -> dict[str, Any]:
    return {"status": {"type": "integer", "const": int(status)}, "code": {"type": "string", "enum": codes}}
