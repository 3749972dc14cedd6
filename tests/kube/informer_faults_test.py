"""What an informer does when the server, the link or the history fails it: when it asks again, and when it lists."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import inf

import pytest

from codecourier.kube.errors import (
    Forbidden,
    Gone,
    KubeError,
    NotFound,
    ServerError,
    TooManyRequests,
    Unanswered,
    Unauthorized,
)
from codecourier.kube.informer import InformerTiming
from tests.kube.followed import SETTLED, World
from tests.simulation.clock import pass_time, run_virtual, virtual
from tests.simulation.network import Call


@virtual
async def test_a_link_that_breaks_is_made_again_without_a_list_and_nothing_is_missed() -> None:
    world = World()
    await world.create("a")
    await pass_time(10.0)
    world.server.cut_watches("informer")
    await world.create("b")
    await world.delete("a")
    await pass_time(SETTLED)
    world.assert_equal()
    assert len(world.observer.counts) == 1
    assert [type(error) for error in world.observer.errors] == [Unanswered]


@virtual
async def test_a_history_that_is_gone_leads_to_a_list() -> None:
    world = World()
    await world.create("a")
    await world.create("b")
    await pass_time(10.0)
    world.network.refuse = lambda call: Unanswered("down") if call.verb == "watch" else None
    world.server.cut_watches("informer")
    await world.delete("a")
    await world.create("c")
    world.server.compact()
    await pass_time(1.0)
    world.network.refuse = lambda _: None
    await pass_time(SETTLED)
    world.assert_equal()
    assert world.observer.counts[1:] == [2]


@virtual
async def test_the_first_time_a_history_is_gone_it_is_listed_at_once() -> None:
    world = World()
    left: list[KubeError] = [Gone(410, "Expired", "too old")]
    world.network.refuse = lambda call: left.pop() if left and call.verb == "watch" else None
    await pass_time(10.0)
    assert len(world.network.times("list")) == 2
    assert world.network.times("list")[1] == world.network.times("watch")[0]


@virtual
async def test_a_history_that_is_always_too_short_is_not_listed_without_a_pause() -> None:
    world = World()
    world.network.refuse = lambda call: Gone(410, "Expired", "too old") if call.verb == "watch" else None
    await pass_time(200.0)
    times = world.network.times("list")
    assert len(times) < 200.0 / 4.0 + 10
    assert all(later - earlier >= 4.0 for earlier, later in pairwise(times[8:]))
    world.network.refuse = lambda _: None
    await world.create("a")
    await pass_time(SETTLED)
    world.assert_equal()


@virtual
async def test_watches_that_end_at_once_are_not_made_without_a_pause() -> None:
    world = World(timing=InformerTiming(watch_seconds=0, first_retry_seconds=1.0, max_retry_seconds=8.0))
    await pass_time(200.0)
    assert 10 < len(world.network.times("watch")) < 60
    assert len(world.network.times("list")) == 1
    await world.create("a")
    await pass_time(SETTLED)
    world.assert_equal()


@virtual
async def test_it_waits_ever_longer_for_a_server_that_is_away() -> None:
    world = World()
    world.network.refuse = lambda _: Unanswered("no route")
    await pass_time(100.0)
    assert not world.informer.synced.is_set()
    waits = [later - earlier for earlier, later in pairwise(world.network.times("list"))]
    for count, wait in enumerate(waits):
        full = min(8.0, 2.0**count)
        assert full / 2 <= wait <= full + 0.1
    world.network.refuse = lambda _: None
    await pass_time(10.0)
    assert world.informer.synced.is_set()
    world.assert_equal()


@virtual
async def test_an_event_ends_the_row_of_failures() -> None:
    world = World()
    await pass_time(1.0)
    for number in range(6):
        await world.create(f"c{number}")
        await pass_time(3.0)
        world.server.cut_watches("informer")
    await pass_time(1.0)
    breaks = len(world.observer.errors)
    waits = [later - earlier for earlier, later in pairwise(world.network.times("watch"))]
    assert breaks == 6
    assert max(waits[1:]) < 3.0 + 1.0 + 0.1


@virtual
async def test_a_busy_server_is_asked_again_after_the_time_that_it_names_and_not_listed() -> None:
    world = World()
    await world.create("a")
    await pass_time(10.0)
    world.network.refuse = lambda _: TooManyRequests(429, "TooManyRequests", "busy", retry_after=30.0)
    world.server.cut_watches("informer")
    await pass_time(5.0)
    world.network.refuse = lambda _: None
    await world.create("b")
    await pass_time(SETTLED)
    world.assert_equal()
    assert len(world.observer.counts) == 1
    *_, refused, last = world.network.times("current_version")
    assert 30.0 <= last - refused < 31.0


@pytest.mark.parametrize("verb", ["list", "current_version", "watch"])
@pytest.mark.parametrize("seconds", [86_400.0, inf])
def test_a_server_may_ask_for_half_a_minute_and_no_more(verb: str, seconds: float) -> None:
    async def main() -> None:
        world = World()
        refusal = ServerError(503, "", "down for maintenance", retry_after=seconds)
        left: list[KubeError] = [refusal]
        if verb == "current_version":
            await pass_time(10.0)
            world.server.cut_watches("informer")
        world.network.refuse = lambda call: left.pop() if left and call.verb == verb else None
        await pass_time(29.0)
        await world.create("a")
        await pass_time(5.0)
        assert world.observer.errors[-1] is refusal
        world.assert_equal()

    run_virtual(main)


@virtual
async def test_an_answer_that_is_an_error_leads_to_a_list() -> None:
    errors: tuple[KubeError, ...] = (
        ServerError(500, "InternalError", "broken"),
        Unauthorized(401, "Unauthorized", "expired"),
        NotFound(404, "NotFound", "no such kind"),
    )
    for error in errors:
        await check_relist(error)


async def check_relist(error: KubeError) -> None:
    world = World()
    await world.create("a")
    await pass_time(10.0)
    left = [error]
    world.network.refuse = lambda _: left.pop() if left else None
    world.server.cut_watches("informer")
    await world.create("b")
    await pass_time(SETTLED)
    world.assert_equal()
    assert world.observer.counts[1:] == [2]
    assert world.observer.errors[-1] is error


@virtual
async def test_it_stays_synced_and_keeps_what_it_has_while_the_server_is_away() -> None:
    world = World()
    await world.create("a")
    await pass_time(10.0)
    world.network.refuse = lambda _: ServerError(503, "ServiceUnavailable", "away")
    world.server.cut_watches("informer")
    await pass_time(100.0)
    assert world.informer.synced.is_set()
    world.assert_equal()


def forbidding(*verbs: str) -> Callable[[Call], KubeError | None]:
    return lambda call: Forbidden(403, "Forbidden", "no right") if call.verb in verbs else None


def is_followed(world: World) -> bool:
    return world.cache.is_followed


def refusals(caplog: pytest.LogCaptureFixture) -> int:
    return sum("refuses list or watch" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("verbs", [("list",), ("watch",), ("list", "watch")], ids="-".join)
def test_a_watch_that_may_be_refused_is_done_without_and_said_once(
    verbs: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        world = World(is_optional=True)
        world.network.refuse = forbidding(*verbs)
        await world.create("a")
        await pass_time(600.0)
        assert world.informer.synced.is_set(), "nothing waits for it"
        assert not is_followed(world)
        await world.informer.freshen()
        assert refusals(caplog) == 1
        assert len(world.network.calls) < 25
        assert world.observer.errors == []
        world.network.refuse = lambda _: None
        await pass_time(300.0)
        world.assert_equal()
        assert is_followed(world)
        world.network.refuse = forbidding(*verbs)
        world.server.cut_watches("informer")
        await world.create("b")
        await world.create("c")
        world.server.compact()
        await pass_time(200.0)
        assert (is_followed(world), refusals(caplog)) == (False, 2)

    run_virtual(main)


@virtual
async def test_a_watch_that_is_needed_is_not_done_without() -> None:
    world = World()
    world.network.refuse = forbidding("list")
    await pass_time(600.0)
    assert not world.informer.synced.is_set()
    assert {type(error) for error in world.observer.errors} == {Forbidden}


@virtual
async def test_a_cache_is_followed_while_its_watch_is_made_again() -> None:
    world = World(is_optional=True)
    assert not is_followed(world)
    await pass_time(1.0)
    assert is_followed(world)
    world.network.refuse = lambda _: Unanswered("down")
    world.server.cut_watches("informer")
    await pass_time(30.0)
    assert is_followed(world)
