"""Runs, workflows and sandboxes over REST on a real API server."""

from __future__ import annotations

import pytest

from codecourier.kinds.api_resources import RUNS
from codecourier.kube.api import Json
from codecourier.local.processes import wait_until
from tests.support.rest import PROJECT, REPOSITORY, Rest

pytestmark = [pytest.mark.cluster, pytest.mark.both_doors, pytest.mark.timeout(120)]

RUN: Json = {"workflowId": "wf_build", "prompt": "Fix the tests.", "title": "Fix tests"}


def test_a_run_is_created_once_cancelled_and_retried(rest: Rest, editor: str) -> None:
    first, again = (rest.ask("POST", "/runs", editor, RUN, Idempotency_Key="run-once") for _ in range(2))
    assert (first.status, first.data) == (201, again.data)
    assert rest.ask("POST", "/runs", editor, {**RUN, "title": "Else"}, Idempotency_Key="run-once").status == 409
    id_ = first.data["id"]
    shown = rest.ask("GET", f"/runs/{id_}", editor).data
    assert (shown["title"], shown["githubRepoUrl"], shown["status"]) == ("Fix tests", REPOSITORY, "pending")
    assert id_ in [run["id"] for run in rest.ask("GET", "/runs?status=pending&workflowId=wf_build", editor).data]
    assert rest.ask("POST", f"/runs/{id_}/retry", editor).status == 409
    assert rest.ask("POST", f"/runs/{id_}/cancel", editor).data["isCancelRequested"] is True
    path = RUNS.path(PROJECT, id_.removeprefix("r_"))
    status = b'{"status":{"phase":"Cancelled","attempt":1,"cancelledAttempt":1,"message":"","observedGeneration":2}}'
    rest.admin.fetch("PATCH", f"{path}/status", status, "application/merge-patch+json")
    assert wait_until(lambda: rest.ask("POST", f"/runs/{id_}/retry", editor).status == 200, timeout_seconds=10)
    spec = rest.admin.fetch("GET", path)["spec"]
    assert (spec["attempt"], spec["cancelled"]) == (2, False)


def test_the_log_of_a_pod_that_is_gone_says_so(rest: Rest, editor: str) -> None:
    id_ = rest.ask("POST", "/runs", editor, RUN).data["id"]
    assert rest.ask("GET", f"/runs/{id_}/log", editor).status == 404
    status = b'{"status":{"phase":"Running","attempt":1,"message":"","tries":[{"number":1,"sandbox":"gone-1"}]}}'
    path = RUNS.path(PROJECT, id_.removeprefix("r_"))
    rest.admin.fetch("PATCH", f"{path}/status", status, "application/merge-patch+json")
    assert wait_until(lambda: rest.ask("GET", f"/runs/{id_}/log", editor).status == 200, timeout_seconds=10)
    answer = rest.ask("GET", f"/log/{id_}", editor)
    assert (answer.headers["X-CodeCourier-Log"], answer.data[:26]) == ("status", "# The pod of try 1 is gone")


def test_what_the_cluster_refuses_of_a_run_is_named_by_its_field(rest: Rest, editor: str) -> None:
    answer = rest.ask("POST", "/runs", editor, {**RUN, "branchName": "a..b"})
    assert (answer.status, set(answer.fields)) == (400, {"branchName"})


def test_workflows_and_sandboxes_are_listed(rest: Rest, editor: str) -> None:
    assert "wf_build" in [workflow["id"] for workflow in rest.ask("GET", "/workflows", editor).data]
    assert rest.ask("GET", "/workflows/wf_build", editor).data["command"] == ["true"]
    assert rest.ask("GET", "/sandboxes", editor).data == []
