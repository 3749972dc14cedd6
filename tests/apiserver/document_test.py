"""What the framework cannot know of the OpenAPI document."""

from __future__ import annotations

from codecourier.apiserver.document import complete
from codecourier.apiserver.examples import EXAMPLES
from codecourier.kube.api import Json
from tests.support.rest_document import openapi_document


def test_what_is_defined_is_used_and_what_is_used_is_defined() -> None:
    reference = {"$ref": "#/components/schemas/Task"}
    answers: Json = {status: {"description": ""} for status in ("200", "429", "503")}
    answers["200"] = {"content": {"application/json": {"schema": {"type": "array", "items": reference}}}}
    document = {
        "paths": {"/tasks": {"get": {"operationId": "list", "tags": ["tasks"], "responses": answers}}},
        "components": {
            "schemas": {"Task": {"$ref": "#/components/schemas/Day"}, "Day": {"type": "string"}, "Left": {}},
        },
    }
    found = complete(document)
    assert set(found["components"]["schemas"]) == {"Task", "Day"}
    assert [tag["name"] for tag in found["tags"]] == ["tasks"]


def test_every_operation_needs_a_caller_and_says_when_to_try_again() -> None:
    document = openapi_document()
    (scheme,) = document["components"]["securitySchemes"]
    assert document["security"] == [{scheme: []}]
    for methods in document["paths"].values():
        for operation in methods.values():
            assert "security" not in operation
            assert all("Retry-After" in operation["responses"][status]["headers"] for status in ("429", "503"))


def test_every_body_has_an_example() -> None:
    document = openapi_document()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    bodies = {
        operation["operationId"]: operation["requestBody"]["content"]["application/json"]
        for operation in operations
        if "requestBody" in operation
    }
    assert {name for name, body in bodies.items() if "example" not in body} == set()
    assert EXAMPLES.keys() == bodies.keys()
