"""Many pull requests looked at with one query."""

from __future__ import annotations

import pytest

from codecourier.github.client import GitHubForge
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import ForgeNotFound, RateLimited, Unavailable
from codecourier.github.operations.look_at_pull_requests import (
    MOST_LOOKS,
    CheckView,
    LookAtPullRequests,
    PullRequestLook,
)
from codecourier.pull_request import PullRequestState
from tests.github.conftest import Place
from tests.github.looks import open_pull, say

pytestmark = pytest.mark.forge


def count_queries(place: Place) -> int:
    """Return how many GraphQL queries the host has answered, with errors in them or without."""
    return sum(count for what, count in place.control.counters().requests.items() if "/graphql" in what)


async def look(forge: GitHubForge, ref: RepositoryRef, number: int) -> PullRequestLook:
    return (await forge.do(ref, LookAtPullRequests((number,)))).found[number]


async def test_many_are_seen_with_one_query_of_one_point(
    forge: GitHubForge, place: Place, seeing: RepositoryRef
) -> None:
    numbers = [(await open_pull(forge, place, f"b{index}"))[0] for index in range(3)]
    say(place, f"/pulls/{numbers[1]}/merge")
    say(place, f"/pulls/{numbers[2]}", state="closed", title="Not this", base="main")
    before = count_queries(place)
    looks = await forge.do(seeing, LookAtPullRequests((*numbers, 4711)))
    assert count_queries(place) == before + 1
    assert sorted(looks.found) == numbers
    states = [looks.found[number].state for number in numbers]
    assert states == [PullRequestState.OPEN, PullRequestState.MERGED, PullRequestState.CLOSED]
    opened, merged, closed = (looks.found[number] for number in numbers)
    assert (opened.title, opened.head_branch, opened.base_branch) == ("Change b0", "b0", "main")
    assert (opened.merged_at, opened.merge_sha, opened.closed_at) == (None, None, None)
    assert merged.merge_sha is not None
    assert merged.merged_at == merged.closed_at is not None
    assert (closed.title, closed.merged_at, closed.closed_at is None) == ("Not this", None, False)
    again = await forge.do(seeing, LookAtPullRequests(tuple(numbers)))
    assert looks.limit is not None
    assert looks.reset_at is not None
    assert looks.remaining - again.remaining == 1


async def test_checks_and_statuses_are_seen_with_those_that_are_required(
    forge: GitHubForge, place: Place, seeing: RepositoryRef
) -> None:
    place.control.protect(place.name, "main", required_checks=["test"])
    number, sha = await open_pull(forge, place, "b")
    assert (await look(forge, seeing, number)).checks == ()
    say(place, "/check-runs", name="test", head_sha=sha, conclusion="failure")
    say(place, "/check-runs", name="lint", head_sha=sha, status="in_progress")
    say(place, f"/statuses/{sha}", state="pending", context="ci/old")
    say(place, f"/statuses/{sha}", state="success", context="ci/done")
    seen = await look(forge, seeing, number)
    assert set(seen.checks or ()) == {
        CheckView("test", "COMPLETED", "FAILURE", is_required=True),
        CheckView("lint", "IN_PROGRESS", None, is_required=False),
        CheckView("ci/old", "PENDING", None, is_required=False),
        CheckView("ci/done", "COMPLETED", "SUCCESS", is_required=False),
    }
    assert (seen.rollup, seen.has_more_checks) == ("FAILURE", False)
    say(place, "/check-runs", name="test", head_sha=sha, conclusion="success")
    assert CheckView("test", "COMPLETED", "SUCCESS", is_required=True) in (
        (await look(forge, seeing, number)).checks or ()
    )


async def test_checks_of_an_older_head_are_not_those_of_the_new_one(
    forge: GitHubForge, place: Place, seeing: RepositoryRef
) -> None:
    number, sha = await open_pull(forge, place, "b")
    say(place, "/check-runs", name="test", head_sha=sha, conclusion="failure")
    newer = place.control.commit(place.name, "b", {"more.txt": "more"})
    seen = await look(forge, seeing, number)
    assert (seen.head_sha, seen.checks, seen.rollup) == (newer, (), None)


async def test_a_token_that_may_not_read_checks_sees_their_sum(forge: GitHubForge, place: Place) -> None:
    number, sha = await open_pull(forge, place, "b")
    say(place, "/check-runs", name="test", head_sha=sha, conclusion="failure")
    seen = await look(forge, place.by_token(place.personal()), number)
    assert (seen.checks, seen.rollup, seen.has_more_checks) == ((), "FAILURE", True)


async def test_an_app_that_may_not_read_checks_sees_everything_else(forge: GitHubForge, place: Place) -> None:
    number, _ = await open_pull(forge, place, "b")
    seen = await look(forge, place.by_app, number)
    assert (seen.state, seen.checks) == (PullRequestState.OPEN, None)


async def test_what_the_host_refuses(forge: GitHubForge, place: Place, seeing: RepositoryRef) -> None:
    hidden = RepositoryRef(f"{place.url}-gone", seeing.credential)
    with pytest.raises(ForgeNotFound):
        await forge.do(hidden, LookAtPullRequests((1,)))
    place.control.answer_with(502, method="POST", path="^/api/graphql$")
    with pytest.raises(Unavailable):
        await forge.do(seeing, LookAtPullRequests((1,)))
    place.control.answer_with(404, method="POST", path="^/api/graphql$")
    looks = await forge.do(seeing, LookAtPullRequests((1,)))
    assert (looks.has_graphql, looks.found) == (False, {})


async def test_looks_stop_before_the_budget_that_writes_need(forge: GitHubForge, place: Place) -> None:
    number, _ = await open_pull(forge, place, "b")
    token = place.personal()
    place.control.set_rate(token, limit=5000, remaining=500, reset_seconds=600, resource="graphql")
    await look(forge, place.by_token(token), number)
    with pytest.raises(RateLimited):
        await look(forge, place.by_token(token), number)


@pytest.mark.parametrize("count", [0, MOST_LOOKS + 1])
def test_a_query_has_bounds(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 50"):
        LookAtPullRequests(tuple(range(1, count + 1)))
