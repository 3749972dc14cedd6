"""Requests that follow from the OpenAPI document alone, right ones and wrong ones: none breaks the server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
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

from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.kube.api import Json
from codecourier.local.processes import wait_until
from codecourier.resources.crd import build_crd
from codecourier.resources.issue_session import IssueSession
from codecourier.resources.merge_job import MergeJob
from codecourier.resources.meta import GROUP, VERSION, CustomResource
from codecourier.resources.project import Project
from codecourier.resources.registry import KINDS
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.sprint_chain import SprintChain
from tests.resources.samples import manifest
from tests.support.rest import REPOSITORY, Rest, known
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
    "prompt": "Go on.",
    "sprintRange": [1, 3],
    "branchName": None,
    "resumeFromSprint": None,
    "fromSprint": 0,
    "issueUrl": f"{REPOSITORY}/issues/7",
    "commentIds": [1, 2],
    "pullRequests": [{"prUrl": f"{REPOSITORY}/pull/1", "prNumber": 1}],
    "baseBranch": "main",
    "config": {"workflowId": "wf_build"},
    "entityType": "run",
    "entityId": "r_seed-2",
}
"""Values of fields that a document alone does not know."""

NEW, FINISHED, TRASHED = range(3)
OVER: Mapping[type[CustomResource], Json] = {
    Run: {
        "phase": "Failed",
        "attempt": 1,
        "tries": [{"number": 1, "sandbox": "gone-1"}],
        "pullRequest": {"phase": "Created", "number": 7, "url": f"{REPOSITORY}/pull/7", "state": "Open"},
    },
    Sandbox: {"phase": "Failed"},
    SprintChain: {"phase": "Failed", "attempt": 1},
    IssueSession: {"phase": "Failed"},
    MergeJob: {"phase": "Failed"},
}
"""Statuses of what is over."""

PRESET: Mapping[str, int] = {
    "PATCH /api/v1/sprint-chains/{id}": NEW,
    "POST /api/v1/sprint-chains/{id}/pause": NEW,
    "POST /api/v1/sprint-chains/{id}/cancel": NEW,
    "POST /api/v1/runs/{id}/cancel": NEW,
    "POST /api/v1/merging/{id}/cancel": NEW,
    "POST /api/v1/pull-requests/{id}/merge": FINISHED,
    "POST /api/v1/runs/{id}/retry": FINISHED,
    "POST /api/v1/sprint-chains/{id}/resume": FINISHED,
    "POST /api/v1/issue-sessions/{id}/follow-up": FINISHED,
    "POST /api/v1/trash/{type}/{id}/restore": TRASHED,
    "DELETE /api/v1/trash/{type}/{id}": TRASHED,
}
"""Which of the three objects an operation is for, where it is not for each."""

SEEDED: Mapping[str, str] = {"POST /api/v1/pull-requests/{id}/merge": "runs"}
"""Objects of which kind an operation is for, where its right is about another one."""

MOSTLY = st.sampled_from([True, True, True, False])


@pytest.fixture(scope="module")
def project(rest: Rest) -> Iterator[str]:
    """Make a project of its own, whose objects the requests may change and delete; return an admin's key."""
    rest.project(NAME, REPOSITORY)
    key = rest.bare_key(NAME, "generated").key
    rest.bind(NAME, "admin", "generated")
    yield known(rest, key)
    rest.admin.fetch("DELETE", f"/api/v1/namespaces/{NAME}")


@cache
def manifest_of(kind: type[CustomResource]) -> Json:
    """Return an object of a kind, without metadata."""
    obj = manifest(build_crd(kind))
    if kind is Run:
        # What another object made is repeated by that alone, and only such a Run merges or follows up.
        for name in ("origin", "merge", "followUp"):
            del obj["spec"][name]
    return obj


