"""Learnings and issue sessions over REST, on a real API server."""

from __future__ import annotations

import orjson
import pytest

from codecourier.core.shared.naming import ANNOTATION_FOLLOW_UP
from codecourier.kinds.api_resources import ISSUE_SESSIONS, LEARNINGS
from codecourier.kube.api import Json
from codecourier.local.processes import wait_until
from tests.support.rest import PROJECT, REPOSITORY, Rest

pytestmark = [pytest.mark.cluster, pytest.mark.both_doors, pytest.mark.timeout(120)]

BODY: Json = {"issueUrl": f"{REPOSITORY}/issues/7", "workflowId": "wf_build", "commentIds": [5]}


def test_a_learning_is_read_accepted_and_rejected(rest: Rest, editor: str) -> None:
    rest.create(LEARNINGS, PROJECT, "lesson", {"text": "Run the tests.", "repositoryUrl": REPOSITORY})
    one = "/learnings/ln_lesson"
    assert wait_until(lambda: rest.ask("GET", one, editor).status == 200, timeout_seconds=20)
    assert rest.ask("POST", f"{one}/accept", editor).data["status"] == "accepted"
    assert "ln_lesson" in [found["id"] for found in rest.ask("GET", "/learnings?status=accepted", editor).data]
    assert rest.ask("POST", f"{one}/reject", editor).data["isDeleted"] is True
    assert "ln_lesson" not in [found["id"] for found in rest.ask("GET", "/learnings", editor).data]


def test_a_session_is_made_once_and_asked_for_more(rest: Rest, editor: str) -> None:
    made, again = (
        rest.ask("POST", "/issue-sessions", editor, BODY, Idempotency_Key="seven").data["id"] for _ in range(2)
    )
    assert made == again
    other = rest.ask("POST", "/issue-sessions", editor, {**BODY, "maxRuns": 1}, Idempotency_Key="seven")
    assert other.status == 409
    one, path = f"/issue-sessions/{made}", ISSUE_SESSIONS.path(PROJECT, made.removeprefix("is_"))
    assert made in [found["id"] for found in rest.ask("GET", "/issue-sessions", editor).data]
    shown = rest.ask("GET", one, editor).data
    assert (shown["issueUrl"], shown["commentIds"], shown["maxRuns"]) == (BODY["issueUrl"], [5], 5)
    body = {"instruction": "Tests, too."}
    assert rest.ask("POST", f"{one}/follow-up", editor, body).status == 409
    assert rest.ask("POST", "/issue-sessions/is_none/follow-up", editor, body).status == 404
    run = {"index": 0, "run": "made", "phase": "Completed", "claimTime": "2026-01-01T00:00:00Z"}
    status = {"phase": "Completed", "runs": [run], "runCount": 1}
    rest.admin.fetch("PATCH", f"{path}/status", orjson.dumps({"status": status}), "application/merge-patch+json")
    assert wait_until(lambda: rest.ask("POST", f"{one}/follow-up", editor, body).status == 200, timeout_seconds=20)
    assert rest.admin.fetch("GET", path)["metadata"]["annotations"][ANNOTATION_FOLLOW_UP] == "Tests, too."
