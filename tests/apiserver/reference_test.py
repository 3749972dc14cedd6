"""The reference shows what the document says, whatever the texts contain."""

from __future__ import annotations

from codecourier.apiserver.page import render_html
from codecourier.apiserver.reference import read_entries, render_markdown
from codecourier.kube.api import Json
from tests.support.rest_document import openapi_document

TASK: Json = {
    "required": ["title"],
    "properties": {
        "title": {"type": "string", "description": "A | B\nor <b>C</b>."},
        "days": {"type": "array", "items": {"anyOf": [{"enum": ["mon", "tue"]}, {"type": "null"}]}},
    },
}
DOCUMENT: Json = {
    "components": {
        "schemas": {"Task": TASK, "Page": {"properties": {"data": {"items": {"$ref": "#/components/schemas/Task"}}}}}
    },
    "paths": {
        "/api/v1/tasks/{id}": {
            "put": {
                "summary": "Change a task",
                "x-kubernetes-right": {"verb": "update", "resource": "tasks"},
                "x-codecourier-id-prefix": "t_",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/Task"},
                            "example": {"title": "It's due"},
                        }
                    }
                },
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}},
                    "404": {},
                    "default": {},
                },
            }
        }
    },
}


def test_an_operation_is_read_with_its_fields_and_an_example() -> None:
    (entry,) = read_entries(DOCUMENT)
    assert (entry.method, entry.path, entry.right) == ("PUT", "/api/v1/tasks/{id}", "update tasks")
    assert [field.name for field in entry.parameters] == ["id"]
    assert [(field.name, field.type, field.is_required) for field in entry.body] == [
        ("title", "string", True),
        ("days", 'list of "mon" | "tue" or null', False),
    ]
    assert [field.name for field in entry.answer] == ["title", "days"]
    assert (entry.success, entry.errors) == ("200", ("404",))
    assert entry.example.endswith('"$API/tasks/t_…"')
    assert """-d '{"title": "It'"'"'s due"}'""" in entry.example


def test_texts_do_not_break_out_of_their_cells() -> None:
    entries = [*read_entries(DOCUMENT)]
    assert "| `title` | string | yes | A \\| B or <b>C</b>. |" in render_markdown(entries)
    page = render_html("<Tasks>", entries)
    assert "&lt;b&gt;C&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "<h1>&lt;Tasks&gt;</h1>" in page


def test_every_operation_is_shown() -> None:
    document = openapi_document()
    page = render_html("CodeCourier", read_entries(document))
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in page
