"""Requests that follow from the OpenAPI document alone, right ones and wrong ones: none breaks the server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    CheckFunction,
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from codecourier.resources.api_key import APIKey
from codecourier.resources.crd import build_crd
from codecourier.resources.meta import GROUP, VERSION
from codecourier.resources.project import Project
from codecourier.resources.registry import KINDS
from tests.resources.samples import manifest
from tests.support.rest import EDITOR, REPOSITORY, Rest, known
from tests.support.rest_document import openapi_document

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

NAME = "rest-generated"
EXAMPLES = int(os.environ.get("CODECOURIER_GENERATED_REQUESTS", "12"))
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = {
    f"{operation.method.upper()} {operation.path}": operation
    for found in schemathesis.openapi.from_dict(openapi_document()).get_all_operations()
    if isinstance(found, Ok) and "text/event-stream" not in str((operation := found.ok()).definition.raw["responses"])
}
"""The operations by method and path, without those whose answers have no end."""

KNOWN: Mapping[str, Any] = {
    "notificationId": "notif_seed-0",
    "workflowId": "wf_build",
    "targetWorkflowId": "wf_build",
    "githubRepoUrl": REPOSITORY,
    "timezone": "Europe/Berlin",
    "sprintRange": [1, 3],
    "branchName": None,
    "resumeFromSprint": None,
}
"""Values of fields that a document alone does not know."""


@pytest.fixture(scope="module")
def project(rest: Rest) -> Iterator[str]:
    """Make a project of its own, whose objects the requests may change and delete; return an editor's key."""
    rest.project(NAME, REPOSITORY)
    yield known(rest, rest.key(NAME, "generated", EDITOR).key)
    rest.admin.fetch("DELETE", f"/api/v1/namespaces/{NAME}")


def seed(rest: Rest) -> None:
    """Make sure that the project has three objects of each kind that can be made without the operator."""
    for kind in KINDS:
        if kind in {Project, APIKey}:
            continue
        for number in range(3):
            obj = manifest(build_crd(kind))
            obj["metadata"] = {"name": f"seed-{number}", "namespace": NAME}
            path = f"/apis/{GROUP}/{VERSION}/namespaces/{NAME}/{kind.info.plural}"
            headers = {"Content-Type": "application/json"}
            answer = rest.admin.request("POST", path, orjson.dumps(obj), headers)
            assert answer.status in {HTTPStatus.CREATED, HTTPStatus.CONFLICT}, answer.content


@st.composite
def requests(draw: st.DrawFn, operation: APIOperation[Any, Any, Any, Any]) -> Case[Any]:
    """Draw a request: mostly such as the document allows, some with what it does not allow."""
    mode = draw(st.sampled_from([GenerationMode.POSITIVE] * 3 + [GenerationMode.NEGATIVE]))
    case = draw(operation.as_strategy(generation_mode=mode))
    if mode is GenerationMode.NEGATIVE:
        return case
    if case.path_parameters and "id" in case.path_parameters and draw(st.booleans()):
        prefix = operation.definition.raw["x-codecourier-id-prefix"]
        case.path_parameters["id"] = f"{prefix}seed-{draw(st.integers(0, 2))}"
    if isinstance(case.body, dict) and draw(st.booleans()):
        case.body = {**case.body, **{name: value for name, value in KNOWN.items() if name in case.body}}
    return case


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_breaks_the_server(rest: Rest, project: str, name: str) -> None:
    seed(rest)
    statuses: set[int] = set()
    headers = {"Authorization": f"Bearer {project}"}

    @settings(
        max_examples=EXAMPLES,
        phases=(Phase.explicit, Phase.generate),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(OPERATIONS[name]))
    def play(case: Case[Any]) -> None:
        answer = case.call(base_url=rest.address.removesuffix("/api/v1"), headers=headers)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    play()
    assert statuses & {200, 201}, statuses
