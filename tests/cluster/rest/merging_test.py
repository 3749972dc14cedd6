"""Merges over REST, on a real API server: the contract's own lines, and what becomes of a MergeJob."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from codecourier.core.shared.naming import ANNOTATION_REQUESTED_BY
from codecourier.kinds.api_resources import MERGE_JOBS, PROJECTS
from codecourier.kube.api import Json
from codecourier.local.processes import wait_until
from tests.support.rest import PROJECT, REPOSITORY, Answer, Rest, read_lines

pytestmark = [pytest.mark.cluster, pytest.mark.both_doors, pytest.mark.timeout(120)]

DATA = Path(__file__).parents[2] / "data" / "rest"
START: Json = {"pullRequests": [{"prUrl": f"{REPOSITORY}/pull/1"}], "config": {"workflowId": "wf_build"}}


def patch(rest: Rest, path: str, body: Json) -> None:
    """Change an object as a user of the cluster or the operator does."""
    rest.admin.fetch("PATCH", path, orjson.dumps(body), "application/merge-patch+json")


def test_the_lines_of_the_contract_about_merging(rest: Rest, editor: str) -> None:
    listing, start = read_lines(DATA / "merging.sh")

    def run_start() -> Answer:
        return rest.run_line(start, editor, {})

    assert set(run_start().fields) == {"config.workflowId"}, "the project has no workflow for merges"
    patch(rest, PROJECTS.path(PROJECT, "default"), {"spec": {"mergeWorkflowRef": {"name": "build"}}})
    # The server hears of it by its watch.
    assert wait_until(lambda: run_start().status == 201, timeout_seconds=20)
    started = run_start().data
    assert (started["id"][:3], started["status"]) == ("mj_", "pending"), "no operator runs here"
    listed = {found["id"]: found for found in rest.run_line(listing, editor, {}).data}
    shown = listed[started["id"]]
    assert [pull["prNumber"] for pull in shown["pullRequests"]] == [1, 2]
    assert (shown["mode"], shown["baseBranch"], shown["requestedBy"]) == (
        "combine",
        "main",
        f"codecourier:{PROJECT}:editor",
    )
    patch(rest, PROJECTS.path(PROJECT, "default"), {"spec": {"mergeWorkflowRef": None}})


def test_a_merge_is_started_once_shown_and_cancelled(rest: Rest, editor: str) -> None:
    made, again = (rest.ask("POST", "/merging/start", editor, START, Idempotency_Key="one").data for _ in range(2))
    assert made == again
    other = rest.ask("POST", "/merging/start", editor, {**START, "baseBranch": "main"}, Idempotency_Key="one")
    assert (other.status, other.code) == (409, "conflict")
    one, path = f"/merging/{made['id']}", MERGE_JOBS.path(PROJECT, made["id"].removeprefix("mj_"))
    assert rest.admin.fetch("GET", path)["metadata"]["annotations"][ANNOTATION_REQUESTED_BY].endswith(":editor")
    for _ in range(2):
        assert rest.ask("POST", f"{one}/cancel", editor).data == {"id": made["id"], "status": "pending"}
    assert rest.ask("GET", one, editor).data["isCancelRequested"] is True
    assert rest.ask("GET", f"{one}/explain", editor).data["id"] == made["id"]
    patch(rest, f"{path}/status", {"status": {"phase": "Failed"}})
    assert wait_until(lambda: rest.ask("POST", f"{one}/cancel", editor).status == 409, timeout_seconds=20)


def test_what_a_body_lets_through_the_cluster_takes(rest: Rest, editor: str) -> None:
    spelled = ["https://GitHub.com/Org/REPO.git/pull/1", "https://github.com:443/org/repo/pull/2/"]
    config = {"workflowId": "build", "branchName": "a/b", "title": "x" * 200, "prompt": "x" * 65_536, "maxAttempts": 10}
    body = {"pullRequests": [{"prUrl": url} for url in spelled], "baseBranch": "x" * 244, "config": config}
    made = rest.ask("POST", "/merging/start", editor, body).data
    spec = rest.admin.fetch("GET", MERGE_JOBS.path(PROJECT, made["id"].removeprefix("mj_")))["spec"]
    assert spec["pullRequests"] == [f"{REPOSITORY}/pull/1", f"{REPOSITORY}/pull/2"]
