"""Branches over REST, with a host that answers what a test chooses, or not at all."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from codecourier.core.shared.naming import (
    ANNOTATION_APP_REPOSITORIES,
    ANNOTATION_REPOSITORIES,
    LABEL_REPOSITORY_CREDENTIAL,
)
from codecourier.github.credentials import AppInstallation, PersonalToken
from codecourier.github.errors import (
    CredentialsRefused,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    Moved,
    RateLimited,
    Silent,
    Unavailable,
)
from codecourier.github.graphql import CursorUnknown
from codecourier.github.operations.branch import BranchKept, BranchMoved, BranchNotFound
from codecourier.github.operations.delete_branch import DeleteBranch
from codecourier.github.operations.list_branches import BranchPage, ListBranches
from codecourier.github.secret import Secret
from codecourier.hosts.credentials import AppIdentity
from codecourier.kinds.api_resources import MERGE_JOBS, PROJECTS, RUNS, SPRINT_CHAINS
from codecourier.kube.api import NAMESPACES, SECRETS, Json
from tests.simulation.clock import EPOCH
from tests.support.branches import OTHER, SECRET, SHA, URL, Forge, branch, play, set_up
from tests.support.rest_app import NAMESPACE, RestApp, play_rest

SPEC: Json = {"workflowRef": {"name": "build"}, "prompt": "Do."}


async def make_run(rest: RestApp, name: str, spec: Json, **status: Any) -> None:
    """Make a Run with a status."""
    await rest.make(RUNS, name, {**SPEC, **spec}, status)


def test_a_branch_is_shown_as_the_contract_has_it_with_its_run() -> None:
    forge = Forge(BranchPage((branch("feature/x"), branch("main", author=None, is_default=True)), "g:next"))

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        for name, url in (("first", URL), ("second", URL), ("third", OTHER)):
            await make_run(rest, name, {}, phase="Completed", branch="feature/x", repositoryUrl=url)
        reply = await rest.ask("GET", "/branches?prefix=f&limit=2")
        assert reply.data[0] == {
            "name": "feature/x",
            "sha": SHA,
            "author": "alice",
            "committedAt": EPOCH.isoformat().replace("+00:00", "Z"),
            "isProtected": False,
            "isDefault": False,
            "runId": "r_second",
        }
        assert (reply.data[1]["author"], reply.data[1]["runId"], reply.data[1]["isDefault"]) == (None, None, True)
        cursor = reply.body["nextCursor"]
        assert (await rest.ask("GET", f"/branches?prefix=f&cursor={cursor}")).status == 200
        for path in (f"?cursor={cursor}", f"?prefix=f&githubRepoUrl={OTHER}&cursor={cursor}", "?cursor=x"):
            assert (await rest.ask("GET", f"/branches{path}")).fields.keys() == {"cursor"}
        assert (await rest.ask("GET", f"/branches?githubRepoUrl={OTHER}.git/")).data[0]["runId"] == "r_third"

    play(scenario, forge)
    assert [operation for _, operation in forge.asked] == [
        ListBranches("f", 2, ""),
        ListBranches("f", 100, "g:next"),
        ListBranches("", 100, ""),
    ]
    assert {repo.url for repo, _ in forge.asked} == {URL, OTHER}
    assert {repo.credential for repo, _ in forge.asked} == {PersonalToken(Secret("the-token"))}


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("limit=0&prefix=" + "x" * 256, {"limit", "prefix"}),
        ("limit=1001", {"limit"}),
        ("limit=x&page=2", {"limit", "page"}),
        ("githubRepoUrl=https://github.com/org/none", {"githubRepoUrl"}),
        ("githubRepoUrl=", {"githubRepoUrl"}),
    ],
)
def test_what_is_wrong_with_a_question_is_named(query: str, fields: set[str]) -> None:
    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        reply = await rest.ask("GET", f"/branches?{query}")
        assert (reply.status, set(reply.fields)) == (400, fields)

    play(scenario, Forge())


@pytest.mark.parametrize(
    "name",
    ["feature/dark-mode", "refs/heads/x", "f%2Fx", "枝", "a'b\"", "x/protection", "z" * 250, "HEAD", "-x", "a@b"],
)
def test_a_branch_is_deleted_by_the_name_that_git_knows(name: str) -> None:
    forge = Forge()

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        assert (await rest.ask("DELETE", f"/branches/{name}")).data == {"name": name, "isDeleted": True}

    play(scenario, forge)
    assert [operation for _, operation in forge.asked] == [DeleteBranch(name)]


NO_NAMES = ["", "/", "a//b", "../x", "a/../b", "a/.b", ".a", "a/", "a..b", "a b", "a\0b", "a\nb", "a~1", "a^", "a:b"]
NO_NAMES += ["@{u}", "@", "a.lock", "a.lock/b", "a.", "x" * 1025, "\ufffd", "a\\b", "a*", "a[", "\x7f"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_git_takes_for_no_branch_reaches_no_host(name: str) -> None:
    forge = Forge()

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        assert (await rest.ask("DELETE", f"/branches/{name}")).status == 404

    play(scenario, forge)
    assert forge.asked == []


COMBINE: Json = {"mode": "Combine", "pullRequests": [f"{URL}/pull/1"]}
USES: list[tuple[Any, Json, Json]] = [
    (RUNS, {**SPEC, "baseBranch": "x"}, {}),
    (RUNS, {**SPEC, "pullRequestBase": "x"}, {"phase": "Queued"}),
    (RUNS, SPEC, {"phase": "Running", "branch": "x", "repositoryUrl": URL}),
    (RUNS, SPEC, {"phase": "Running", "baseBranch": "x", "repositoryUrl": f"{URL}.git"}),
    (
        SPRINT_CHAINS,
        {"workflowRef": {"name": "build"}, "prompt": "Do.", "sprintRange": {"first": 1, "last": 2}},
        {"phase": "Running", "sprints": [{"index": 0, "number": 1, "phase": "Completed", "branch": "x"}]},
    ),
    (MERGE_JOBS, {**COMBINE, "baseBranch": "x"}, {}),
    (MERGE_JOBS, {**COMBINE, "branchName": "x"}, {"phase": "Running", "repositoryUrl": URL}),
    (MERGE_JOBS, COMBINE, {"repositoryUrl": URL, "result": {"branch": "x"}}),
    (
        MERGE_JOBS,
        COMBINE,
        {"repositoryUrl": URL, "sources": [{"number": 1, "url": f"{URL}/pull/1", "headBranch": "x"}]},
    ),
]


@pytest.mark.parametrize(("resource", "spec", "status"), USES)
def test_a_branch_in_use_stays_until_its_user_is_finished(resource: Any, spec: Json, status: Json) -> None:
    forge = Forge()

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        await rest.make(resource, "fix", spec, status)
        refused = await rest.ask("DELETE", "/branches/x")
        assert (refused.status, refused.message.partition(" uses")[0]) == (409, f"{resource.kind} fix")
        assert forge.asked == []
        assert (await rest.ask("DELETE", "/branches/y")).status == 200
        assert (await rest.ask("DELETE", f"/branches/x?githubRepoUrl={OTHER}")).status in (
            {200} if "repositoryUrl" in status or resource is MERGE_JOBS else {409}
        )
        current = await rest.api.get(resource, NAMESPACE, "fix")
        await rest.api.replace_status(resource, {**current, "status": {**current["status"], "phase": "Cancelled"}})
        await rest.settle()
        assert (await rest.ask("DELETE", "/branches/x")).status == 200

    play(scenario, forge)


LATER = datetime(2100, 1, 1, tzinfo=UTC)
REFUSALS: list[tuple[ForgeError, int, str | None]] = [
    (BranchNotFound("x"), 404, None),
    (BranchKept("branch x is protected"), 409, None),
    (BranchMoved("it moved"), 409, None),
    (CursorUnknown("x"), 400, None),
    (CredentialsRefused("the credential is wrong", status=401), 409, None),
    (ForgeNotFound("there is no such repository", status=404), 409, None),
    (Moved("it moved", location="x", status=301), 409, None),
    (ForgeRefused("no", status=422), 409, None),
    (Unavailable("broken", may_have_happened=True, status=502), 503, "5"),
    (RateLimited("spent", retry_at=LATER), 503, "3600"),
    (RateLimited("spent", retry_at=EPOCH), 503, "1"),
]


@pytest.mark.parametrize(("error", "status", "retry_after"), REFUSALS)
def test_what_a_host_refuses_has_a_status_and_a_sentence(
    error: ForgeError, status: int, retry_after: str | None
) -> None:
    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        for method, path in (("GET", "/branches"), ("DELETE", "/branches/x")):
            reply = await rest.ask(method, path)
            assert (reply.status, reply.headers.get("retry-after")) == (status, retry_after)
            assert reply.message.endswith(".")
            assert reply.message[0].isupper()

    play(scenario, Forge(error))


def test_a_host_that_hangs_delays_nothing_else_and_is_left_after_a_bounded_time() -> None:
    forge = Forge(Silent("it hangs", may_have_happened=False), seconds=10.0)

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        hung = [asyncio.create_task(rest.ask("GET", "/branches")) for _ in range(200)]
        await asyncio.sleep(1.0)
        for path in ("/recurring-tasks", "/pull-requests", "/runs"):
            assert (await rest.ask("GET", path)).status == 200
        assert not any(task.done() for task in hung)
        replies = await asyncio.gather(*hung)
        assert {reply.status for reply in replies} == {503}
        assert min(int(reply.headers["retry-after"]) for reply in replies) >= 1
        assert loop.time() - begin < 16.0
        # Until it answers again, callers learn that at once.
        begin = loop.time()
        assert (await rest.ask("GET", "/branches")).status == 503
        assert loop.time() - begin < 1.0

    play(scenario, forge)
    assert len(forge.asked) == 1


APP = AppIdentity(7, Secret("key"))


def test_a_credential_goes_only_where_its_owner_lets_it() -> None:
    forge = Forge(BranchPage((), None))

    async def scenario(rest: RestApp) -> None:
        async def refusal() -> str:
            reply = await rest.ask("GET", "/branches")
            assert reply.status == 409, reply
            return reply.message

        assert "no Project" in await refusal()
        repository: Json = {"url": URL, "isDefault": True, "credentialRef": {"name": "forge"}}
        await rest.make(PROJECTS, "default", {"repositories": [repository]})
        assert "Secret 'forge' is not there" in await refusal()
        metadata: Json = {"name": "forge", "namespace": NAMESPACE}
        await rest.api.create(SECRETS, {"metadata": metadata, **SECRET})
        assert f"label it {LABEL_REPOSITORY_CREDENTIAL}=true" in await refusal()
        labels = {LABEL_REPOSITORY_CREDENTIAL: "true"}
        change: Json = {"metadata": {"labels": labels, "annotations": {ANNOTATION_REPOSITORIES: OTHER}}}
        await rest.api.patch(SECRETS, NAMESPACE, "forge", change)
        await refusal()
        change = {"metadata": {"annotations": {ANNOTATION_REPOSITORIES: None}}, "data": {"token": ""}}
        await rest.api.patch(SECRETS, NAMESPACE, "forge", change)
        assert "no text in its key 'token'" in await refusal()
        assert forge.asked == []
        await rest.api.patch(SECRETS, NAMESPACE, "forge", {"data": SECRET["data"]})
        assert (await rest.ask("GET", "/branches")).status == 200

    play(scenario, forge)


@pytest.mark.parametrize("app", [APP, None])
def test_an_app_is_used_where_the_server_has_its_key_and_the_namespace_allows_it(app: AppIdentity | None) -> None:
    forge = Forge(BranchPage((), None))

    async def scenario(rest: RestApp) -> None:
        repository: Json = {"url": URL, "isDefault": True, "app": {"installationId": 9}}
        await rest.make(PROJECTS, "default", {"repositories": [repository]})
        refused = await rest.ask("GET", "/branches")
        assert refused.status == 409
        assert ("no annotation" if app else "the API server has no GitHub App") in refused.message
        annotations = {ANNOTATION_APP_REPOSITORIES: "https://github.com/org"}
        await rest.api.patch(NAMESPACES, None, NAMESPACE, {"metadata": {"annotations": annotations}})
        await rest.settle()
        assert (await rest.ask("GET", "/branches")).status == (200 if app else 409)

    play(scenario, forge, app)
    assert [repo.credential for repo, _ in forge.asked] == ([AppInstallation(7, APP.private_key, 9)] if app else [])


@pytest.mark.parametrize(
    ("method", "path", "verb"), [("GET", "/branches", "list"), ("DELETE", "/branches/x", "delete")]
)
def test_each_operation_needs_its_right(method: str, path: str, verb: str) -> None:
    forge = Forge(BranchPage((), None))

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        rest.denied.add((verb, "branches"))
        assert (await rest.ask(method, path)).status == 403

    play(scenario, forge)
    assert forge.asked == []


def test_a_server_without_hosts_says_so() -> None:
    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        assert (await rest.ask("GET", "/branches")).status == 409

    play_rest(scenario)
