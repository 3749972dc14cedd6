"""GitHub's published description of its REST API, cut to what the forge answers, as a checker of answers.

`tests/data/local/forge/github-openapi.json` is made from the file `generated/api.github.com.json` of the npm package
`@octokit/openapi` (MIT licence): `npm pack @octokit/openapi`, unpack it, then
`python -m tests.support.github_schema PATH_OF_THAT_FILE VERSION_OF_THE_PACKAGE`.
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jsonschema_rs

from codecourier.local.forge.call import Endpoint
from codecourier.local.forge.routes import accounts, commits, issues, merges, pulls, repositories, reviews, stacks

ENDPOINTS: tuple[Endpoint, ...] = (
    *accounts.ENDPOINTS,
    *commits.ENDPOINTS,
    *issues.ENDPOINTS,
    *merges.ENDPOINTS,
    *pulls.ENDPOINTS,
    *repositories.ENDPOINTS,
    *reviews.ENDPOINTS,
    *stacks.ENDPOINTS,
)

_FILE = Path(__file__).parent.parent / "data" / "local" / "forge" / "github-openapi.json"

_KEPT = {
    "additionalProperties",
    "enum",
    "items",
    "maxLength",
    "minLength",
    "minItems",
    "properties",
    "required",
    "type",
}

_COMBINATIONS = ("allOf", "anyOf", "oneOf")

_PREFIX = "#/components/schemas/"


def operation_key(method: str, path: str) -> str:
    """Return an operation's name, without the names of its placeholders."""
    return f"{method} {re.sub(r'{[^}]+}', '{}', path)}"


@cache
def described_operations() -> dict[str, dict[str, Any]]:
    """Return what GitHub describes: by operation, by status, the schema of the answer; None for no content."""
    operations: dict[str, dict[str, Any]] = json.loads(_FILE.read_bytes())["operations"]
    return operations


@cache
def _validator(operation: str, status: str) -> jsonschema_rs.Validator:
    definitions = json.loads(_FILE.read_bytes())["schemas"]
    schema = described_operations()[operation][status]
    return jsonschema_rs.validator_for({"allOf": [schema], "$defs": definitions})


def problems(operation: str, status: int, body: Any) -> list[str]:
    """Return where an answer differs from GitHub's description; statuses that it leaves out are not judged."""
    described = described_operations().get(operation, {})
    if str(status) not in described:
        return []
    if described[str(status)] is None:
        # Errors without a schema have bodies all the same.
        return [f"{operation} {status} has a body"] if status == HTTPStatus.NO_CONTENT and body else []
    errors = _validator(operation, str(status)).iter_errors(body)
    return [
        f"{operation} {status} {'/'.join(map(str, error.instance_path))}: {error.message[:200]}" for error in errors
    ]


def extract(description: dict[str, Any], version: str, licence: str) -> dict[str, Any]:
    """Return what concerns the forge's endpoints, as JSON Schema."""
    paths = {re.sub(r"{[^}]+}", "{}", path): item for path, item in description["paths"].items()}
    operations: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        key = operation_key(endpoint.method, endpoint.path.replace(":path", ""))
        operation = paths.get(key.partition(" ")[2], {}).get(endpoint.method.lower())
        if operation is not None:
            operations[key] = {
                status: _answer_schema(description, answer) for status, answer in operation["responses"].items()
            }
    schemas: dict[str, Any] = {}
    missing = _references(operations)
    while missing:
        name = missing.pop()
        schemas[name] = _json_schema(description["components"]["schemas"][name])
        missing |= _references(schemas[name]) - schemas.keys()
    source = f"@octokit/openapi {version}, shortened"
    return {"source": source, "licence": licence, "operations": operations, "schemas": dict(sorted(schemas.items()))}


def _answer_schema(description: dict[str, Any], answer: dict[str, Any]) -> Any:
    if "$ref" in answer:
        answer = description["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    content = answer.get("content", {}).get("application/json")
    return None if content is None else _json_schema(content["schema"])


def _json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Turn a schema of OpenAPI 3.0 into JSON Schema, without texts and examples."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace(_PREFIX, "#/$defs/")}
    kept = {key: value for key, value in schema.items() if key in _KEPT}
    if "properties" in kept:
        kept["properties"] = {name: _json_schema(value) for name, value in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = _json_schema(kept[key])
    for key in _COMBINATIONS:
        if key in schema:
            kept[key] = [_json_schema(item) for item in schema[key]]
    return {"anyOf": [kept, {"type": "null"}]} if schema.get("nullable") else kept


def _references(value: Any) -> set[str]:
    return set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(value)))


if __name__ == "__main__":
    described = Path(sys.argv[1])
    licence_text = (described.parent.parent / "LICENSE").read_text(encoding="utf-8")
    text = json.dumps(extract(json.loads(described.read_bytes()), sys.argv[2], licence_text), separators=(",", ":"))
    _FILE.parent.mkdir(parents=True, exist_ok=True)
    _FILE.write_text(f"{text}\n", encoding="utf-8")
