"""Merges over REST: what is shown of a MergeJob, how a combine starts, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

from codecourier.apiserver.words import reason_word
from codecourier.core.shared.naming import ANNOTATION_REQUESTED_BY, LABEL_TRASHED
from codecourier.kinds.api_resources import MERGE_JOBS, PROJECTS, WORKFLOWS
from codecourier.kube.api import Json
from codecourier.resources.merge_job import MergeJob, MergeJobPhase
from tests.support.rest_app import NAMESPACE, RestApp, play_rest
from tests.support.team import WORKFLOW

URL = "https://github.com/org/repo"
OTHER = "https://github.com/org/other"
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Accepted",
    "message": "It is accepted.",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
BODY: Json = {
    "pullRequests": [{"prUrl": f"{URL}/pull/1", "prNumber": 1}, {"prUrl": f"{URL}/pull/2", "prNumber": 2}],
    "baseBranch": "main",
    "config": {},
}
COMBINE: Json = {"mode": "Combine", "pullRequests": [f"{URL}/pull/1", f"{URL}/pull/2"]}


async def make_project(rest: RestApp, **spec: Any) -> None:
    """Make a Project with two repositories, a Workflow for merges, and one in the trash."""
    repositories = [
        {"url": f"{URL}.git", "isDefault": True, "credentialRef": {"name": "forge"}},
        {"url": OTHER, "credentialRef": {"name": "forge"}},
    ]
    workflow = {**WORKFLOW, "agent": {"command": ["true"]}}
    await rest.make(WORKFLOWS, "merges", workflow)
    await rest.make(WORKFLOWS, "gone", workflow, labels={LABEL_TRASHED: "true"})
    await rest.make(PROJECTS, "default", {"repositories": repositories, "mergeWorkflowRef": {"name": "merges"}, **spec})


async def made_by(rest: RestApp, id_: str) -> Json:
    """Return the MergeJob of an id as the cluster has it."""
    return await rest.api.get(MERGE_JOBS, NAMESPACE, id_.removeprefix("mj_"))


def test_pull_requests_are_combined_as_the_contract_says() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_project(rest)
        started = await rest.ask("POST", "/merging/start", BODY)
        assert (started.status, started.data.keys()) == (201, {"id", "status"})
        assert started.data["status"] == "pending", "no operator runs here"
        job = await made_by(rest, started.data["id"])
        assert job["spec"] == {**COMBINE, "baseBranch": "main", "closeSources": False, **job["spec"]}
        assert job["metadata"]["annotations"][ANNOTATION_REQUESTED_BY] == f"codecourier:{NAMESPACE}:ci"

    play_rest(scenario)


def test_every_setting_is_written() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_project(rest)
        config = {
            "workflowId": "wf_merges",
            "branchName": "all/of-them",
            "title": "All of them",
            "prompt": "Keep both.",
            "maxAttempts": 3,
            "closeSources": True,
        }
        urls = ["https://GitHub.com/Org/REPO.git/pull/1", "https://github.com:443/org/repo/pull/2/"]
        body = {"pullRequests": [{"prUrl": url} for url in urls], "config": config}
        started = await rest.ask("POST", "/merging/start", body)
        spec = (await made_by(rest, started.data["id"]))["spec"]
        assert spec["pullRequests"] == COMBINE["pullRequests"], "in the Project's spelling"
        assert spec["workflowRef"] == {"name": "merges"}
        for name in config.keys() - {"workflowId"}:
            assert spec[name] == config[name]
        assert started.data["id"].startswith("mj_all-of-them-")
        nulls = dict.fromkeys(("workflowId", "branchName", "title", "prompt", "maxAttempts"))
        assert (await rest.ask("POST", "/merging/start", {**BODY, "baseBranch": None, "config": nulls})).status == 201

    play_rest(scenario)


PROBLEMS: list[tuple[Json, set[str]]] = [
    ({"pullRequests": []}, {"pullRequests"}),
    ({"pullRequests": [{"prUrl": f"{URL}/pull/{n}"} for n in range(1, 52)]}, {"pullRequests"}),
    ({"pullRequests": None}, {"pullRequests"}),
    ({"pullRequests": [{}]}, {"pullRequests.0.prUrl"}),
    ({"pullRequests": [f"{URL}/pull/1"]}, {"pullRequests.0"}),
    ({"pullRequests": [{"prUrl": f"{URL}/pull/1", "prNumber": 2}]}, {"pullRequests.0.prNumber"}),
    ({"pullRequests": [{"prUrl": f"{URL}/pull/1", "prNumber": None}]}, {"pullRequests.0.prNumber"}),
    ({"pullRequests": [{"prUrl": f"{URL}/pull/1", "prNumber": "1"}]}, {"pullRequests.0.prNumber"}),
    ({"pullRequests": [{"prUrl": f"{URL}/pull/1", "prNumber": True}]}, {"pullRequests.0.prNumber"}),
    ({"pullRequests": [{"prUrl": f"{URL}/pull/1", "title": "x"}]}, {"pullRequests.0.title"}),
    *(
        ({"pullRequests": [{"prUrl": url}]}, {"pullRequests.0.prUrl"})
        for url in (
            "",
            f"{URL}/issues/1",
            f"{URL}/pull/0",
            f"{URL}/pull/01",
            f"{URL}/pull/1/files",
            f"{URL}/pull/1?x=1",
            f"{URL}/pull/1#x",
            "http://github.com/org/repo/pull/1",
            "https://user:token@github.com/org/repo/pull/1",
            "https://github.com/org/foreign/pull/1",
            f"https://github.com/org/{'x' * 700}/pull/1",
        )
    ),
    *(
        ({"pullRequests": [{"prUrl": f"{URL}/pull/1"}, {"prUrl": url}]}, {"pullRequests.1.prUrl"})
        for url in (
            f"{URL}/pull/1",
            "https://GITHUB.com/Org/Repo.git/pull/1",
            "https://github.com:443/org/repo/pull/1/",
            f"{OTHER}/pull/1",
        )
    ),
    *(
        ({"baseBranch": branch}, {"baseBranch"})
        for branch in ("", "a b", "-x", "a..b", "x.lock", "refs/heads/main", "a" * 245, "@", "/x", "x/", 1)
    ),
    ({"config": None}, {"config"}),
    ({"config": {"strategy": "x", "workflow": 1}}, {"config.strategy", "config.workflow"}),
    ({"config": {"workflowId": "wf_none"}}, {"config.workflowId"}),
    ({"config": {"workflowId": "wf_gone"}}, {"config.workflowId"}),
    ({"config": {"workflowId": "r_merges"}}, {"config.workflowId"}),
    ({"config": {"workflowId": 1}}, {"config.workflowId"}),
    ({"config": {"branchName": "x..y"}}, {"config.branchName"}),
    ({"config": {"title": ""}}, {"config.title"}),
    ({"config": {"title": "x" * 201}}, {"config.title"}),
    ({"config": {"prompt": "\x00"}}, {"config.prompt"}),
    ({"config": {"maxAttempts": 0}}, {"config.maxAttempts"}),
    ({"config": {"maxAttempts": 11}}, {"config.maxAttempts"}),
    ({"config": {"closeSources": None}}, {"config.closeSources"}),
    ({"config": {"closeSources": "yes"}}, {"config.closeSources"}),
    ({"workflowId": "wf_merges"}, {"workflowId"}),
]


def test_each_problem_has_its_field() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_project(rest)
        for change, fields in PROBLEMS:
            refused = await rest.ask("POST", "/merging/start", {**BODY, **change})
            assert (refused.status, set(refused.fields)) == (400, fields), change
            assert all(message.endswith(".") for message in refused.fields.values()), refused.fields
        assert (await rest.ask("GET", "/merging/list")).data == []

    play_rest(scenario)


def test_all_problems_of_a_body_are_named_at_once() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_project(rest)
        urls = [f"{URL}/pull/1", "https://github.com/Org/Repo/pull/1", "https://github.com/org/foreign/pull/3", "x"]
        body = {
            "pullRequests": [{"prUrl": url, "prNumber": 9} for url in urls] + [{"prUrl": f"{URL}/pull/4", "x": 1}],
            "baseBranch": "a b",
            "config": {"workflowId": "wf_none", "surprise": True},
            "more": 1,
        }
        refused = await rest.ask("POST", "/merging/start", body)
        assert set(refused.fields) == {
            "pullRequests.0.prNumber",
            "pullRequests.1.prNumber",
            "pullRequests.1.prUrl",
            "pullRequests.2.prNumber",
            "pullRequests.2.prUrl",
            "pullRequests.3.prUrl",
            "pullRequests.4.x",
            "baseBranch",
            "config.workflowId",
            "config.surprise",
            "more",
        }
        assert "pullRequests.0" in refused.fields["pullRequests.1.prUrl"]

    play_rest(scenario)


def test_a_list_that_is_far_too_long_is_refused_in_few_words() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_project(rest)
        many = [{"prUrl": f"https://h/o/n/pull/{number}", "prNumber": 0} for number in range(15_000)]
        refused = await rest.ask("POST", "/merging/start", {**BODY, "pullRequests": many})
        assert (refused.status, "pullRequests" in refused.fields) == (400, True)
        assert len(refused.fields) <= 3 * 50 + 1

    play_rest(scenario)


def test_a_project_has_to_name_a_workflow_or_the_body_does() -> None:
    async def scenario(rest: RestApp) -> None:
        assert (await rest.ask("POST", "/merging/start", BODY)).fields.keys() == {"pullRequests"}, "no Project"
        await make_project(rest, mergeWorkflowRef=None)
        refused = await rest.ask("POST", "/merging/start", BODY)
        assert "mergeWorkflowRef" in refused.fields["config.workflowId"]
        named = {**BODY, "config": {"workflowId": "merges"}}
        assert (await rest.ask("POST", "/merging/start", named)).status == 201

    play_rest(scenario)


def test_a_start_may_be_repeated_with_its_key() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_project(rest)
        asked = [rest.ask("POST", "/merging/start", BODY, Idempotency_Key="once") for _ in range(3)]
        answers = await asyncio.gather(*asked)
        assert len({answer.data["id"] for answer in answers}) == 1
        other = await rest.ask("POST", "/merging/start", {**BODY, "baseBranch": None}, Idempotency_Key="once")
        assert (other.status, other.code) == (409, "conflict")
        assert len((await rest.ask("GET", "/merging/list")).data) == 1

    play_rest(scenario)


SOURCES = [
    {"number": 1, "url": f"{URL}/pull/1", "headCommit": "a" * 40, "run": "fix", "result": "Clean", "commit": "c" * 40},
    {"number": 2, "url": f"{URL}/pull/2", "result": "Excluded", "reason": "PullRequestClosed", "message": "Closed."},
]
RUNNING: Json = {
    "phase": "Running",
    "waitingFor": "A place to run.",
    "repositoryUrl": URL,
    "baseBranch": "main",
    "baseCommit": "b" * 40,
    "headCommit": "c" * 40,
    "sources": SOURCES,
    "steps": [
        {
            "index": 0,
            "run": "all-m0",
            "baseCommit": "b" * 40,
            "numbers": [1, 2],
            "phase": "Completed",
            "claimTime": "2026-01-01T00:00:00Z",
            "headCommit": "c" * 40,
        }
    ],
    "result": {"branch": "codecourier/all", "number": 9, "url": f"{URL}/pull/9"},
    "startTime": "2026-01-01T00:00:00Z",
    "message": "Merging.",
}


def test_a_merge_is_shown_as_it_is() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(MERGE_JOBS, "new", COMBINE)
        await rest.make(MERGE_JOBS, "all", {**COMBINE, "title": "All"}, RUNNING)
        one = {"mode": "Single", "pullRequests": [f"{URL}/pull/1"], "skipCiCheck": True}
        landing = {"claimTime": "2026-01-01T00:00:00Z", "headCommit": "a" * 40, "baseCommit": "b" * 40}
        landing |= {"commit": "d" * 40, "mergeTime": "2026-01-01T00:01:00Z"}
        checks = [{"name": "test", "state": "Pending"}]
        await rest.make(MERGE_JOBS, "one", one, {"phase": "Completed", "landing": landing, "checks": checks})
        listed = {merge["id"]: merge for merge in (await rest.ask("GET", "/merging/list")).data}
        pending = {"runId": None, "result": "pending", "reason": None, "message": None}
        new = listed["mj_new"]
        assert new == {
            "id": "mj_new",
            "status": "pending",
            "mode": "combine",
            "pullRequests": [{"prUrl": f"{URL}/pull/{n}", "prNumber": n, **pending} for n in (1, 2)],
            "baseBranch": None,
            "baseSha": None,
            "headSha": None,
            "mergeStrategy": None,
            "skipCiCheck": False,
            "resultPrUrl": None,
            "waitingFor": None,
            "message": None,
            "requestedBy": None,
            "createdAt": new["createdAt"],
            "startedAt": None,
            "finishedAt": None,
        }
        all_ = (await rest.ask("GET", "/merging/all")).data
        assert {name: all_[name] for name in listed["mj_all"]} == listed["mj_all"]
        assert [source["result"] for source in all_["pullRequests"]] == ["clean", "excluded"]
        assert [source["runId"] for source in all_["pullRequests"]] == ["r_fix", None]
        assert all_["pullRequests"][1]["reason"] == "pull_request_closed"
        assert (all_["baseSha"], all_["headSha"]) == ("b" * 40, "c" * 40)
        assert (all_["resultPrUrl"], all_["resultPrNumber"]) == (f"{URL}/pull/9", 9)
        assert (all_["waitingFor"], all_["branchName"], all_["title"]) == ("A place to run.", "codecourier/all", "All")
        (step,) = all_["steps"]
        assert (step["runId"], step["status"], step["prNumbers"]) == ("r_all-m0", "completed", [1, 2])
        single = (await rest.ask("GET", "/merging/mj_one")).data
        assert (single["mode"], single["mergeStrategy"], single["skipCiCheck"]) == ("single", "squash", True)
        assert (single["mergedSha"], single["mergedAt"]) == ("d" * 40, "2026-01-01T00:01:00Z")
        assert single["checks"] == [{"name": "test", "state": "pending"}]

    play_rest(scenario)


def test_a_list_is_cut_into_pages_newest_first() -> None:
    async def scenario(rest: RestApp) -> None:
        for name in ("a", "b", "c"):
            await rest.make(MERGE_JOBS, name, COMBINE)
        page = await rest.ask("GET", "/merging/list?limit=2")
        rest_of = await rest.ask("GET", f"/merging/list?limit=2&cursor={page.body['nextCursor']}")
        assert [merge["id"] for merge in [*page.data, *rest_of.data]] == ["mj_c", "mj_b", "mj_a"]
        assert (await rest.ask("GET", "/merging/list?status=running")).fields.keys() == {"status"}

    play_rest(scenario)


def test_a_merge_runs_once_it_is_accepted_and_is_cancelled_until_it_is_over() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_project(rest)
        id_ = (await rest.ask("POST", "/merging/start", BODY, Idempotency_Key="once")).data["id"]

        async def status_after(**status: Any) -> tuple[str, int, bool]:
            """Return the status that the start shows, that of a cancellation, and whether that is written."""
            job = await made_by(rest, id_)
            job = await rest.api.replace(MERGE_JOBS, {**job, "spec": {**job["spec"], "cancelled": False}})
            await rest.api.replace_status(MERGE_JOBS, {**job, "status": {**job.get("status", {}), **status}})
            await rest.settle()
            word = (await rest.ask("POST", "/merging/start", BODY, Idempotency_Key="once")).data["status"]
            for _ in range(2):
                cancelled = await rest.ask("POST", f"/merging/{id_}/cancel")
            if cancelled.status == 200:
                assert cancelled.data["id"] == id_
            wish: bool = (await rest.ask("GET", f"/merging/{id_}")).data["isCancelRequested"]
            return word, cancelled.status, wish

        assert await status_after(conditions=[{**READY, "status": "False"}]) == ("pending", 200, True)
        assert await status_after(conditions=[READY]) == ("running", 200, True)
        assert await status_after(phase="Running") == ("running", 200, True)
        assert await status_after(phase="Cancelled") == ("cancelled", 200, False)
        assert await status_after(phase="Completed") == ("completed", 409, False)
        assert await status_after(phase="Failed") == ("failed", 409, False)

    play_rest(scenario)


def test_what_is_no_merge_is_refused() -> None:
    async def scenario(rest: RestApp) -> None:
        for method, path in (("GET", ""), ("POST", "/cancel")):
            assert (await rest.ask(method, f"/merging/mj_none{path}")).status == 404
            assert (await rest.ask(method, f"/merging/r_none{path}")).fields.keys() == {"id"}
        for right, method, path in (
            ("list", "GET", "/merging/list"),
            ("create", "POST", "/merging/start"),
            ("get", "GET", "/merging/x"),
            ("update", "POST", "/merging/x/cancel"),
        ):
            rest.denied.add((right, "mergejobs"))
            assert (await rest.ask(method, path, {} if path.endswith("start") else None)).status == 403

    play_rest(scenario)


def test_kubectl_and_the_rest_api_show_the_same_in_each_phase() -> None:
    shown = {
        "Mode": "mode",
        "Phase": "status",
        "Base": "baseBranch",
        "PR": "resultPrUrl",
        "Waiting for": "waitingFor",
        "Message": "message",
    }
    columns = {column.name: column.json_path.split(".")[1:] for column in MergeJob.info.columns if column.name in shown}
    assert columns.keys() == shown.keys()

    async def scenario(rest: RestApp) -> None:
        for phase in MergeJobPhase:
            name = phase.value.lower()
            await rest.make(MERGE_JOBS, name, COMBINE, {**RUNNING, "phase": phase.value})
            job = await rest.api.get(MERGE_JOBS, NAMESPACE, name)
            view = (await rest.ask("GET", f"/merging/mj_{name}")).data
            for column, path in columns.items():
                value: Any = job
                for key in path:
                    value = value[key]
                expected = reason_word(value) if column in {"Mode", "Phase"} else value
                assert view[shown[column]] == expected, (phase, column)

    play_rest(scenario)
