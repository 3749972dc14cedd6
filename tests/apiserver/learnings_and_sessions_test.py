"""Learnings and issue sessions over REST: what is shown, what is made, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.core.issue_session.follow_up import digest_of_follow_up
from codecourier.core.shared.naming import ANNOTATION_FOLLOW_UP, LABEL_TRASHED
from codecourier.kinds.api_resources import ISSUE_SESSIONS, LEARNINGS, PROJECTS, WORKFLOWS
from codecourier.kube.api import Json
from tests.support.rest_app import NAMESPACE, RestApp, play_rest

URL = "https://github.com/org/repo"
ISSUE = f"{URL}/issues/7"
PROJECT: Json = {"repositories": [{"url": URL, "isDefault": True, "credentialRef": {"name": "forge"}}]}
WORKFLOW: Json = {"image": "busybox", "agent": {"command": ["true"]}}
LESSON: Json = {"text": "Run the tests.", "repositoryUrl": URL, "run": {"name": "fix", "uid": "uid-fix"}}
SESSION: Json = {"workflowRef": {"name": "build"}, "issueUrl": ISSUE, "maxRuns": 2}
BODY: Json = {"issueUrl": ISSUE, "workflowId": "wf_build"}
RUN: Json = {"index": 0, "run": "made", "phase": "Completed", "claimTime": "2026-01-01T00:00:00Z"}
COMPLETED: Json = {"phase": "Completed", "runs": [RUN], "runCount": 1}
FOLLOW_UP = "/issue-sessions/is_seven/follow-up"


async def prepare(rest: RestApp) -> None:
    """Make a Project and a Workflow."""
    await rest.make(PROJECTS, "default", PROJECT)
    await rest.make(WORKFLOWS, "build", WORKFLOW)


def test_learnings_are_shown_and_accepted() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(LEARNINGS, "proposed", LESSON)
        await rest.make(LEARNINGS, "own", {"text": "Be brief.", "workflowRef": {"name": "build"}, "accepted": True})
        own, proposed = (await rest.ask("GET", "/learnings")).data
        assert proposed == {
            "id": "ln_proposed",
            "text": "Run the tests.",
            "status": "proposed",
            "githubRepoUrl": URL,
            "workflowId": None,
            "runId": "r_fix",
            "createdAt": proposed["createdAt"],
        }
        assert (own["status"], own["workflowId"], own["runId"]) == ("accepted", "wf_build", None)
        assert (await rest.ask("GET", "/learnings?status=proposed")).data == [proposed]
        assert (await rest.ask("GET", "/learnings?status=wrong")).fields.keys() == {"status"}
        for _ in range(2):
            assert (await rest.ask("POST", "/learnings/ln_proposed/accept")).data == {**proposed, "status": "accepted"}
        assert (await rest.api.get(LEARNINGS, NAMESPACE, "proposed"))["spec"]["accepted"] is True

    play_rest(scenario)


def test_a_learning_that_is_rejected_is_in_the_trash() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(LEARNINGS, "proposed", LESSON)
        for _ in range(2):
            assert (await rest.ask("POST", "/learnings/ln_proposed/reject")).data["isDeleted"] is True
        assert (await rest.ask("GET", "/learnings")).data == []
        for method, path in [("GET", ""), ("POST", "/accept")]:
            refused = await rest.ask(method, f"/learnings/proposed{path}")
            assert (refused.status, "in the trash" in refused.message) == (404, True)
        rest.denied.add(("delete", "learnings"))
        await rest.make(LEARNINGS, "other", LESSON)
        assert (await rest.ask("POST", "/learnings/other/reject")).status == 403

    play_rest(scenario)


def test_a_session_is_created_and_shown() -> None:
    async def scenario(rest: RestApp) -> None:
        await prepare(rest)
        body = {**BODY, "issueUrl": f"{ISSUE}/", "commentIds": [3, 9], "branchName": "main", "prompt": "Fix it."}
        made = (await rest.ask("POST", "/issue-sessions", body, Idempotency_Key="once")).data
        assert made == (await rest.ask("POST", "/issue-sessions", body, Idempotency_Key="once")).data
        assert made["status"] == "pending"
        (row,) = (await rest.ask("GET", "/issue-sessions")).data
        assert (row["issueUrl"], row["issueTitle"], row["runsMade"], row["maxRuns"]) == (ISSUE, None, 0, 5)
        detail = (await rest.ask("GET", f"/issue-sessions/{made['id']}")).data
        assert {name: detail[name] for name in row} == row
        assert (detail["prompt"], detail["commentIds"], detail["branchName"]) == ("Fix it.", [3, 9], "main")
        assert (detail["runs"], detail["followUpMessage"]) == ([], None)
        assert (await rest.ask("GET", "/issue-sessions?status=pending")).data == [row]
        assert (await rest.ask("GET", "/issue-sessions?status=completed")).data == []
        assert (await rest.ask("GET", "/issue-sessions?status=Pending")).fields.keys() == {"status"}

    play_rest(scenario)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"issueUrl": f"{URL}/pull/7"}, {"issueUrl"}),
        ({"issueUrl": f"{URL}/issues/0"}, {"issueUrl"}),
        ({"issueUrl": f"{URL}/issues/7?x=1"}, {"issueUrl"}),
        ({"issueUrl": "https://github.com/org/other/issues/7"}, {"issueUrl"}),
        ({"issueUrl": "https://10.0.0.1/org/repo/issues/7"}, {"issueUrl"}),
        ({"issueUrl": "https://u:p@github.com/org/repo/issues/7"}, {"issueUrl"}),
        ({"issueUrl": "http://github.com/org/repo/issues/7"}, {"issueUrl"}),
        ({"issueUrl": "https://github.com/org/other/issues/7", "workflowId": "wf_none"}, {"issueUrl", "workflowId"}),
        ({"commentIds": [1, 1]}, {"commentIds"}),
        ({"commentIds": [0]}, {"commentIds.0"}),
        ({"maxRuns": 21, "prompt": "", "url": ISSUE}, {"maxRuns", "prompt", "url"}),
        ({"workflowId": "r_build"}, {"workflowId"}),
        ({"branchName": ""}, {"branchName"}),
    ],
)
def test_what_is_wrong_with_a_session_is_named_by_its_field(change: Json, fields: set[str]) -> None:
    async def scenario(rest: RestApp) -> None:
        await prepare(rest)
        refused = await rest.ask("POST", "/issue-sessions", {**BODY, **change})
        assert (refused.status, set(refused.fields)) == (400, fields), refused
        assert (await rest.ask("GET", "/issue-sessions")).data == []

    play_rest(scenario)


def test_a_follow_up_is_asked_for_once() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(ISSUE_SESSIONS, "seven", SESSION)

        async def ask(text: str) -> tuple[int, str]:
            reply = await rest.ask("POST", FOLLOW_UP, {"instruction": text})
            return reply.status, reply.message if reply.status == 409 else ""

        async def play(**changes: Any) -> None:
            session = await rest.api.get(ISSUE_SESSIONS, NAMESPACE, "seven")
            await rest.api.replace_status(ISSUE_SESSIONS, {**session, "status": {**session["status"], **changes}})
            await rest.settle()

        assert "has not begun its first run" in (await ask("Tests, too."))[1]
        await play(**COMPLETED)
        assert [await ask(" Tests, too.\n") for _ in range(2)] == [(200, "")] * 2
        found = await rest.api.get(ISSUE_SESSIONS, NAMESPACE, "seven")
        assert found["metadata"]["annotations"][ANNOTATION_FOLLOW_UP] == "Tests, too."
        assert "would replace" in (await ask("Docs, too."))[1]
        await play(handledFollowUp=digest_of_follow_up(found["metadata"]["annotations"]))
        assert "same instruction" in (await ask("Tests, too."))[1]
        await play(runCount=2)
        assert "maxRuns" in (await ask("Docs, too."))[1]

    play_rest(scenario)


@pytest.mark.parametrize("text", ["", " \n", "\u200b", "x" * 4097, None, 1])
def test_a_follow_up_needs_words(text: Any) -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(ISSUE_SESSIONS, "seven", SESSION, COMPLETED)
        refused = await rest.ask("POST", FOLLOW_UP, {"instruction": text})
        assert (refused.status, set(refused.fields)) == (400, {"instruction"})

    play_rest(scenario)


def test_a_session_in_the_trash_is_asked_for_nothing() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(ISSUE_SESSIONS, "seven", SESSION, COMPLETED, labels={LABEL_TRASHED: "true"})
        assert (await rest.ask("POST", FOLLOW_UP, {"instruction": "More."})).status == 404

    play_rest(scenario)
