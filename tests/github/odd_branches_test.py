"""Answers about branches that no host of good faith gives, and what may happen between two of its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codecourier.github.client import GitHubForge
from codecourier.github.credentials import PersonalToken, RepositoryRef
from codecourier.github.errors import ForgeError, ForgeNotFound, RateLimited, Unavailable
from codecourier.github.graphql import CursorUnknown
from codecourier.github.operations.branch import BranchKept, BranchMoved, BranchNotFound
from codecourier.github.operations.delete_branch import DeleteBranch
from codecourier.github.operations.list_branches import ListBranches
from codecourier.github.secret import Secret
from tests.support.odd_forge import OddForge, answer

OLD, NEW = "a" * 40, "b" * 40
REPOSITORY = answer(200, {"default_branch": "main", "node_id": "R_1"})
REFUSED = answer(200, {"data": {"updateRefs": None}, "errors": [{"type": "UNPROCESSABLE", "message": "No."}]})


def branch(sha: str = OLD, **changes: Any) -> bytes:
    """Return the answer about branch `work`."""
    return answer(200, {"name": "work", "commit": {"sha": sha}, "protected": False, **changes})


async def outcome(tmp_path: Path, operation: Any, *scripts: bytes) -> tuple[Any, list[str]]:
    """Return the result of an operation or its error, and what was asked."""
    async with OddForge(tmp_path, list(scripts)) as odd:
        repo = RepositoryRef(f"https://{odd.host}/acme/shop", PersonalToken(Secret("a-token")))
        async with GitHubForge(hosts=frozenset({odd.host}), ca_bundle=odd.ca_path) as forge:
            try:
                result = await forge.do(repo, operation)
            except ForgeError as error:
                result = error
        return result, [seen.line.partition(" HTTP")[0] for seen in odd.seen]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (branch(NEW), BranchMoved),
        (branch(OLD), BranchKept),
        (answer(404, {"message": "Branch not found"}), type(None)),
        (answer(500), Unavailable),
    ],
)
async def test_a_refused_deletion_is_settled_by_a_look(tmp_path: Path, after: bytes, expected: type) -> None:
    scripts = (REPOSITORY, branch(), answer(200, []), REFUSED, after)
    result, asked = await outcome(tmp_path, DeleteBranch("work"), *scripts)
    assert isinstance(result, expected)
    assert asked[3:] == ["POST /api/graphql", "GET /api/v3/repos/acme/shop/branches/work"]


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        ([answer(404)], ForgeNotFound),
        ([REPOSITORY, branch(protected=None)], BranchKept),
        ([REPOSITORY, branch(name="else")], BranchKept),
        ([REPOSITORY, branch(sha="short")], Unavailable),
        ([REPOSITORY, answer(301, location="https://localhost/x")], BranchNotFound),
        ([REPOSITORY, branch(), answer(200, {})], Unavailable),
        ([REPOSITORY, branch(), answer(200, [{"number": 7, "base": {"ref": "work"}}])], BranchKept),
        ([answer(200, {"default_branch": "work", "node_id": "R_1"})], BranchKept),
    ],
)
async def test_nothing_is_deleted_after_an_odd_answer(
    tmp_path: Path, scripts: list[bytes], expected: type[ForgeError]
) -> None:
    result, asked = await outcome(tmp_path, DeleteBranch("work"), *scripts)
    assert isinstance(result, expected)
    assert all(line.startswith("GET ") for line in asked)


async def test_a_pull_request_of_another_base_keeps_nothing(tmp_path: Path) -> None:
    pulls = answer(200, [{"number": 7, "base": {"ref": "main"}}])
    done = answer(200, {"data": {"updateRefs": {"clientMutationId": None}}})
    result, _ = await outcome(tmp_path, DeleteBranch("work"), REPOSITORY, branch(), pulls, done)
    assert result is None


def listed(**refs: Any) -> bytes:
    """Return the answer to a query of branches."""
    repository = {"nameWithOwner": "Acme/Shop", "defaultBranchRef": None, "refs": refs or None}
    return answer(200, {"data": {"repository": repository}})


def failed(kind: str | None = None, **more: Any) -> bytes:
    """Return a refusal of a query."""
    error = {"message": "No.", **more} | ({} if kind is None else {"type": kind})
    return answer(200, {"data": None, "errors": [error]})


LAST: Any = {"pageInfo": {"hasNextPage": False}}


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (failed("NOT_FOUND"), ForgeNotFound),
        (failed("INVALID_CURSOR_ARGUMENTS"), CursorUnknown),
        (failed("RATE_LIMITED"), RateLimited),
        (failed(), Unavailable),
        (answer(200, {"errors": "x"}), Unavailable),
        (answer(200, []), Unavailable),
        (answer(200, {"data": {}}), Unavailable),
        (listed(nodes={}, **LAST), Unavailable),
        (listed(nodes=[{"name": "", "target": None}], **LAST), Unavailable),
        (listed(nodes=[{"name": "x" * 1025, "target": None}], **LAST), Unavailable),
        (listed(nodes=[{"name": "x", "target": {"oid": "-"}}], **LAST), Unavailable),
        (listed(nodes=[{"name": "x", "rules": {"nodes": 1}, "target": {"oid": OLD}}], **LAST), Unavailable),
        (listed(nodes=[], pageInfo={"hasNextPage": True, "endCursor": ""}), Unavailable),
        (answer(200, {"data": {"repository": {"nameWithOwner": "acme/new"}}}), ForgeNotFound),
    ],
)
async def test_an_odd_list_is_an_error(tmp_path: Path, script: bytes, expected: type[ForgeError]) -> None:
    result, asked = await outcome(tmp_path, ListBranches("", 100), script)
    assert isinstance(result, expected), result
    assert asked == ["POST /api/graphql"]


@pytest.mark.parametrize("script", [failed(extensions={"code": "undefinedField"}), failed("FORBIDDEN"), answer(404)])
async def test_what_graphql_does_not_give_is_asked_by_rest(tmp_path: Path, script: bytes) -> None:
    result, asked = await outcome(tmp_path, ListBranches("", 100), script, REPOSITORY, answer(200, []))
    assert (result.branches, result.cursor) == ((), None)
    assert asked[2] == "GET /api/v3/repos/acme/shop/branches?page=1&per_page=100"


async def test_a_list_that_never_ends_is_left_after_ten_pages(tmp_path: Path) -> None:
    endless = listed(nodes=[], pageInfo={"hasNextPage": True, "endCursor": "c"})
    result, asked = await outcome(tmp_path, ListBranches("x", 100), endless)
    assert (result.branches, result.cursor, len(asked)) == ((), "g:c", 10)


async def test_an_empty_repository_has_no_branches(tmp_path: Path) -> None:
    result, _ = await outcome(tmp_path, ListBranches("", 100), listed())
    assert isinstance(result, ForgeError) or result.branches == ()
    lost = listed(nodes=[{"name": "lost", "target": None}], **LAST)
    result, _ = await outcome(tmp_path, ListBranches("", 100), lost)
    assert result.branches == ()


@pytest.mark.parametrize("author", [None, {}, {"name": "", "user": {"login": None}}])
async def test_an_author_may_be_missing(tmp_path: Path, author: Any) -> None:
    target = {"oid": OLD, "committedDate": "2026-01-01T00:00:00Z", "author": author}
    rules = {"nodes": [{"type": "UPDATE"}, {"type": "DELETION"}]}
    node = {"name": "x", "target": target, "rules": rules, "refUpdateRule": None}
    result, _ = await outcome(tmp_path, ListBranches("", 100), listed(nodes=[node], **LAST))
    (found,) = result.branches
    assert (found.author, found.is_protected, found.is_default) == (None, True, False)
