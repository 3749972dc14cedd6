"""What follows pull requests: how often it looks, whom it wakes, and that it costs a bounded share of the budget."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from codecourier.controller.background import Background
from codecourier.controller.follower import CONFIRM_SECONDS, EACH_SECONDS, MOST_AT_ONCE, Follower
from codecourier.controller.pace import AMPLE, LEAST_SECONDS, MOST_SECONDS, SHARE, find_pause, find_spacing
from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.following import Follow, PullRequestLifeAsk, PullRequestLifeFact
from codecourier.core.shared.reasons import Reason
from codecourier.github.operations.look_at_each_pull_request import MOST_EACH, LookAtEachPullRequest
from codecourier.github.operations.look_at_pull_requests import (
    MOST_LOOKS,
    CheckView,
    KeptAnswer,
    LookAtPullRequests,
    PullRequestLook,
    PullRequestLooks,
)
from codecourier.kinds.api_resources import RUNS
from codecourier.kinds.registry import WorkKey
from codecourier.pull_request import PullRequestState
from tests.simulation.clock import WallClock, pass_time, virtual
from tests.simulation.forge import URL

ACCESS = RepositoryAccess("default", URL, secret="token")
HOUR = 3600.0
LIMIT = 5000
NOW = datetime(2026, 3, 1, tzinfo=UTC)
OPEN = PullRequestLook(
    state=PullRequestState.OPEN,
    is_draft=False,
    title="Fix it",
    head_branch="codecourier/1",
    is_from_fork=False,
    head_sha="b" * 40,
    base_branch="main",
    merged_at=None,
    merge_sha=None,
    closed_at=None,
    checks=(),
    rollup=None,
    has_more_checks=False,
)


class Hosts:
    """Repositories' hosts that answer at once, or as they are told, and count. Make it inside the running loop."""

    def __init__(self) -> None:
        self.clock = WallClock(asyncio.get_running_loop())
        self.changed: dict[int, PullRequestLook] = {}
        self.problem: Problem | None = None
        self.hung: set[str] = set()
        self.without_graphql: set[str] = set()
        self.asked_singly = 0
        """Looks at pull requests one by one."""
        self.queries = 0
        """Queries for many at hosts that cannot answer them."""
        self.spent = 0
        """Points and requests, answers without news included."""
        self.kept: dict[tuple[str, str | int], KeptAnswer] = {}
        """What the last look of pull requests one by one was given."""
        self.calls: list[tuple[float, RepositoryAccess, tuple[int, ...]]] = []
        self.woken: list[WorkKey] = []
        self.remaining = LIMIT
        self.background = Background()
        self.follower = Follower(self.ask, self.background, self.woken.append, self.clock.now)
        self.task = asyncio.create_task(self.follower.run())

    async def ask(self, access: RepositoryAccess | Problem, operation: Any) -> Any:
        """Answer a query."""
        assert isinstance(access, RepositoryAccess)
        assert isinstance(operation, LookAtPullRequests | LookAtEachPullRequest)
        self.calls.append((asyncio.get_running_loop().time(), access, operation.numbers))
        is_each = isinstance(operation, LookAtEachPullRequest)
        self.asked_singly += is_each
        self.spent += 3 * len(operation.numbers) if is_each else 1
        await pass_time(1e9 if access.url in self.hung else 0.3)
        if self.problem is not None:
            return self.problem
        if isinstance(operation, LookAtEachPullRequest):
            self.kept = dict(operation.kept)
        elif access.url in self.without_graphql:
            self.queries += 1
            return PullRequestLooks({}, limit=None, remaining=0, reset_at=None, has_graphql=False)
        found = {n: self.changed.get(n, replace(OPEN, head_branch=f"codecourier/{n}")) for n in operation.numbers}
        reset_at = self.clock.now() + timedelta(minutes=30)
        kept: dict[tuple[str, str | int], KeptAnswer] = {}
        kept |= {("pull", number): KeptAnswer("path", "etag", number) for number in operation.numbers if is_each}
        cost = 3 * len(found) if is_each else 1
        return PullRequestLooks(found, limit=LIMIT, remaining=self.remaining, reset_at=reset_at, cost=cost, kept=kept)

    def follow(self, number: int, *, access: RepositoryAccess = ACCESS, hours: float = 0.0) -> WorkKey:
        """Follow a pull request that has not changed for some hours."""
        key = WorkKey(RUNS, access.namespace, f"run-{access.url[-3:]}-{number}")
        ask = PullRequestLifeAsk(access, number, f"codecourier/{number}")
        self.follower.follow(key, Follow(ask, self.clock.now() - timedelta(hours=hours)))
        return key

    def fact(self, key: WorkKey) -> PullRequestLifeFact | None:
        """Return what is known for a key."""
        found = [fact for fact in self.follower.facts(key).values() if isinstance(fact, PullRequestLifeFact)]
        return found[0] if found else None

    def count(self, since: float = 0.0) -> int:
        """Return how many queries there were since a time."""
        return sum(time >= since for time, _, _ in self.calls)


