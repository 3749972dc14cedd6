"""Branches: listed by name with their last commits, and deleted unless something needs them."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

import pytest

from codecourier.github.client import GitHubForge
from codecourier.github.errors import (
    CredentialsRefused,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    RateLimited,
    Unavailable,
)
from codecourier.github.graphql import CursorUnknown
from codecourier.github.operations.branch import BranchFacts, BranchKept, BranchNotFound
from codecourier.github.operations.delete_branch import DeleteBranch
from codecourier.github.operations.list_branches import BranchPage, ListBranches
from tests.github.conftest import Clock, Place

pytestmark = pytest.mark.forge

ODD_NAMES = [
    "feature/dark-mode",
    "f%2Fx",
    "refs/heads/x",
    "ünïcode/枝",
    "a'b\"{}$#",
    "x/protection",
    f"{'z' * 200}/{'y' * 49}",
]


def git(place: Place, *arguments: str, stdin: str = "") -> str:
    """Run git in the repository itself."""
    bare = place.control.address.ca_path.parent / "repositories" / f"{place.name}.git"
    command = ["git", "--git-dir", str(bare), *arguments]
    done = subprocess.run(command, input=stdin.encode(), capture_output=True, check=True)
    return done.stdout.decode().strip()


def without_graphql(place: Place) -> None:
    """Let the host have no GraphQL API."""
    place.control.answer_with(404, method="POST", path="^/api/graphql$", times=1000)


def names(page: BranchPage) -> list[str]:
    """Return the names on a page."""
    return [branch.name for branch in page.branches]


async def everything(forge: GitHubForge, place: Place, prefix: str, limit: int) -> list[str]:
    """Return the names of all pages; no page has more than asked for."""
    found, cursor = list[str](), ""
    while True:
        page = await forge.do(place.by_app, ListBranches(prefix, limit, cursor))
        assert len(page.branches) <= limit
        found += names(page)
        if page.cursor is None:
            return found
        cursor = page.cursor


async def test_a_branch_is_shown_with_its_last_commit(forge: GitHubForge, place: Place) -> None:
    place.control.commit(place.name, "feature/dark-mode", {"x": "x"})
    place.control.protect(place.name, "main")
    page = await forge.do(place.by_app, ListBranches("", 100))
    assert page.cursor is None
    main, feature = sorted(page.branches, key=lambda branch: not branch.is_default)
    assert (main.name, main.sha, main.is_protected, main.is_default) == ("main", place.sha, True, True)
    assert feature == BranchFacts(
        name="feature/dark-mode",
        sha=git(place, "rev-parse", "feature/dark-mode"),
        author=main.author,
        committed_at=feature.committed_at,
        is_protected=False,
        is_default=False,
    )
    assert main.author == place.name.partition("/")[0]
    assert feature.committed_at is not None
    assert abs((datetime.now(UTC) - feature.committed_at).total_seconds()) < 3600


async def test_a_host_without_graphql_lists_the_same_branches(forge: GitHubForge, place: Place) -> None:
    for number in range(7):
        git(place, "update-ref", f"refs/heads/b{number}", place.sha)
    place.control.protect(place.name, "b3")
    by_graphql = await forge.do(place.by_app, ListBranches("", 100))
    without_graphql(place)
    by_rest = await forge.do(place.by_app, ListBranches("", 100))
    shown = [
        [(branch.name, branch.sha, branch.is_protected, branch.is_default) for branch in page.branches]
        for page in (by_graphql, by_rest)
    ]
    assert shown[0] == shown[1]
    assert {(branch.author, branch.committed_at) for branch in by_rest.branches} == {(None, None)}
    assert await everything(forge, place, "b", 3) == [f"b{number}" for number in range(7)]
    with pytest.raises(CursorUnknown):
        await forge.do(place.by_app, ListBranches("", 100, "r:x:1"))


@pytest.mark.parametrize("has_graphql", [True, False])
async def test_odd_names_are_listed_found_by_prefix_and_deleted(
    forge: GitHubForge, place: Place, *, has_graphql: bool
) -> None:
    for name in ODD_NAMES:
        git(place, "update-ref", f"refs/heads/{name}", place.sha)
    if not has_graphql:
        without_graphql(place)
    listed = await everything(forge, place, "", 2)
    assert listed == sorted([*ODD_NAMES, "main"], key=lambda name: name.encode())
    for name in ODD_NAMES:
        assert name in await everything(forge, place, name[:-1], 100)
        assert await everything(forge, place, f"{name}-", 100) == []
    # The host takes the last part of this one's path for a question about branch x.
    for name in set(ODD_NAMES) - {"x/protection"}:
        await forge.do(place.by_app, DeleteBranch(name))
        assert name not in git(place, "for-each-ref", "--format=%(refname:short)").splitlines()
    with pytest.raises(BranchNotFound):
        await forge.do(place.by_app, DeleteBranch("feature/dark-mode"))


async def test_a_prefix_matches_the_beginning_and_case_only(forge: GitHubForge, place: Place) -> None:
    for name in ("feature/a", "old/feature/a", "Feature/b"):
        git(place, "update-ref", f"refs/heads/{name}", place.sha)
    assert await everything(forge, place, "feature/", 1) == ["feature/a"]
    assert await everything(forge, place, "none", 1) == []


async def test_a_page_of_many_is_bounded_and_the_next_one_goes_on(forge: GitHubForge, place: Place) -> None:
    lines = "".join(f"create refs/heads/many/{number:05} {place.sha}\n" for number in range(1200))
    git(place, "update-ref", "--stdin", stdin=lines)
    before = place.control.counters().requests.get("POST /api/graphql 200", 0)
    page = await forge.do(place.by_app, ListBranches("many/", 150))
    assert names(page) == [f"many/{number:05}" for number in range(150)]
    assert place.control.counters().requests["POST /api/graphql 200"] == before + 2
    without_graphql(place)
    # Nothing matches within the pages that one operation reads: the list goes on where it ended.
    nothing = await forge.do(place.by_app, ListBranches("zz", 100))
    assert (nothing.branches, nothing.cursor) == ((), "r:11:0")
    assert (await forge.do(place.by_app, ListBranches("zz", 100, "r:11:0"))).cursor is None


@pytest.mark.parametrize("has_graphql", [True, False])
async def test_what_something_needs_is_not_deleted(forge: GitHubForge, place: Place, *, has_graphql: bool) -> None:
    if not has_graphql:
        without_graphql(place)
    place.change("feature/total")
    git(place, "update-ref", "refs/heads/base", place.sha)
    git(place, "update-ref", "refs/heads/kept", place.sha)
    place.control.protect(place.name, "kept")
    draft = {"title": "T", "body": "", "head": "feature/total", "base": "base"}
    assert place.ask("POST", "/pulls", place.personal(), draft).status_code == 201
    for branch, why in (("main", "is the default branch"), ("kept", "is protected"), ("base", "pull request 1")):
        with pytest.raises(BranchKept, match=why):
            await forge.do(place.by_app, DeleteBranch(branch))
    for branch in ("none", "refs/heads/main", "MAIN"):
        with pytest.raises(BranchNotFound):
            await forge.do(place.by_app, DeleteBranch(branch))
    for branch in ("", "a//b", "../main", "."):
        with pytest.raises(ForgeRefused):
            await forge.do(place.by_app, DeleteBranch(branch))
    await forge.do(place.by_app, DeleteBranch("feature/total"))
    assert "feature/total" not in git(place, "for-each-ref")
    assert place.control.counters().ref_writes[f"{place.name} delete refs/heads/feature/total"] == 1


@pytest.mark.parametrize("was_done", [True, False])
async def test_a_lost_answer_to_a_deletion_is_settled_by_a_look(
    forge: GitHubForge, place: Place, *, was_done: bool
) -> None:
    place.change("work")
    lose = place.control.lose_answer if was_done else place.control.lose_request
    lose(method="POST", path="^/api/graphql$")
    if was_done:
        await forge.do(place.by_app, DeleteBranch("work"))
    else:
        with pytest.raises(Unavailable):
            await forge.do(place.by_app, DeleteBranch("work"))
    assert ("work" in git(place, "for-each-ref")) is not was_done


async def test_the_limits_of_both_apis_are_counted_apart(forge: GitHubForge, place: Place, clock: Clock) -> None:
    token = place.personal()
    repo = place.by_token(token)
    place.control.set_rate(token, limit=5000, remaining=0, reset_seconds=600, resource="graphql")
    before = place.control.counters().requests.get("POST /api/graphql errors", 0)
    for _ in range(2):
        with pytest.raises(RateLimited) as limited:
            await forge.do(repo, ListBranches("", 100))
        assert limited.value.retry_at > clock()
    requests = place.control.counters().requests
    assert requests["POST /api/graphql errors"] == before + 1, "the second one was not sent"
    with pytest.raises(BranchNotFound):
        await forge.do(repo, DeleteBranch("none"))


async def test_each_refusal_has_its_error(forge: GitHubForge, place: Place) -> None:
    async def refusal(permissions: dict[str, str], operation: ListBranches | DeleteBranch) -> ForgeError:
        with pytest.raises(ForgeError) as refused:
            await forge.do(place.by_token(place.personal(**permissions)), operation)
        return refused.value

    assert isinstance(await refusal({"statuses": "read"}, ListBranches("", 9)), CredentialsRefused)
    reader: dict[str, str] = {"contents": "read", "pull_requests": "read"}
    place.change("work")
    assert isinstance(await refusal(reader, DeleteBranch("work")), CredentialsRefused)
    revoked, other = place.personal(), place.personal()
    place.control.revoke_token(revoked)
    with pytest.raises(CredentialsRefused, match="wrong, expired or revoked"):
        await forge.do(place.by_token(revoked), ListBranches("", 9))
    place.control.rename_repository(place.name, "new")
    with pytest.raises(ForgeNotFound, match="new"):
        await forge.do(place.by_token(other), ListBranches("", 9))
