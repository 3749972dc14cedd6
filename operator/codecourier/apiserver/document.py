"""The OpenAPI document: what the framework derives from the operations, and what it cannot know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from codecourier.apiserver.examples import EXAMPLES
from codecourier.apiserver.route import JSON, MEDIA
from codecourier.kube.api import Json

__all__ = ["ABOUT", "complete"]

ABOUT: Mapping[str, Any] = {
    "title": "CodeCourier",
    "version": "v1",
    "summary": "Runs coding agents against Git repositories.",
    "description": (
        "Every request carries an API key, or a Kubernetes token and the name of a project. The same operations are "
        "served by kube-apiserver below /apis/ops.codecourier.dev/v1/namespaces/{project}."
    ),
    "license_info": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
    "contact": {"name": "The administrators of your cluster"},
}
"""What the document says about the API as a whole."""

_SCHEME = "key"
_SECURITY: Json = {
    _SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`cc_live_…`), or a Kubernetes token with the header `X-CodeCourier-Project`.",
    }
}
_RETRY_AFTER: Json = {
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
}
_WAITS = ("429", "503")
_REFERENCE = "#/components/schemas/"


def complete(document: Json) -> Json:
    """Return the framework's document with servers, how callers say who they are, tags, headers, and no unused schema.

    Parameters
    ----------
    document
        What the framework has made of the routes.
    """
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    tags = sorted({tag for operation in operations for tag in operation["tags"]})
    for operation in operations:
        for status in _WAITS:
            operation["responses"][status]["headers"] = _RETRY_AFTER
        _move_content(operation)
        if (example := EXAMPLES.get(operation["operationId"])) is not None:
            operation["requestBody"]["content"]["application/json"]["example"] = example
    schemas = document["components"]["schemas"]
    used = _reachable(document["paths"], schemas)
    components = {
        "schemas": {name: schema for name, schema in schemas.items() if name in used},
        "securitySchemes": _SECURITY,
    }
    return {
        **document,
        "servers": [{"url": "/", "description": "The address that this document was read from."}],
        "security": [{_SCHEME: []}],
        "tags": [{"name": tag, "description": f"Operations on {tag}."} for tag in tags],
        "components": components,
    }


def _move_content(operation: Json) -> None:
    """Name the type of what a success shows; the framework knows JSON alone."""
    media = operation.pop(MEDIA, JSON)
    for status, answer in operation["responses"].items():
        if status.startswith("2") and JSON in (content := answer.get("content", {})):
            content[media] = content.pop(JSON)


def _reachable(paths: Json, schemas: Json) -> set[str]:
    """Return the names of the schemas that the paths refer to, directly or by way of others."""
    found: set[str] = set()
    ahead = list(_references(paths))
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(_references(schemas[name]))
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str):
                yield inner.removeprefix(_REFERENCE)
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
