"""The API's documentation: the OpenAPI document, and a page of it for people."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, json, jsonify, render_template, request

from model.card import DISCLAIMER
from model.sentences import Sentence
from web.refusals import CODES

blueprint = Blueprint("docs", __name__)


@dataclass(frozen=True)
class FieldRow:
    """A field of a schema; `links` are the names of the schemas in its type."""

    name: str
    type: Sentence
    links: tuple[str, ...]
    required: bool
    description: str


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """Return the OpenAPI document."""
    return jsonify(current_app.extensions["openapi"])


@blueprint.get("/api/docs")
def page() -> str:
    """Show the OpenAPI document as tables, with the codes of all errors."""
    document = current_app.extensions["openapi"]
    schemas = document["components"]["schemas"]
    return render_template(
        "api_docs.html",
        info=document["info"],
        operations=[
            {"path": path, "method": method.upper(), "takes": _taken(described, schemas), **described}
            for path, methods in document["paths"].items()
            for method, described in methods.items()
        ],
        schemas={name: (schema["description"], fields_of(schema)) for name, schema in schemas.items()},
        codes=CODES,
        as_json=lambda value: json.dumps(value, indent=2, sort_keys=False),
        schema_name=lambda schema: ", ".join(_links(schema)),
        address=request.url_root,
        disclaimer=DISCLAIMER,
    )


def fields_of(schema: dict[str, Any]) -> list[FieldRow]:
    """Return the fields of an object's schema, in its order."""
    required = schema.get("required", ())
    return [
        FieldRow(name, type_of(field), tuple(_links(field)), name in required, field.get("description", ""))
        for name, field in schema.get("properties", {}).items()
    ]


def type_of(schema: dict[str, Any]) -> Sentence:
    """Return a JSON schema's type in words: "string or null", "list of integer"."""
    if alternatives := schema.get("oneOf") or schema.get("anyOf"):
        return _any_of([type_of(alternative) for alternative in alternatives])
    if "$ref" in schema:
        return _as_it_is(_name(schema))
    types = schema.get("type", "any")
    words = [types] if isinstance(types, str) else list(types)
    return _limited(_any_of([_in_words(word, schema) for word in words]), schema)


def _any_of(types: list[Sentence]) -> Sentence:
    *others, last = types
    return Sentence("{others} or {last}", others=_any_of(others), last=last) if others else last


def _in_words(word: str, schema: dict[str, Any]) -> Sentence:
    if word == "array":
        return Sentence("list of {type}", type=type_of(schema["items"]))
    if word == "object" and schema.get("additionalProperties"):
        return Sentence("object of {type}", type=type_of(schema["additionalProperties"]))
    return _as_it_is(f"{word} ({schema['format']})" if "format" in schema and word != "null" else word)


def _limited(type_: Sentence, schema: dict[str, Any]) -> Sentence:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "enum" in schema:
        values = ", ".join(str(value) for value in schema["enum"] if value is not None)
        return Sentence("{type}: {values}", type=type_, values=values)
    if low is None:
        return type_
    if high is None:
        return Sentence("{type}, from {low}", type=type_, low=low)
    return Sentence("{type}, from {low} to {high}", type=type_, low=low, high=high)


def _as_it_is(word: str) -> Sentence:
    """Return a word of JSON or of the schemas, which is the same in every language."""
    return Sentence("{word}", word=word)


def _links(schema: Any) -> list[str]:
    """Return the names of all schemas that a schema refers to."""
    if isinstance(schema, list):
        return [name for part in schema for name in _links(part)]
    if not isinstance(schema, dict):
        return []
    return [_name(schema)] if "$ref" in schema else [name for part in schema.values() for name in _links(part)]


def _name(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _taken(described: dict[str, Any], schemas: dict[str, Any]) -> list[FieldRow]:
    content = described.get("requestBody", {}).get("content", {})
    return [row for body in content.values() for row in fields_of(schemas[_name(body["schema"])])]