@pytest.mark.parametrize(
    ("hours", "seconds"), [(-1, LEAST_SECONDS), (0, LEAST_SECONDS), (1, 360), (5, MOST_SECONDS), (5000, MOST_SECONDS)]
)
def test_what_has_been_quiet_for_long_is_looked_at_seldom(hours: float, seconds: float) -> None:
    assert find_pause(timedelta(hours=hours)) == seconds


def test_looks_become_fewer_as_the_budget_goes_and_stop_before_the_reserve_of_others() -> None:
    reset = NOW + timedelta(minutes=40)
    usual = find_spacing(LIMIT, LIMIT, reset, NOW)
    assert HOUR / usual == pytest.approx(SHARE * LIMIT)
    spacings = [find_spacing(LIMIT, remaining, reset, NOW) for remaining in range(LIMIT, -1, -50)]
    assert spacings == sorted(spacings)
    assert find_spacing(LIMIT, int(AMPLE * LIMIT), reset, NOW) == usual
    assert find_spacing(LIMIT, LIMIT // 4, reset, NOW) == 40 * 60
    assert find_spacing(LIMIT, 0, NOW, NOW) == usual
    assert find_spacing(None, 0, None, NOW) == usual


@virtual
async def test_a_thousand_pull_requests_of_a_repository_cost_less_than_a_tenth_of_the_limit() -> None:
    hosts = Hosts()
    for number in range(1, 1001):
        hosts.follow(number)
    for hour in range(1, 9):
        before = hosts.count()
        await pass_time(HOUR)
        assert hosts.count() - before < LIMIT / 10, f"in hour {hour}"
    seen = Counter(number for _, _, numbers in hosts.calls for number in numbers)
    assert len(seen) == 1000
    assert min(seen.values()) > max(seen.values()) / 2
    assert {len(numbers) for _, _, numbers in hosts.calls[-5:]} <= set(range(1, MOST_LOOKS + 1))


@pytest.mark.parametrize("without_graphql", [False, True])
@virtual
async def test_ten_in_each_of_a_hundred_repositories_cost_no_more(without_graphql: bool) -> None:  # noqa: FBT001
    hosts = Hosts()
    urls = [f"{URL}-{index}" for index in range(100, 200)]
    hosts.without_graphql |= set(urls) if without_graphql else set()
    for url in urls:
        for number in range(1, 11):
            hosts.follow(number, access=replace(ACCESS, url=url))
    for hour in range(1, 9):
        before = hosts.spent
        await pass_time(HOUR)
        assert hosts.spent - before < LIMIT / 10, f"in hour {hour}"
    found = [hosts.fact(WorkKey(RUNS, ACCESS.namespace, f"run-{url[-3:]}-{n}")) for url in urls for n in range(1, 11)]
    assert sum(fact is not None for fact in found) == 1000


@virtual
async def test_a_host_without_graphql_is_asked_for_each_within_the_same_share() -> None:
    hosts = Hosts()
    hosts.without_graphql.add(URL)
    for number in range(1, 1001):
        hosts.follow(number)
    for hour in range(1, 13):
        before = hosts.spent
        await pass_time(HOUR)
        assert hosts.spent - before < LIMIT / 10, f"in hour {hour}"
    seen = Counter(number for _, _, numbers in hosts.calls[1:] for number in numbers)
    assert len(seen) == 1000
    assert {len(numbers) for _, _, numbers in hosts.calls[1:]} == {MOST_EACH}
    assert hosts.queries == 1


@virtual
async def test_few_at_a_host_without_graphql_are_seen_as_often_as_with_it_and_once_a_day_it_is_tried() -> None:
    hosts = Hosts()
    hosts.without_graphql.add(URL)
    key = hosts.follow(1)
    await pass_time(LEAST_SECONDS * 3)
    assert hosts.fact(key) is not None
    assert (hosts.count() >= 2, sorted(hosts.kept)) == (True, [("pull", 1)])
    await pass_time(EACH_SECONDS + MOST_SECONDS)
    assert hosts.queries == 2
    hosts.without_graphql.clear()
    await pass_time(EACH_SECONDS + MOST_SECONDS)
    since, singly = asyncio.get_running_loop().time(), hosts.asked_singly
    await pass_time(2 * MOST_SECONDS)
    assert (hosts.count(since) > 0, hosts.asked_singly) == (True, singly)
    hosts.follower.follow(key, None)


@virtual
async def test_answers_of_what_is_not_followed_any_more_are_not_kept() -> None:
    hosts = Hosts()
    hosts.without_graphql.add(URL)
    keys = [hosts.follow(number) for number in range(1, 4)]
    await pass_time(LEAST_SECONDS * 6)
    assert sorted(hosts.kept) == [("pull", number) for number in range(1, 4)]
    for key in keys[:2]:
        hosts.follower.follow(key, None)
    await pass_time(2 * HOUR)
    assert sorted(hosts.kept) == [("pull", 3)]


@virtual
async def test_an_hour_after_a_restart_old_ones_are_known_and_looks_are_spread() -> None:
    hosts = Hosts()
    keys = [hosts.follow(number, hours=100) for number in range(1, 1001)]
    await pass_time(MOST_SECONDS * 1.2)
    assert all(hosts.fact(key) is not None for key in keys)
    minutes = Counter(int(time // 60) for time, _, _ in hosts.calls)
    assert max(minutes.values()) <= 7
    assert sorted(hosts.woken) == sorted(keys)


@virtual
async def test_a_change_wakes_its_key_alone_and_nothing_new_wakes_none() -> None:
    hosts = Hosts()
    first, second = hosts.follow(1), hosts.follow(2)
    await pass_time(LEAST_SECONDS * 2)
    hosts.woken.clear()
    await pass_time(LEAST_SECONDS * 4)
    assert (hosts.woken, hosts.count() > 2) == ([], True)
    hosts.changed[2] = replace(OPEN, head_branch="codecourier/2", checks=(CheckView("test", "QUEUED", None, False),))
    await pass_time(LEAST_SECONDS * 3)
    assert hosts.woken == [second]
    fact, other = hosts.fact(second), hosts.fact(first)
    assert fact is not None
    assert other is not None
    assert ([check.name for check in fact.checks or ()], other.checks) == (["test"], ())


@pytest.mark.parametrize("look", [replace(OPEN, head_branch="x"), replace(OPEN, is_from_fork=True)])
@virtual
async def test_what_another_pull_request_of_the_number_is_counts_for_nobody(look: PullRequestLook) -> None:
    hosts = Hosts()
    hosts.changed[1] = look
    key = hosts.follow(1)
    await pass_time(HOUR)
    assert (hosts.fact(key), hosts.woken) == (None, [])


@virtual
async def test_what_is_not_followed_any_more_is_not_looked_at() -> None:
    hosts = Hosts()
    key = hosts.follow(1)
    await pass_time(LEAST_SECONDS * 2)
    hosts.follower.follow(key, None)
    before = hosts.count()
    await pass_time(HOUR)
    assert (hosts.count(), hosts.follower.followed, hosts.fact(key)) == (before, 0, None)


@virtual
async def test_another_credential_takes_the_place_of_the_first() -> None:
    hosts = Hosts()
    hosts.follow(1)
    await pass_time(LEAST_SECONDS * 2)
    hosts.follow(1, access=replace(ACCESS, secret="other"))
    since = asyncio.get_running_loop().time()
    await pass_time(HOUR)
    assert {access.secret for time, access, _ in hosts.calls if time > since} == {"other"}


@virtual
async def test_one_that_changed_is_looked_at_soon_although_its_next_look_was_far() -> None:
    hosts = Hosts()
    hosts.follow(1, hours=100)
    await pass_time(MOST_SECONDS * 1.1)
    since = asyncio.get_running_loop().time()
    hosts.follow(1)
    await pass_time(LEAST_SECONDS + 1)
    assert hosts.count(since) == 1


@virtual
async def test_a_host_that_fails_is_asked_less_and_less_often_and_again_once_it_works() -> None:
    hosts = Hosts()
    hosts.problem = Problem(Reason.FORGE_UNAVAILABLE, "It is away.")
    key = hosts.follow(1)
    await pass_time(6 * HOUR)
    assert hosts.count() < 6 + 12
    hosts.problem = None
    await pass_time(MOST_SECONDS + 1)
    assert hosts.fact(key) is not None


@virtual
async def test_a_limit_is_waited_for_and_a_refused_credential_has_the_plan_say_which_one_counts() -> None:
    hosts = Hosts()
    key = hosts.follow(1)
    retry_time = hosts.clock.now() + timedelta(hours=2)
    hosts.problem = Problem(Reason.RATE_LIMITED, "Later.", retry_time=retry_time)
    await pass_time(1.9 * HOUR)
    assert (hosts.count(), hosts.woken) == (1, [])
    hosts.problem = Problem(Reason.CREDENTIALS_REFUSED, "No.")
    await pass_time(HOUR)
    assert set(hosts.woken) == {key}


@virtual
async def test_a_plan_is_asked_for_its_word_again_once_it_is_old() -> None:
    hosts = Hosts()
    key = hosts.follow(1, hours=100)
    await pass_time(MOST_SECONDS * 1.2)
    hosts.woken.clear()
    await pass_time(CONFIRM_SECONDS + MOST_SECONDS)
    assert hosts.woken == [key]


@virtual
async def test_hosts_that_hang_hold_up_no_other_credential() -> None:
    hosts = Hosts()
    for team in range(MOST_AT_ONCE - 1):
        url = f"https://hung.test/team/{team}"
        hosts.hung.add(url)
        hosts.follow(1, access=RepositoryAccess(f"team-{team}", url, secret="token"))
    key = hosts.follow(2)
    await pass_time(LEAST_SECONDS * 3)
    assert hosts.fact(key) is not None
    assert len(hosts.background) == MOST_AT_ONCE - 1


@virtual
async def test_repositories_of_one_credential_take_turns() -> None:
    hosts = Hosts()
    crowded = RepositoryAccess("a", f"{URL}-one", installation_id=1)
    for number in range(1, 2001):
        hosts.follow(number, access=crowded)
    key = hosts.follow(1, access=RepositoryAccess("b", f"{URL}-two", installation_id=1))
    await pass_time(LEAST_SECONDS * 2)
    assert hosts.fact(key) is not None
