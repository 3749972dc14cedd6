"""Runs, workflows and sandboxes over REST, on the simulated API server."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.kinds.api_resources import PROJECTS, RUNS, SANDBOXES, USAGE_RECORDS, WORKFLOWS
from codecourier.kube.api import Json
from tests.support.asgi import NAMESPACE, REPOSITORY, Api, play_api

RUN: Json = {"workflowId": "wf_build", "prompt": "Fix the tests.\nAll of them.", "title": "Fix tests"}
CHAIN = {"kind": "SprintChain", "name": "nightly", "uid": "u1", "index": 0}
TASK = {"kind": "RecurringTask", "name": "audit", "uid": "u2", "slot": "2026-03-01T08:00:00Z"}


def condition(type_: str, status: str, reason: str, message: str = "Because.") -> Json:
    """Return a condition."""
    time = "2026-03-01T12:00:00Z"
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": time}


async def make_run(api: Api, name: str, status: Json | None = None, **spec: Any) -> None:
    """Create a Run as the operator left it."""
    body = {"workflowRef": {"name": "build"}, "prompt": "Do it.", **spec}
    api.server.store.create(RUNS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": body})
    if status is not None:
        api.server.edit(RUNS, NAMESPACE, name, lambda run: run.update(status={**run.get("status", {}), **status}))
    await api.settle()


def test_a_run_that_was_created_has_every_field() -> None:
    async def scenario(api: Api) -> None:
        made = await api.ask("POST", "/runs", RUN)
        assert (made.status, made.data["status"], made.data["attempt"]) == (201, "pending", 1)
        assert made.data["id"].startswith("r_fix-tests-")
        shown = (await api.ask("GET", f"/runs/{made.data['id']}")).data
        assert shown == {
            "id": made.data["id"],
            "status": "pending",
            "attempt": 1,
            "isCancelRequested": False,
            "title": "Fix tests",
            "workflowId": "wf_build",
            "githubRepoUrl": REPOSITORY,
            "branchName": None,
            "prUrl": None,
            "prNumber": None,
            "prStatus": None,
            "waitingFor": None,
            "message": None,
            "sprintChainId": None,
            "recurringTaskId": None,
            "issueSessionId": None,
            "createdAt": shown["createdAt"],
            "startedAt": None,
            "finishedAt": None,
            "prompt": RUN["prompt"],
            "baseCommit": None,
            "workBranch": None,
            "headCommit": None,
            "summary": None,
            "filesChanged": None,
            "insertions": None,
            "deletions": None,
            "scheduledFor": None,
            "recurrencePattern": None,
            "sprintNumber": None,
            "deletionRequestedAt": None,
            "tries": [],
            "usage": None,
            "costUsd": None,
        }
        (listed,) = (await api.ask("GET", "/runs")).data
        assert listed == {name: shown[name] for name in listed}

    play_api(scenario)


def usage_of(uid: str, number: int, *items: Json) -> Json:
    """Return the spec of the record of a try."""
    times = {"startTime": "2026-03-01T12:00:00Z", "finishTime": "2026-03-01T12:01:00Z"}
    named = {"run": "twice", "runUid": uid, "workflow": "build", "attempt": 1, "tryNumber": number}
    compute = {"service": "kubernetes", "kind": "Compute", "quantity": 60, "unit": "Second", "costMicroUSD": 0}
    return {**named, **times, "items": [compute, *items]}


def test_a_run_shows_what_its_attempt_consumed_of_each_service() -> None:
    async def scenario(api: Api) -> None:
        tries = [{"number": number, "sandbox": f"twice-{number}"} for number in (1, 2, 3)]
        await make_run(api, "twice", {"phase": "Running", "attempt": 1, "tries": tries})
        assert (await api.ask("GET", "/runs/r_twice")).data["usage"] is None
        uid = (await api.kube.get(RUNS, NAMESPACE, "twice"))["metadata"]["uid"]
        tokens = {"service": "anthropic", "kind": "Tokens", "quantity": 7, "unit": "Token", "costMicroUSD": 250_000}
        specs = [usage_of(uid, 1, tokens), usage_of(uid, 2, tokens), usage_of("another", 3, tokens)]
        for number, spec in enumerate(specs, 1):
            metadata = {"name": f"twice-{number}", "namespace": NAMESPACE}
            api.server.store.create(USAGE_RECORDS, {"metadata": metadata, "spec": spec})
        await api.settle()
        shown = (await api.ask("GET", "/runs/r_twice")).data
        assert shown["usage"] == [
            {"service": "anthropic", "kind": "tokens", "quantity": 14, "unit": "token", "costUsd": 0.5},
            {"service": "kubernetes", "kind": "compute", "quantity": 120, "unit": "second", "costUsd": 0.0},
        ]
        assert shown["costUsd"] == 0.5

    play_api(scenario)


def test_a_creation_waits_for_the_operator_and_says_what_it_found() -> None:
    async def scenario(api: Api) -> None:
        body = {**RUN, "githubRepoUrl": f"{REPOSITORY}.git/", "branchName": "release"}
        first, again = [await api.ask("POST", "/runs", body, Idempotency_Key="once") for _ in range(2)]
        assert first.data == again.data
        name = first.data["id"].removeprefix("r_")
        assert api.server.store.get(RUNS, NAMESPACE, name).copy()["spec"]["repositoryUrl"] == REPOSITORY
        api.server.edit(RUNS, NAMESPACE, name, lambda run: run.update(status={"phase": "Queued", "attempt": 1}))
        await api.settle()
        assert (await api.ask("POST", "/runs", body, Idempotency_Key="once")).data["status"] == "queued"

    play_api(scenario)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"workflowId", "prompt"}),
        ({**RUN, "workflowId": "wf_none", "githubRepoUrl": "https://github.com/org/other"}, None),
        ({**RUN, "title": "", "branchName": 1, "prompt": "\x00"}, {"title", "branchName", "prompt"}),
        ({**RUN, "workflowId": "sc_build", "status": "running"}, {"workflowId", "status"}),
        ({**RUN, "prompt": None}, {"prompt"}),
    ],
)
def test_all_problems_of_a_creation_are_named_at_once(body: Json, fields: set[str] | None) -> None:
    async def scenario(api: Api) -> None:
        answer = await api.ask("POST", "/runs", body)
        assert (answer.status, set(answer.fields)) == (400, fields or {"workflowId", "githubRepoUrl"})

    play_api(scenario)


def test_without_a_default_repository_one_has_to_be_named() -> None:
    async def scenario(api: Api) -> None:
        api.server.edit(
            PROJECTS, NAMESPACE, "default", lambda project: project["spec"]["repositories"][0].pop("isDefault")
        )
        await api.settle()
        answer = await api.ask("POST", "/runs", RUN)
        assert answer.fields["githubRepoUrl"].startswith("The project has no default repository.")
        assert (await api.ask("POST", "/runs", {**RUN, "githubRepoUrl": REPOSITORY})).status == 201

    play_api(scenario)


def test_filters_all_count_and_pages_hold_each_run_once() -> None:
    async def scenario(api: Api) -> None:
        await make_run(api, "one", {"phase": "Running", "attempt": 1}, origin=CHAIN)
        await make_run(api, "two", {"phase": "Completed", "attempt": 1}, origin=CHAIN)
        await make_run(api, "three", {"phase": "Completed", "attempt": 1}, origin=TASK)
        await make_run(api, "four", workflowRef={"name": "other"})

        async def ids(query: str) -> list[str]:
            return [run["id"] for run in (await api.ask("GET", f"/runs?{query}")).data]

        assert sorted(await ids("status=completed")) == ["r_three", "r_two"]
        assert await ids("status=pending") == ["r_four"]
        assert sorted(await ids("sprintChainId=sc_nightly")) == ["r_one", "r_two"]
        assert await ids("sprintChainId=nightly&status=completed") == ["r_two"]
        assert await ids("recurringTaskId=rt_audit") == ["r_three"]
        assert await ids("recurringTaskId=rt_audit&sprintChainId=sc_nightly") == []
        assert await ids("workflowId=wf_other") == ["r_four"]
        first = await api.ask("GET", "/runs?workflowId=build&limit=2")
        rest = await api.ask("GET", f"/runs?workflowId=build&limit=2&cursor={first.body['nextCursor']}")
        assert sorted(run["id"] for run in [*first.data, *rest.data]) == ["r_one", "r_three", "r_two"]
        assert rest.body["nextCursor"] is None
        for query in ("status=done", "state=running", "workflowId=r_build", "sprintChainId=", "limit=0"):
            answer = await api.ask("GET", f"/runs?{query}")
            assert (answer.status, list(answer.fields)) == (400, [query.partition("=")[0]]), query

    play_api(scenario)


def test_a_run_says_what_it_waits_for_and_what_became_of_it() -> None:
    async def scenario(api: Api) -> None:
        waiting = {"phase": "Queued", "attempt": 1, "message": "All 5 places are taken."}
        waiting["conditions"] = [
            condition("Ready", "True", "Accepted"),
            condition("Succeeded", "Unknown", "WaitingForPlace"),
        ]
        await make_run(api, "waits", waiting, origin=CHAIN)
        shown = (await api.ask("GET", "/runs/r_waits")).data
        assert (shown["waitingFor"], shown["message"]) == ("waiting_for_place", "All 5 places are taken.")
        assert (shown["sprintChainId"], shown["recurringTaskId"]) == ("sc_nightly", None)
        done = {
            "phase": "Completed",
            "attempt": 2,
            "title": "Make it green",
            "summary": "Fixed.",
            "branch": "codecourier/done-a2",
            "change": {"files": 3, "insertions": 5, "deletions": 1},
            "pullRequest": {"phase": "Created", "number": 7, "url": f"{REPOSITORY}/pull/7"},
            "tries": [
                {"number": 1, "sandbox": "done-1", "phase": "Failed", "reason": "PodEvicted", "message": "Gone."}
            ],
            "conditions": [condition("Succeeded", "True", "Completed")],
        }
        await make_run(
            api, "done", done, attempt=2, scheduledFor="2026-03-01T08:00:00Z", recurrencePattern="EveryOtherDay"
        )
        shown = (await api.ask("GET", "/runs/done")).data
        assert (shown["title"], shown["waitingFor"], shown["attempt"]) == ("Make it green", None, 2)
        assert (shown["prUrl"], shown["prNumber"], shown["prStatus"]) == (f"{REPOSITORY}/pull/7", 7, "created")
        assert (shown["scheduledFor"], shown["recurrencePattern"]) == ("2026-03-01T08:00:00Z", "every_other_day")
        assert (shown["filesChanged"], shown["insertions"], shown["deletions"]) == (3, 5, 1)
        assert shown["tries"] == [
            {
                "number": 1,
                "sandboxId": "sb_done-1",
                "status": "failed",
                "reason": "pod_evicted",
                "message": "Gone.",
                "startedAt": None,
                "finishedAt": None,
            }
        ]

    play_api(scenario)


def test_a_cancellation_is_one_write_and_can_be_repeated() -> None:
    async def scenario(api: Api) -> None:
        await make_run(api, "works", {"phase": "Running", "attempt": 1})
        for _ in range(2):
            answer = await api.ask("POST", "/runs/r_works/cancel")
            assert (answer.data["status"], answer.data["isCancelRequested"]) == ("running", True)
        stored = api.server.store.get(RUNS, NAMESPACE, "works").copy()
        assert (stored["spec"]["cancelled"], stored["metadata"]["generation"]) == (True, 2)
        assert stored["metadata"]["annotations"]["codecourier.dev/requested-by"] == "codecourier:shop:editor"
        stopped = {"phase": "Cancelled", "cancelledAttempt": 1}
        api.server.edit(RUNS, NAMESPACE, "works", lambda run: run["status"].update(stopped))
        await api.settle()
        assert (await api.ask("POST", "/runs/r_works/cancel")).data["status"] == "cancelled"
        for phase in ("Completed", "Failed"):
            await make_run(api, phase.lower(), {"phase": phase, "attempt": 1})
            answer = await api.ask("POST", f"/runs/r_{phase.lower()}/cancel")
            assert (answer.status, phase.lower() in answer.body["error"]["message"]) == (409, True)
        assert (await api.ask("POST", "/runs/r_none/cancel")).status == 404
        assert (await api.ask("POST", "/runs/sc_works/cancel")).status == 400

    play_api(scenario)


def test_a_finished_run_is_retried_as_the_next_attempt_whatever_was_cancelled() -> None:
    async def scenario(api: Api) -> None:
        failed = {"phase": "Failed", "attempt": 1, "tries": [{"number": 1, "sandbox": "f-1"}]}
        await make_run(api, "failed", failed)
        await make_run(
            api, "stopped", {"phase": "Cancelled", "attempt": 2, "cancelledAttempt": 3}, attempt=3, cancelled=True
        )
        for _ in range(2):
            answer = await api.ask("POST", "/runs/r_failed/retry")
            assert answer.data == {"id": "r_failed", "status": "pending", "attempt": 2, "isCancelRequested": False}
        assert api.server.store.get(RUNS, NAMESPACE, "failed").copy()["metadata"]["generation"] == 2
        assert (await api.ask("GET", "/runs/r_failed")).data["tries"] == []
        answer = await api.ask("POST", "/runs/r_stopped/retry")
        assert (answer.data["attempt"], answer.data["isCancelRequested"]) == (4, False)
        assert (await api.ask("POST", "/runs/r_stopped/cancel")).data["status"] == "cancelled"
        assert api.server.store.get(RUNS, NAMESPACE, "stopped").copy()["spec"]["cancelled"] is True

    play_api(scenario)


@pytest.mark.parametrize(
    ("status", "spec", "words"),
    [
        ({"phase": "Running", "attempt": 1}, {}, "not finished"),
        ({}, {}, "not finished"),
        ({"phase": "Failed", "attempt": 1}, {"origin": CHAIN}, "Resume the sprint chain"),
        ({"phase": "Failed", "attempt": 1}, {"origin": TASK}, "run-now"),
        ({"phase": "Failed", "attempt": 1000}, {"attempt": 1000}, "1000 attempts"),
    ],
)
def test_a_retry_that_would_do_nothing_is_refused_with_the_next_step(status: Json, spec: Json, words: str) -> None:
    async def scenario(api: Api) -> None:
        await make_run(api, "run", status, **spec)
        answer = await api.ask("POST", "/runs/run/retry")
        assert (answer.status, answer.code) == (409, "conflict")
        assert words in answer.body["error"]["message"]

    play_api(scenario)


def test_rights_are_those_of_the_kind_and_need_no_body() -> None:
    async def scenario(api: Api) -> None:
        await make_run(api, "run", {"phase": "Failed", "attempt": 1})
        api.kube.denied = frozenset({("update", "runs"), ("create", "runs")})
        rows = [("GET", ""), ("GET", "/run"), ("POST", ""), ("POST", "/run/cancel"), ("POST", "/run/retry")]
        statuses = [(await api.ask(method, f"/runs{path}")).status for method, path in rows]
        assert statuses == [200, 200, 403, 403, 403]

    play_api(scenario)


def test_a_workflow_is_shown_without_the_values_of_its_variables() -> None:
    async def scenario(api: Api) -> None:
        secret = {"name": "KEY", "secretKeyRef": {"name": "model", "key": "token"}}
        change = {"env": [{"name": "MODE", "value": "canary-value"}], "secretEnv": [secret], "verify": ["make test"]}
        api.server.edit(WORKFLOWS, NAMESPACE, "build", lambda workflow: workflow["spec"].update(change))
        await api.settle()
        status, _, content = await api.raw("GET", "/api/v1/workflows/wf_build")
        assert (status, b"canary-value" in content) == (200, False)
        shown = (await api.ask("GET", "/workflows/build")).data
        assert (shown["env"], shown["secretEnv"]) == (["MODE"], [{"name": "KEY", "secret": "model", "key": "token"}])
        assert (shown["command"], shown["verify"], shown["isReady"]) == (["true"], ["make test"], None)
        ready = condition("Ready", "False", "TemplateInvalid", "No such word.")
        api.server.edit(WORKFLOWS, NAMESPACE, "build", lambda workflow: workflow.update(status={"conditions": [ready]}))
        await api.settle()
        (listed,) = (await api.ask("GET", "/workflows")).data
        assert (listed["isReady"], listed["message"]) == (False, "No such word.")

    play_api(scenario)


def test_a_sandbox_is_shown_with_its_steps() -> None:
    async def scenario(api: Api) -> None:
        spec = {"runRef": {"name": "run", "uid": "u"}, "attempt": 1, "tryNumber": 2}
        api.server.store.create(SANDBOXES, {"metadata": {"name": "run-2", "namespace": NAMESPACE}, "spec": spec})
        steps = [{"name": "agent", "exitCode": 0, "message": "Done."}]
        status = {"phase": "Failed", "podName": "run-2", "steps": steps, "reason": "AgentFailed"}
        api.server.edit(SANDBOXES, NAMESPACE, "run-2", lambda sandbox: sandbox.update(status=status))
        await api.settle()
        (listed,) = (await api.ask("GET", "/sandboxes")).data
        assert (listed["id"], listed["runId"], listed["reason"]) == ("sb_run-2", "r_run", "agent_failed")
        shown = (await api.ask("GET", "/sandboxes/sb_run-2")).data
        assert [(step["name"], step["exitCode"], step["message"]) for step in shown["steps"]] == [("agent", 0, "Done.")]

    play_api(scenario)
