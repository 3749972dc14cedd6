"""Pull requests looked at one by one, at a host that has no GraphQL API."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from codecourier.controller.background import Background
from codecourier.controller.follower import Follower
from codecourier.controller.pace import LEAST_SECONDS, USUAL_LIMIT
from codecourier.core.shared.facts import RepositoryAccess
from codecourier.core.shared.following import Follow, PullRequestLifeAsk, PullRequestLifeFact
from codecourier.github.address import RepositoryAddress
from codecourier.github.budget import Budgets
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import PersonalToken, RepositoryRef
from codecourier.github.errors import RateLimited, Unavailable
from codecourier.github.gateway import Gateway
from codecourier.github.operations.look_at_each_pull_request import MOST_EACH, LookAtEachPullRequest
from codecourier.github.operations.look_at_pull_requests import LookAtPullRequests, PullRequestLook, PullRequestLooks
from codecourier.github.secret import Secret
from codecourier.github.session import Session
from codecourier.github.tokens import Logins
from codecourier.github.transport import Wait
from codecourier.kinds.api_resources import RUNS
from codecourier.kinds.registry import WorkKey
from codecourier.pull_request import PullRequestState
from tests.github.conftest import Place
from tests.github.looks import open_pull, say
from tests.simulation.clock import WallClock, run_virtual

pytestmark = pytest.mark.forge

_SECONDS = 600
_SHARE = 0.1


def count_requests(place: Place) -> int:
    """Return how many requests of the REST API the host has answered."""
    answered = place.control.counters().requests
    return sum(count for what, count in answered.items() if what.startswith("GET /repos") and "info/refs" not in what)


async def look_at_each(forge: GitHubForge, ref: RepositoryRef, *numbers: int) -> PullRequestLooks:
    return await forge.do(ref, LookAtEachPullRequest(numbers))


async def look_both_ways(forge: GitHubForge, ref: RepositoryRef, number: int) -> tuple[PullRequestLook, ...]:
    """Return the same pull request as one query shows it, and as single requests do."""
    one, other = await forge.do(ref, LookAtPullRequests((number,))), await look_at_each(forge, ref, number)
    return one.found[number], other.found[number]


def sort_checks(look: PullRequestLook) -> list[tuple[object, ...]]:
    return sorted((check.name, check.status, check.conclusion, check.is_required) for check in look.checks or ())


async def test_it_shows_the_same_as_one_query_for_all(forge: GitHubForge, place: Place, seeing: RepositoryRef) -> None:
    place.control.protect(place.name, "main", required_checks=["test"])
    number, sha = await open_pull(forge, place, "b")
    for body in ({"name": "test", "conclusion": "failure"}, {"name": "lint", "status": "in_progress"}):
        say(place, "/check-runs", head_sha=sha, **body)
    say(place, f"/statuses/{sha}", state="pending", context="ci/old")
    say(place, f"/statuses/{sha}", state="success", context="ci/done")
    queried, asked = await look_both_ways(forge, seeing, number)
    assert sort_checks(asked) == sort_checks(queried)
    assert len(asked.checks or ()) == 4
    assert {**vars(asked), "checks": ()} == {**vars(queried), "checks": ()}


async def test_rules_require_checks_as_protection_does(forge: GitHubForge, place: Place, seeing: RepositoryRef) -> None:
    place.control.add_rules(place.name, "main", required_checks=["test"])
    number, sha = await open_pull(forge, place, "b")
    say(place, "/check-runs", name="test", head_sha=sha, conclusion="success")
    looks = await look_at_each(forge, seeing, number)
    assert sort_checks(looks.found[number]) == [("test", "COMPLETED", "SUCCESS", True)]
    assert looks.found[number].rollup == "SUCCESS"


async def test_a_merged_and_a_closed_one_cost_one_request_each(
    forge: GitHubForge, place: Place, seeing: RepositoryRef
) -> None:
    numbers = [(await open_pull(forge, place, f"b{index}"))[0] for index in range(2)]
    say(place, f"/pulls/{numbers[0]}/merge")
    say(place, f"/pulls/{numbers[1]}", state="closed", title="Not this")
    before = count_requests(place)
    looks = await look_at_each(forge, seeing, *numbers, 4711)
    assert (sorted(looks.found), looks.cost, count_requests(place) - before) == (numbers, 3, 3)
    assert [looks.found[number].state for number in numbers] == [PullRequestState.MERGED, PullRequestState.CLOSED]
    for number in numbers:
        queried, asked = await look_both_ways(forge, seeing, number)
        unknown = {"checks": None, "rollup": None}
        assert {**vars(asked), **unknown} == {**vars(queried), **unknown}


async def test_what_has_not_changed_is_not_sent_again_and_what_has_is_seen(
    forge: GitHubForge, place: Place, seeing: RepositoryRef
) -> None:
    number, sha = await open_pull(forge, place, "b")
    say(place, "/check-runs", name="test", head_sha=sha, status="in_progress")
    first = await look_at_each(forge, seeing, number)
    again = await forge.do(seeing, LookAtEachPullRequest((number,), first.kept))
    assert again.found == first.found
    assert (again.cost, again.remaining) == (first.cost, first.remaining)
    say(place, "/check-runs", name="test", head_sha=sha, conclusion="success")
    newer = await forge.do(seeing, LookAtEachPullRequest((number,), again.kept))
    assert sort_checks(newer.found[number]) == [("test", "COMPLETED", "SUCCESS", False)]
    head = place.control.commit(place.name, "b", {"more.txt": "more"})
    moved = await forge.do(seeing, LookAtEachPullRequest((number,), newer.kept))
    assert (moved.found[number].head_sha, moved.found[number].checks) == (head, ())


async def test_without_a_right_to_checks_everything_else_is_seen(forge: GitHubForge, place: Place) -> None:
    number, sha = await open_pull(forge, place, "b")
    for ref in (place.by_app, place.by_token(place.personal())):
        seen = (await look_at_each(forge, ref, number)).found[number]
        assert (seen.state, seen.title, seen.checks) == (PullRequestState.OPEN, "Change b", None)
    say(place, f"/statuses/{sha}", state="success", context="ci/done")
    token = place.personal(contents="write", pull_requests="write", statuses="read")
    seen = (await look_at_each(forge, place.by_token(token), number)).found[number]
    assert sort_checks(seen) == [("ci/done", "COMPLETED", "SUCCESS", False)]
    assert (seen.rollup, seen.has_more_checks) == ("PENDING", True)


async def test_a_host_that_counts_nothing_and_one_that_is_away(
    forge: GitHubForge, place: Place, seeing: RepositoryRef
) -> None:
    number, _ = await open_pull(forge, place, "b")
    place.control.answer_with(404, method="GET", path="^/api/v3/rate_limit$")
    looks = await look_at_each(forge, seeing, number)
    assert (looks.limit, looks.remaining, looks.reset_at) == (None, 0, None)
    place.control.answer_with(502, method="GET", path="/check-runs$")
    with pytest.raises(Unavailable):
        await look_at_each(forge, seeing, number)


async def test_looks_stop_before_the_requests_that_writes_need(forge: GitHubForge, place: Place) -> None:
    number, _ = await open_pull(forge, place, "b")
    token = place.personal()
    place.control.set_rate(token, limit=5000, remaining=503, reset_seconds=600)
    looks = await look_at_each(forge, place.by_token(token), number)
    assert (list(looks.found), looks.limit) == ([number], None)
    with pytest.raises(RateLimited):
        await look_at_each(forge, place.by_token(token), number)


@pytest.mark.parametrize("count", [0, MOST_EACH + 1])
def test_one_operation_has_bounds(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 5"):
        LookAtEachPullRequest(tuple(range(1, count + 1)))


class Followed:
    """The real follower, on a clock that jumps, which asks the real forge."""

    def __init__(self, place: Place, token: str) -> None:
        wait, now = Wait(), lambda: datetime.now(UTC)
        gateway = Gateway(Budgets(now), ca_bundle=str(place.control.address.ca_path), wait=wait)
        credential, deadline = PersonalToken(Secret(token)), time.monotonic() + 600
        self._session = Session(Logins(gateway, now), RepositoryAddress.parse(place.url), credential, deadline)
        self.access = RepositoryAccess("default", place.url, secret="token")
        self.facts: dict[int, PullRequestLifeFact] = {}

    async def ask(self, _access: object, operation: Any) -> Any:
        """Carry out an operation."""
        return operation.run(self._session)

    def follow(self, branches: dict[int, str], seconds: float) -> None:
        """Follow pull requests for a while; `facts` is what is known of them then."""

        async def main() -> None:
            now = WallClock(asyncio.get_running_loop()).now
            follower = Follower(self.ask, Background(), lambda _key: None, now)
            keys = {number: WorkKey(RUNS, "default", f"run-{number}") for number in branches}
            for number, branch in branches.items():
                follower.follow(keys[number], Follow(PullRequestLifeAsk(self.access, number, branch), now()))
            task = asyncio.create_task(follower.run())
            await asyncio.sleep(seconds)
            for number, key in keys.items():
                for fact in follower.facts(key).values():
                    assert isinstance(fact, PullRequestLifeFact)
                    self.facts[number] = fact
            task.cancel()

        run_virtual(main)


def test_the_follower_sees_everything_without_graphql_for_less_than_a_tenth_of_the_limit(place: Place) -> None:
    token = place.personal()
    branches = {}
    for index in range(2 * MOST_EACH):
        branch = f"b{index}"
        assert place.create_ref(token, branch) == 201
        place.change(branch)
        body = {"title": branch, "head": branch, "base": "main"}
        branches[int(place.ask("POST", "/pulls", token, body).json()["number"])] = branch
    place.control.answer_with(404, method="POST", path="^/api/graphql$", times=1000)
    followed = Followed(place, token)
    before = count_requests(place)
    followed.follow(branches, _SECONDS)
    requests = count_requests(place) - before
    assert sorted(followed.facts) == sorted(branches)
    assert {fact.title for fact in followed.facts.values()} == set(branches.values())
    assert _SECONDS / LEAST_SECONDS < requests < _SHARE * USUAL_LIMIT * _SECONDS / 3600


async def test_one_that_cannot_be_read_hides_none_of_the_others(
    forge: GitHubForge, place: Place, seeing: RepositoryRef
) -> None:
    (odd, sha), (other, _) = [await open_pull(forge, place, f"b{index}") for index in range(2)]
    say(place, "/check-runs", name="x" * 5000, head_sha=sha, conclusion="success")
    looks = await look_at_each(forge, seeing, odd, other)
    assert list(looks.found) == [other]
