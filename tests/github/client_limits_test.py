"""Rate limits: what the forge asks to wait is waited, and the last requests are kept for writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from codecourier.github.client import GitHubForge
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import RateLimited
from codecourier.github.operations.create_pull_request import PullRequestExists
from codecourier.github.operations.get_branch_head import GetBranchHead
from codecourier.github.operations.get_repository import GetRepository
from tests.github.conftest import DRAFT, PULLS, Clock, Place

pytestmark = pytest.mark.forge


async def test_retry_after_stops_everything_until_its_time(forge: GitHubForge, place: Place, clock: Clock) -> None:
    repo = place.by_token(place.personal())
    place.control.answer_with(429, method="GET", path="/git/ref/", retry_after_seconds=90, message="Too many requests")
    with pytest.raises(RateLimited) as caught:
        await forge.do(repo, GetBranchHead("main"))
    assert caught.value.retry_at == clock() + timedelta(seconds=90)
    await assert_nothing_is_sent(forge, repo, place, until=90, clock=clock)
    assert await forge.do(repo, GetBranchHead("main")) == place.sha


async def assert_nothing_is_sent(
    forge: GitHubForge, repo: RepositoryRef, place: Place, *, until: float, clock: Clock
) -> None:
    """Expect that requests are refused here, up to the last second, and go out afterwards."""
    before = place.control.counters().requests
    clock.advance(seconds=until - 1)
    with pytest.raises(RateLimited, match="not sent") as refused:
        await forge.do(repo, DRAFT)
    assert refused.value.retry_at == clock() + timedelta(seconds=1)
    assert place.control.counters().requests == before
    clock.advance(seconds=1)


@pytest.mark.parametrize(("retry_after", "seconds"), [(30, 30), (None, 60)])
async def test_secondary_limit(
    forge: GitHubForge, place: Place, clock: Clock, retry_after: int | None, seconds: int
) -> None:
    place.change("feature/total")
    repo = place.by_token(place.personal())
    place.control.limit_secondary(method="POST", path=PULLS, retry_after_seconds=retry_after)
    with pytest.raises(RateLimited, match="secondary") as caught:
        await forge.do(repo, DRAFT)
    assert caught.value.retry_at == clock() + timedelta(seconds=seconds)
    await assert_nothing_is_sent(forge, repo, place, until=seconds, clock=clock)
    assert (await forge.do(repo, DRAFT)).number == 1


async def test_primary_limit_keeps_the_last_requests_for_writes(forge: GitHubForge, place: Place, clock: Clock) -> None:
    place.change("feature/total")
    token = place.personal()
    repo = place.by_token(token)
    place.control.set_rate(token, limit=20, remaining=4, reset_seconds=600)
    for _ in range(2):
        await forge.do(repo, GetBranchHead("main"))
    with pytest.raises(RateLimited, match="not sent") as refused:
        await forge.do(repo, GetBranchHead("main"))
    assert refused.value.retry_at > clock()
    assert (await forge.do(repo, DRAFT)).number == 1
    with pytest.raises(PullRequestExists):
        await forge.do(repo, DRAFT)
    with pytest.raises(RateLimited, match="not sent"):
        await forge.do(repo, DRAFT)


async def test_primary_limit_that_the_forge_tells_first(forge: GitHubForge, place: Place, clock: Clock) -> None:
    token = place.personal()
    place.control.set_rate(token, limit=20, remaining=0, reset_seconds=600)
    with pytest.raises(RateLimited, match="rate limit exceeded") as caught:
        await forge.do(place.by_token(token), GetBranchHead("main"))
    assert caught.value.status == 403
    assert caught.value.retry_at > clock() + timedelta(seconds=300)


async def test_one_credential_s_limit_does_not_stop_another(forge: GitHubForge, place: Place) -> None:
    place.control.limit_secondary(method="GET", path="/git/ref/")
    with pytest.raises(RateLimited):
        await forge.do(place.by_token(place.personal()), GetBranchHead("main"))
    assert await forge.do(place.by_token(place.personal()), GetBranchHead("main")) == place.sha


async def test_that_nothing_has_changed_costs_nothing(forge: GitHubForge, place: Place) -> None:
    where = place.by_token(place.personal())
    first = await forge.do(where, GetRepository())
    assert first.etag
    share = forge.budgets.least_share
    for _ in range(5):
        assert await forge.do(where, GetRepository(first)) is first
    assert forge.budgets.least_share == share
    stale = replace(first, etag='W/"old"', default_branch="old")
    assert await forge.do(where, GetRepository(stale)) == first
    assert forge.budgets.least_share < share
