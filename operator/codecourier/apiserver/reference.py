"""The reference of the REST API, from its document: each operation with its fields, answers and an example."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from codecourier.kube.api import Json

__all__ = ["Entry", "Field", "read_entries", "render_markdown"]

_REFERENCE = "#/components/schemas/"
_JSON = "application/json"


class Field(NamedTuple):
    """A field of a body or answer, or a parameter."""

    name: str
    type: str
    is_required: bool
    meaning: str


class Entry(NamedTuple):
    """An operation as the reference shows it."""

    method: str
    path: str
    summary: str
    right: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    success: str
    answer: tuple[Field, ...]
    errors: tuple[str, ...]
    example: str


def read_entries(document: Json) -> Iterator[Entry]:
    """Yield the operations of the OpenAPI document in its order."""
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield _read_entry(method.upper(), path, operation, schemas)


def _read_entry(method: str, path: str, operation: Json, schemas: Json) -> Entry:
    body = operation.get("requestBody", {}).get("content", {}).get(_JSON, {})
    responses = operation["responses"]
    success = next(status for status in responses if status.startswith("2"))
    content = responses[success].get("content", {})
    answer = content.get(_JSON, {}).get("schema", {})
    right = operation["x-kubernetes-right"]
    return Entry(
        method,
        path,
        operation["summary"],
        f"{right['verb']} {right['resource']}",
        tuple(map(_read_parameter, operation.get("parameters", ()))),
        tuple(_read_fields(body.get("schema", {}), schemas)),
        success if _JSON in content else f"{success}, {', '.join(content)}",
        tuple(_read_fields(_data_of(answer, schemas), schemas)),
        tuple(status for status in responses if status not in {success, "default"}),
        _example(method, path, operation["x-codecourier-id-prefix"], body.get("example")),
    )


def _read_parameter(parameter: Json) -> Field:
    schema = parameter["schema"]
    name = parameter["name"] if parameter["in"] != "header" else f"{parameter['name']} (header)"
    return Field(name, _type_of(schema), parameter.get("required", False), parameter.get("description", ""))


def _resolved(schema: Json, schemas: Json) -> Json:
    reference = schema.get("$ref")
    found: Json = schemas[reference.removeprefix(_REFERENCE)] if isinstance(reference, str) else schema
    return found


def _data_of(schema: Json, schemas: Json) -> Json:
    """Return what an answer shows of an object, or of each of a list."""
    data = _resolved(schema, schemas).get("properties", {}).get("data", {})
    items: Json = data.get("items", data)
    return items


def _read_fields(schema: Json, schemas: Json) -> Iterator[Field]:
    found = _resolved(schema, schemas)
    required = found.get("required", ())
    for name, field in found.get("properties", {}).items():
        yield Field(name, _type_of(field), name in required, field.get("description", ""))


def _type_of(schema: Json) -> str:
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(map(_type_of, options)))
    if isinstance(reference := schema.get("$ref"), str):
        return reference.removeprefix(_REFERENCE)
    if values := schema.get("enum"):
        return " | ".join(f'"{value}"' for value in values)
    if schema.get("type") == "array":
        return f"list of {_type_of(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type", "any"))


def _example(method: str, path: str, prefix: str, body: Any) -> str:
    words = ["curl"] if method == "GET" else ["curl", "-X", method]
    line = f'{" ".join(words)} -H "Authorization: Bearer $KEY"'
    if body is not None:
        text = json.dumps(body, ensure_ascii=False)
        line += f' -H "Content-Type: {_JSON}" \\\n  -d {shlex.quote(text)}'
    filled = path.replace("{id}", f"{prefix}…")
    return f'{line} \\\n  "$API{filled.removeprefix("/api/v1")}"'


def render_markdown(entries: Iterable[Entry]) -> str:
    """Return the reference as Markdown, without a title."""
    return "\n".join(line for entry in entries for line in _markdown_of(entry))


def _markdown_of(entry: Entry) -> Iterator[str]:
    yield f"\n## `{entry.method} {entry.path}`\n"
    yield f"{entry.summary}. Needs the right to {entry.right}.\n"
    yield f"```sh\n{entry.example}\n```\n"
    for title, fields in (("parameter", entry.parameters), ("field of the body", entry.body)):
        if fields:
            yield f"| {title} | type | required | meaning |\n|---|---|---|---|"
            yield from map(_request_row, fields)
            yield ""
    yield f"Answers {entry.success}; refuses with {', '.join(entry.errors)}.\n"
    if entry.answer:
        yield "| field of `data` | type | meaning |\n|---|---|---|"
        yield from (f"| `{field.name}` | {_cell(field.type)} | {_cell(field.meaning)} |" for field in entry.answer)
        yield ""


def _request_row(field: Field) -> str:
    required = "yes" if field.is_required else "no"
    return f"| `{field.name}` | {_cell(field.type)} | {required} | {_cell(field.meaning)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
