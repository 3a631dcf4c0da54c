"""The API's documentation: the OpenAPI document, and a page of it for people."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, json, jsonify, render_template, request

from model.card import DISCLAIMER
from web.refusals import CODES

blueprint = Blueprint("docs", __name__)


@dataclass(frozen=True)
class FieldRow:
    """A field of a schema; `links` are the names of the schemas in its type."""

    name: str
    type: str
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


def type_of(schema: dict[str, Any]) -> str:
    """Return a JSON schema's type in words: "string or null", "list of integer"."""
    if alternatives := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(type_of(alternative) for alternative in alternatives)
    if "$ref" in schema:
        return _name(schema)
    types = schema.get("type", "any")
    words = [types] if isinstance(types, str) else list(types)
    described = [_in_words(word, schema) for word in words]
    return " or ".join(described) + _limits(schema)


def _in_words(word: str, schema: dict[str, Any]) -> str:
    if word == "array":
        return f"list of {type_of(schema['items'])}"
    if word == "object" and schema.get("additionalProperties"):
        return f"object of {type_of(schema['additionalProperties'])}"
    return f"{word} ({schema['format']})" if "format" in schema and word != "null" else word


def _limits(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "enum" in schema:
        return ": " + ", ".join(str(value) for value in schema["enum"] if value is not None)
    if low is not None:
        return f", from {low}" + (f" to {high}" if high is not None else "")
    return ""


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
