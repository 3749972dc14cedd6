"""What kubectl shows of branches, with a host that answers what a test chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from codecourier.apiserver.views.branch import branch_of, object_name_of
from codecourier.github.api import Operation
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import CredentialsRefused, ForgeError, RateLimited, Unavailable
from codecourier.github.operations.list_branches import BranchPage, ListBranches
from codecourier.kinds.api_resources import RUNS
from tests.support.branches import OTHER, SHA, URL, Forge, branch, play, set_up
from tests.support.rest_app import RestApp, play_rest

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
SPEC = {"workflowRef": {"name": "build"}, "prompt": "Do."}
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass
class Paged(Forge):
    """A host whose list has these pages, by the place that each is asked for with."""

    pages: Mapping[str, BranchPage] | None = None

    async def do(self, repo: RepositoryRef, operation: Operation[Any]) -> Any:
        """Give the page that is asked for, with the branches of the prefix."""
        assert isinstance(operation, ListBranches)
        assert self.pages is not None
        self.asked.append((repo, operation))
        page = self.pages[operation.cursor]
        found = tuple(each for each in page.branches if each.name.startswith(operation.prefix))
        return BranchPage(found, page.cursor)


def endless() -> Forge:
    """Return a host whose list has always one more page, of no branch that is searched."""
    return Forge(BranchPage((branch("x/y"),), "g:next"))


def names_of(body: Any) -> list[str]:
    """Return the names of the objects of a list."""
    return [item["metadata"]["name"] for item in body["items"]]


def test_a_list_has_what_the_rest_api_shows_with_names_that_kubernetes_takes() -> None:
    forge = Forge(BranchPage((branch("feature/dark-mode"), branch("main", is_default=True, author=None)), None))

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        made = {"phase": "Completed", "branch": "feature/dark-mode", "repositoryUrl": URL}
        await rest.make(RUNS, "fix", SPEC, made)
        await rest.make(RUNS, "elsewhere", SPEC, {**made, "repositoryUrl": OTHER})
        body = (await rest.ask_as_kubectl("/branches")).body
        assert (body["kind"], body["apiVersion"]) == ("BranchList", "ops.codecourier.dev/v1")
        assert names_of(body) == ["feature:dark-mode", "main"]
        assert [item["status"] for item in body["items"]] == (await rest.ask("GET", "/branches")).data
        assert body["items"][0]["status"]["name"] == "feature/dark-mode"
        assert body["items"][0]["status"]["runId"] == "r_fix"
        one = await rest.ask_as_kubectl("/branches/feature:dark-mode")
        assert (one.status, one.body) == (200, body["items"][0])
        assert one.body["kind"] == "Branch"
        selected = await rest.ask_as_kubectl("/branches?fieldSelector=metadata.name=main")
        assert names_of(selected.body) == ["main"]

    play(scenario, forge)


def test_tables_show_the_real_name() -> None:
    forge = Forge(BranchPage((branch("a/b"), branch("main", is_default=True)), None))

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        table = (await rest.ask_as_kubectl("/branches", TABLE)).body
        shown = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
        assert shown == ["Name", "Branch", "Default", "Protected", "Run"]
        rows = [["a:b", "a/b", False, False, None], ["main", "main", True, False, None]]
        assert [row["cells"][:5] for row in table["rows"]] == rows
        assert table["rows"][0]["cells"][-1] == SHA
        assert (await rest.ask_as_kubectl("/branches/a:b", TABLE)).body["rows"] == table["rows"][:1]

    play(scenario, forge)


@pytest.mark.parametrize("name", ["main", "feature/dark-mode", "a%2Fb", "枝/ü", "x/y/z%", "a@b"])
def test_a_name_leads_back_to_its_branch(name: str) -> None:
    shown = object_name_of(name)
    assert not {"/", "%"} & set(shown)
    assert branch_of(shown) == name


@pytest.mark.parametrize("name", ["none", "a%b", ":", "a::b", "..", ".lock", "x.lock:y", "a^", "\ufffd", "y" * 1025])
def test_what_no_branch_is_called_is_not_found(name: str) -> None:
    forge = Forge(BranchPage((branch("main"),), None))

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        reply = await rest.ask_as_kubectl(f"/branches/{name}")
        assert (reply.status, reply.body["kind"], reply.body["reason"]) == (404, "Status", "NotFound")

    play(scenario, forge)
    assert len(forge.asked) == (1 if name == "none" else 0), "only a name that git takes reaches the host"


def test_pages_hold_each_once_and_a_list_without_a_limit_holds_all() -> None:
    pages = {
        "": BranchPage((branch("a"), branch("b")), "g:1"),
        "g:1": BranchPage((), "g:2"),
        "g:2": BranchPage((branch("a/b"),), None),
    }
    forge = Paged(pages=pages)

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        found: list[str] = []
        query = "?limit=2"
        while query:
            body = (await rest.ask_as_kubectl(f"/branches{query}")).body
            found += names_of(body)
            following = body["metadata"].get("continue")
            query = f"?limit=2&continue={following}" if following else ""
        assert found == ["a", "b", "a:b"]
        body = (await rest.ask_as_kubectl("/branches")).body
        assert (names_of(body), "continue" in body["metadata"]) == (found, False)
        assert (await rest.ask_as_kubectl("/branches/a:b")).body["status"]["name"] == "a/b"
        refused = await rest.ask_as_kubectl("/branches?limit=2&continue=x")
        assert (refused.status, refused.body["reason"]) == (400, "BadRequest")

    play(scenario, forge)
    assert [operation.limit for _, operation in forge.asked[:3] if isinstance(operation, ListBranches)] == [2, 2, 2]


def test_one_request_reads_a_bounded_part_of_a_long_list() -> None:
    lists, single = endless(), endless()

    async def read_list(rest: RestApp) -> None:
        await set_up(rest)
        body = (await rest.ask_as_kubectl("/branches")).body
        assert len(body["items"]) == len(lists.asked) == 5
        assert body["metadata"]["continue"]

    async def read_one(rest: RestApp) -> None:
        await set_up(rest)
        refused = await rest.ask_as_kubectl("/branches/x")
        assert (refused.status, refused.body["reason"]) == (409, "Conflict")
        assert "a page at a time" in refused.body["message"]

    play(read_list, lists)
    play(read_one, single)
    assert len(single.asked) == 5


REFUSALS: list[tuple[ForgeError, int, str | None]] = [
    (CredentialsRefused("the credential is wrong", status=401), 409, None),
    (Unavailable("broken", may_have_happened=True, status=502), 503, "5"),
    (RateLimited("spent", retry_at=LATER), 503, "3600"),
]


@pytest.mark.parametrize(("error", "status", "retry_after"), REFUSALS)
@pytest.mark.parametrize("path", ["/branches", "/branches/x"])
def test_what_a_host_refuses_is_a_status(path: str, error: ForgeError, status: int, retry_after: str | None) -> None:
    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        reply = await rest.ask_as_kubectl(path)
        assert (reply.status, reply.headers.get("retry-after")) == (status, retry_after)
        assert (reply.body["kind"], reply.body["code"]) == ("Status", status)
        seconds = None if retry_after is None else int(retry_after)
        assert reply.body["details"].get("retryAfterSeconds") == seconds
        assert reply.body["message"] == (await rest.ask("GET", "/branches")).message

    play(scenario, Forge(error))


def test_a_project_that_is_not_set_up_is_refused_with_a_sentence() -> None:
    async def scenario(rest: RestApp) -> None:
        for path in ("/branches", "/branches/main"):
            reply = await rest.ask_as_kubectl(path)
            assert (reply.status, reply.body["reason"]) == (409, "Conflict")
            assert "no Project" in reply.body["message"]

    play_rest(scenario)


@pytest.mark.parametrize(("path", "verb"), [("/branches", "list"), ("/branches/x", "get")])
def test_each_view_needs_its_right_before_the_host_is_asked(path: str, verb: str) -> None:
    forge = Forge(BranchPage((), None))

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        rest.denied.add((verb, "branches"))
        assert (await rest.ask_as_kubectl(path)).status == 403

    play(scenario, forge)
    assert forge.asked == []


def test_no_view_deletes() -> None:
    forge = Forge(BranchPage((branch("x"),), None))

    async def scenario(rest: RestApp) -> None:
        await set_up(rest)
        for path in ("/branches", "/branches/x"):
            assert (await rest.ask_as_kubectl(path, method="DELETE")).status == 405

    play(scenario, forge)
    assert forge.asked == []
