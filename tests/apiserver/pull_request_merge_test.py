"""The merge of one pull request over REST: what starts it, what forbids it, and how it is named."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from codecourier.core.shared.naming import ANNOTATION_REQUESTED_BY, LABEL_TRASHED, merge_job_name
from codecourier.kinds.api_resources import MERGE_JOBS, RUNS
from codecourier.kube.api import Json
from codecourier.resources.merge_job import MergeJob
from tests.support.rest_app import NAMESPACE, RestApp, play_rest

URL = "https://github.com/org/repo"
RUN: Json = {"workflowRef": {"name": "build"}, "prompt": "Fix it."}
OPEN: Json = {"phase": "Created", "number": 7, "url": f"{URL}/pull/7", "state": "Open"}
PATH = "/pull-requests/r_fix/merge"
COMBINE: Json = {"mode": "Combine", "pullRequests": [f"{URL}/pull/1", f"{URL}/pull/2"]}
SINGLE: Json = {"mode": "Single", "pullRequests": [f"{URL}/pull/7"]}


async def make_run(rest: RestApp, name: str = "fix", pull: Json | None = OPEN, **metadata: Any) -> None:
    """Make a Run with a pull request."""
    await rest.make(RUNS, name, RUN, {"phase": "Completed", "attempt": 1, "pullRequest": pull}, **metadata)


async def job_of(rest: RestApp, answer: Any) -> Json:
    """Return the MergeJob that an answer names, as the cluster has it."""
    return await rest.api.get(MERGE_JOBS, NAMESPACE, answer.data["mergeJobId"].removeprefix("mj_"))


async def finish(rest: RestApp, name: str) -> None:
    """Let a merge be over."""
    job = await rest.api.get(MERGE_JOBS, NAMESPACE, name)
    await rest.api.replace_status(MERGE_JOBS, {**job, "status": {**job.get("status", {}), "phase": "Failed"}})
    await rest.settle()


def test_a_pull_request_is_merged_as_the_contract_says() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest)
        answer = await rest.ask("POST", PATH)
        assert (answer.status, answer.data) == (201, {"mergeJobId": "mj_fix-m1", "status": "pending"})
        job = await job_of(rest, answer)
        wanted = {**SINGLE, "mergeStrategy": "Squash", "skipCiCheck": False}
        assert {name: job["spec"][name] for name in wanted} == wanted
        assert job["metadata"]["annotations"] == {ANNOTATION_REQUESTED_BY: f"codecourier:{NAMESPACE}:ci"}

    play_rest(scenario)


BODIES: list[tuple[Json | None, Json]] = [
    ({}, {"mergeStrategy": "Squash"}),
    ({"mergeStrategy": "merge"}, {"mergeStrategy": "Merge"}),
    ({"mergeStrategy": "rebase", "skipCiCheck": True}, {"mergeStrategy": "Rebase", "skipCiCheck": True}),
    (None, {"mergeStrategy": "Squash", "skipCiCheck": False}),
]


def test_the_body_says_how_and_may_be_empty() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest)
        for number, (body, written) in enumerate(BODIES, 1):
            headers = {} if body is not None else {"content_type": "application/json", "content_length": "0"}
            job = await job_of(rest, await rest.ask("POST", "/pull-requests/fix/merge", body, **headers))
            assert job["metadata"]["name"] == f"fix-m{number}"
            assert {name: job["spec"][name] for name in written} == written
            await finish(rest, f"fix-m{number}")

    play_rest(scenario)


PROBLEMS: list[tuple[Any, set[str]]] = [
    ({"mergeStrategy": "Squash"}, {"mergeStrategy"}),
    ({"mergeStrategy": None}, {"mergeStrategy"}),
    ({"mergeStrategy": 1, "skipCiCheck": 1, "x": 1}, {"mergeStrategy", "skipCiCheck", "x"}),
    ({"skipCiCheck": None}, {"skipCiCheck"}),
    ({"skipCiCheck": "true"}, {"skipCiCheck"}),
    ([], {""}),
]
OBSTACLES: list[tuple[Json | None, str]] = [
    (None, "no pull request"),
    ({"phase": "Creating"}, "no pull request"),
    ({"phase": "Skipped"}, "no pull request"),
    ({**OPEN, "phase": "Merged"}, "merged already"),
    ({**OPEN, "state": "Merged"}, "merged already"),
    ({**OPEN, "state": "Closed"}, "was closed"),
    ({**OPEN, "url": "https://h/x"}, "can read"),
]


def test_what_is_wrong_is_named_and_starts_nothing() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest)
        for body, fields in PROBLEMS:
            refused = await rest.ask("POST", PATH, body)
            assert (refused.status, set(refused.fields)) == (400, fields), body
        for number, (pull, sentence) in enumerate(OBSTACLES):
            await make_run(rest, f"fix-{number}", pull)
            refused = await rest.ask("POST", f"/pull-requests/fix-{number}/merge")
            assert (refused.status, sentence in refused.message) == (409, True), refused
        assert (await rest.ask("GET", "/merging/list")).data == []

    play_rest(scenario)


def test_what_is_not_there_is_404_and_what_is_no_such_id_400() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest, "away", labels={LABEL_TRASHED: "true"})
        for id_ in ("r_none", "none", "mj_none", "r_away"):
            assert (await rest.ask("POST", f"/pull-requests/{id_}/merge")).status == 404, id_
        for id_ in ("sc_fix", "7_", "_fix", "rr_fix"):
            refused = await rest.ask("POST", f"/pull-requests/{id_}/merge")
            assert (refused.status, set(refused.fields)) == (400, {"id"}), id_
        assert (await rest.ask("GET", PATH)).status == 405

    play_rest(scenario)


def test_while_a_merge_is_active_another_one_is_refused_and_named() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest)
        await rest.ask("POST", PATH)
        refused = await rest.ask("POST", PATH, {"mergeStrategy": "merge"})
        assert (refused.status, "mj_fix-m1" in refused.message) == (409, True)
        await finish(rest, "fix-m1")
        assert (await rest.ask("POST", PATH)).data["mergeJobId"] == "mj_fix-m2"
        await finish(rest, "fix-m2")
        # A user of the cluster has begun one, and spells the address in another way.
        await rest.make(MERGE_JOBS, "by-hand", {**SINGLE, "pullRequests": ["https://GitHub.com/Org/repo.git/pull/7"]})
        assert "mj_by-hand" in (await rest.ask("POST", PATH)).message

    play_rest(scenario)


def test_what_has_the_name_and_merges_another_pull_request_is_passed_over() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest)
        await rest.make(MERGE_JOBS, "fix-m1", {**SINGLE, "pullRequests": [f"{URL}/pull/8"]})
        await rest.make(MERGE_JOBS, "fix-m2", COMBINE)
        assert (await rest.ask("POST", PATH)).data["mergeJobId"] == "mj_fix-m3"

    play_rest(scenario)


def test_of_requests_at_once_one_starts_the_merge() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest)
        answers = await asyncio.gather(*(rest.ask("POST", PATH) for _ in range(5)))
        assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409]

    play_rest(scenario)


def test_the_same_key_gives_the_same_merge_also_once_it_is_over() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest)
        await make_run(rest, "other", {**OPEN, "number": 8, "url": f"{URL}/pull/8"})
        answers = await asyncio.gather(*(rest.ask("POST", PATH, Idempotency_Key="once") for _ in range(3)))
        assert {answer.data["mergeJobId"] for answer in answers} == {"mj_fix-m1"}
        await finish(rest, "fix-m1")
        run = await rest.api.get(RUNS, NAMESPACE, "fix")
        merged = {**run["status"], "pullRequest": {**OPEN, "state": "Merged"}}
        await rest.api.replace_status(RUNS, {**run, "status": merged})
        await rest.settle()
        for path in (PATH, "/pull-requests/fix/merge"):
            again = await rest.ask("POST", path, Idempotency_Key="once")
            assert again.data == {"mergeJobId": "mj_fix-m1", "status": "failed"}
        other = await rest.ask("POST", PATH, {"mergeStrategy": "merge"}, Idempotency_Key="once")
        assert (other.status, "another body" in other.message) == (409, True)
        assert (await rest.ask("POST", PATH, Idempotency_Key="\x01")).fields.keys() == {"Idempotency-Key"}
        elsewhere = await rest.ask("POST", "/pull-requests/r_other/merge", Idempotency_Key="once")
        assert elsewhere.data["mergeJobId"] == "mj_other-m1", "a key counts for one path"

    play_rest(scenario)


def test_to_skip_checks_takes_a_right_of_its_own() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest)
        rest.denied.add(("bypass-ci", "mergejobs"))
        refused = await rest.ask("POST", PATH, {"skipCiCheck": True})
        assert (refused.status, "bypass-ci mergejobs" in refused.message) == (403, True)
        # Whether there is such a run is not said.
        assert (await rest.ask("POST", "/pull-requests/r_none/merge", {"skipCiCheck": True})).status == 403
        assert (await rest.ask("POST", PATH, {"skipCiCheck": False})).status == 201
        rest.denied.add(("create", "mergejobs"))
        await asyncio.sleep(KEPT_SECONDS)
        assert (await rest.ask("POST", "/pull-requests/sc_none/merge", {})).status == 403

    play_rest(scenario)


KEPT_SECONDS = 11
"""How long an answer of the authorizer counts, and more."""

UNIFIED: Json = {"phase": "Completed", "result": {"branch": "codecourier/all", "number": 9, "url": f"{URL}/pull/9"}}


def test_the_new_pull_request_of_a_combine_is_merged_like_any_other() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(MERGE_JOBS, "all", {**COMBINE, "workflowRef": {"name": "merges"}}, UNIFIED)
        await rest.make(MERGE_JOBS, "new", COMBINE)
        await rest.make(MERGE_JOBS, "one", SINGLE)
        answer = await rest.ask("POST", "/pull-requests/mj_all/merge")
        assert answer.data["mergeJobId"] == "mj_all-m1"
        spec = (await job_of(rest, answer))["spec"]
        assert (spec["pullRequests"], spec["workflowRef"]) == ([f"{URL}/pull/9"], {"name": "merges"})
        for id_, sentence in (("mj_new", "no new pull request"), ("mj_one", "single"), ("mj_all", "mj_all-m1")):
            refused = await rest.ask("POST", f"/pull-requests/{id_}/merge")
            assert (refused.status, sentence in refused.message) == (409, True), refused

    play_rest(scenario)


def test_the_state_of_a_new_pull_request_is_shown_and_one_that_is_over_is_not_merged() -> None:
    async def scenario(rest: RestApp) -> None:
        for name, state in (("m", "Merged"), ("c", "Closed"), ("o", "Open")):
            await rest.make(MERGE_JOBS, name, COMBINE, {**UNIFIED, "result": {**UNIFIED["result"], "state": state}})
        shown = {
            pull["runId"]: (pull["prStatus"], pull["prState"])
            for pull in (await rest.ask("GET", "/pull-requests")).data
        }
        assert shown == {"mj_m": ("merged", "merged"), "mj_c": ("created", "closed"), "mj_o": ("created", "open")}
        for name, word in (("m", "merged"), ("c", "closed")):
            refused = await rest.ask("POST", f"/pull-requests/mj_{name}/merge")
            assert (refused.status, word in refused.message) == (409, True)
        assert (await rest.ask("POST", "/pull-requests/mj_o/merge")).status == 201

    play_rest(scenario)


def test_new_pull_requests_are_listed_with_those_of_runs() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest, "a")
        await rest.make(MERGE_JOBS, "b", {**COMBINE, "title": "Both"}, UNIFIED)
        await rest.make(MERGE_JOBS, "c", COMBINE)
        await rest.make(MERGE_JOBS, "d", COMBINE, {"phase": "Running", "result": {"branch": "x"}})
        await rest.make(MERGE_JOBS, "e", COMBINE, {"phase": "Failed", "result": {"branch": "x"}})
        await make_run(rest, "f")

        async def ids(query: str = "") -> list[str]:
            return [pull["runId"] for pull in (await rest.ask("GET", f"/pull-requests{query}")).data]

        assert await ids() == ["r_f", "mj_e", "mj_d", "mj_b", "r_a"]
        (shown,) = (await rest.ask("GET", "/pull-requests?runId=mj_b")).data
        assert shown == {
            "runId": "mj_b",
            "runName": "Both",
            "prUrl": f"{URL}/pull/9",
            "prNumber": 9,
            "prStatus": "created",
            "prState": "open",
            "ciChecks": {"status": "none", "checkedAt": None, "checks": []},
        }
        assert await ids("?status=creating") == await ids("?runId=mj_d") == ["mj_d"]
        assert await ids("?status=failed") == ["mj_e"]
        assert await ids("?runId=mj_c") == await ids("?runId=b") == await ids("?status=created&runId=mj_d") == []
        paged: list[str] = []
        query = "?limit=2"
        while query:
            page = await rest.ask("GET", f"/pull-requests{query}")
            paged += [pull["runId"] for pull in page.data]
            query = page.body["nextCursor"] and f"?limit=2&cursor={page.body['nextCursor']}"
        assert paged == await ids()
        # A caller who may not list merges sees nothing of them.
        rest.denied.add(("list", "mergejobs"))
        await asyncio.sleep(KEPT_SECONDS)
        assert (await ids(), await ids("?runId=mj_b")) == (["r_f", "r_a"], [])
        assert (await rest.ask("GET", "/pull-requests?runId=sc_a")).fields.keys() == {"runId"}

    play_rest(scenario)


def test_kubectl_lists_new_pull_requests_by_the_id_of_the_merge() -> None:
    async def scenario(rest: RestApp) -> None:
        await make_run(rest, "all")
        await rest.make(MERGE_JOBS, "all", COMBINE, UNIFIED)
        listed = (await rest.ask_as_kubectl("/pullrequests")).body["items"]
        assert [item["metadata"]["name"] for item in listed] == ["mj_all", "all"]
        for item in listed:
            found = (await rest.ask_as_kubectl(f"/pullrequests/{item['metadata']['name']}")).body
            assert found["status"] == item["status"]
        assert (await rest.ask_as_kubectl("/pullrequests/r_all")).status == 404

    play_rest(scenario)


def test_a_name_is_that_of_the_run_as_far_as_it_fits() -> None:
    assert merge_job_name("fix", 1) == "fix-m1"
    assert merge_job_name("x" * 34, 9) == f"{'x' * 34}-m9"
    assert re.fullmatch(r"x{25}-[0-9a-f]{8}-m1", merge_job_name("x" * 35, 1))
    assert re.fullmatch(r"a-b-[0-9a-f]{8}-m1", merge_job_name("a.b", 1))
    assert len(merge_job_name("x" * 253, 9999)) <= MergeJob.info.name_max_length
    assert len({merge_job_name(maker, 1) for maker in ("x" * 35, "x" * 36, "a.b", "a-b")}) == 4