def seed(rest: Rest, resource: str) -> None:
    """Make sure that the project has three objects of a kind; `*`: of each kind that can be in the trash.

    The first is new. Of the kinds that work the second is over, and the third too. Of those that can be in the trash
    the third is there.
    """
    for kind in KINDS:
        is_asked = kind.info.is_trashable if resource == "*" else kind.info.plural == resource
        if not is_asked or kind is Project:
            continue
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{NAME}/{kind.info.plural}"
        for number in range(3):
            obj = {**manifest_of(kind), "metadata": {"name": f"seed-{number}", "namespace": NAME}}
            headers = {"Content-Type": "application/json"}
            answer = rest.admin.request("POST", path, orjson.dumps(obj), headers)
            assert answer.status in {HTTPStatus.CREATED, HTTPStatus.CONFLICT}, answer.content
            one = f"{path}/seed-{number}"
            if kind.info.is_trashable:
                label = "true" if number == TRASHED else None
                patch(rest, one, {"metadata": {"labels": {LABEL_TRASHED: label}}})
            if kind in {Run, SprintChain}:
                patch(rest, one, {"spec": {"attempt": 1, "cancelled": False}})
            if kind in OVER and number > NEW:
                patch(rest, f"{one}/status", {"status": OVER[kind]})


def patch(rest: Rest, path: str, change: Json) -> None:
    """Change an object as a user of the cluster or the operator does."""
    rest.admin.fetch("PATCH", path, orjson.dumps(change), "application/merge-patch+json")


@st.composite
def requests(draw: st.DrawFn, operation: APIOperation[Any, Any, Any, Any]) -> Case[Any]:
    """Draw a request: mostly such as the document allows, some with what it does not allow."""
    mode = draw(st.sampled_from([GenerationMode.POSITIVE] * 3 + [GenerationMode.NEGATIVE]))
    case = draw(operation.as_strategy(generation_mode=mode))
    if mode is GenerationMode.NEGATIVE:
        return case
    if case.path_parameters and "id" in case.path_parameters and draw(MOSTLY):
        prefix = operation.definition.raw["x-codecourier-id-prefix"]
        number = PRESET[operation.label] if operation.label in PRESET else draw(st.integers(0, 2))
        case.path_parameters["id"] = f"{prefix}seed-{number}"
    if isinstance(case.body, dict) and draw(MOSTLY):
        case.body = {**case.body, **{name: value for name, value in KNOWN.items() if name in case.body}}
    return case


@pytest.mark.passed_on
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_example_works_through_kube_apiserver(rest: Rest, project: str, name: str) -> None:
    check_example(rest, project, OPERATIONS[name])


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_example_works_and_no_other_request_breaks_the_server(rest: Rest, project: str, name: str) -> None:
    operation = OPERATIONS[name]
    check_example(rest, project, operation)

    @settings(
        max_examples=EXAMPLES,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(operation))
    def play(case: Case[Any]) -> None:
        headers = {"Authorization": f"Bearer {project}"}
        answer = case.call(base_url=rest.address.removesuffix("/api/v1"), headers=headers)
        case.validate_response(answer, checks=CHECKS)

    play()


def check_example(rest: Rest, key: str, operation: APIOperation[Any, Any, Any, Any]) -> None:
    """Make sure that the example that the document has of an operation works."""
    resource = operation.definition.raw["x-kubernetes-right"]["resource"].partition("/")[0]
    seed(rest, SEEDED.get(operation.label, resource))
    # The host of this project's repository is none that the server may ask.
    wanted = {HTTPStatus.CONFLICT} if "/branches" in operation.path else {HTTPStatus.OK, HTTPStatus.CREATED}
    # The server hears of the objects by its watch.
    assert wait_until(lambda: try_example(rest, key, operation) in wanted, timeout_seconds=10)


def try_example(rest: Rest, key: str, operation: APIOperation[Any, Any, Any, Any]) -> int:
    """Send the example that the document has of an operation, for the object that it is for; return the status."""
    raw, path = operation.definition.raw, operation.path.removeprefix("/api/v1")
    body = raw.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    name = f"seed-{PRESET.get(operation.label, FINISHED)}"
    filled = path.replace("{id}", raw["x-codecourier-id-prefix"] + name).replace("{type}", "run")
    sent = body and {field: _seeded(field, value) for field, value in body.items()}
    return rest.ask(operation.method.upper(), filled, key, sent).status


def _seeded(field: str, value: Any) -> Any:
    """Return a value of an example; of a field that names an object, one that is there."""
    return KNOWN[field] if field.endswith("Id") else value
