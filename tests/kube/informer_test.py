"""The informer: its cache becomes equal to the server again, whatever broke in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codecourier.kube.api import CONFIG_MAPS, NAMESPACES, Json, Resource, WatchEvent
from codecourier.kube.cache import Cache, version_of
from codecourier.kube.errors import (
    ApiError,
    Conflict,
    Gone,
    KubeError,
    NotFound,
    ServerError,
    TooManyRequests,
    Unanswered,
    Unauthorized,
)
from codecourier.kube.informer import Informer, InformerTiming
from tests.simulation.apiserver import ApiServer, SimulatedKube
from tests.simulation.clock import WallClock, pass_time, virtual
from tests.simulation.network import Call, Network

TIMING = InformerTiming(watch_seconds=100, first_retry_seconds=1.0, max_retry_seconds=8.0)
SETTLED = 60.0
"""Longer than any wait and any delay in the quiet that follows a mishap."""


class Faulty(Network):
    """A network that can be told to refuse calls."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(Random(seed))
        self.calls: list[tuple[float, str]] = []
        self.refuse: Callable[[Call], KubeError | None] = lambda _: None
        self.slow_seconds = 0.0

    async def before(self, call: Call) -> None:
        if call.client == "informer":
            self.calls.append((asyncio.get_running_loop().time(), call.verb))
            error = self.refuse(call)
            if error is not None:
                raise error
        await super().before(call)

    def event_delay(self, client: str, resource: Resource) -> float:
        return self.slow_seconds + super().event_delay(client, resource)

    def times(self, verb: str) -> list[float]:
        """Return when calls of a verb were made."""
        return [time for time, made in self.calls if made == verb]


class Observer:
    """Notes what an informer tells."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.events: list[str] = []
        self.errors: list[Exception] = []

    def listed(self, resource: Resource, count: int) -> None:
        self.counts.append(count)

    def received(self, resource: Resource, event: WatchEvent) -> None:
        self.events.append(event.type)

    def failed(self, resource: Resource, error: Exception) -> None:
        self.errors.append(error)


class World:
    """A server, an informer of its ConfigMaps, and somebody who writes them. Make it inside the running loop."""

    def __init__(
        self,
        *,
        seed: int = 1,
        selector: str | None = None,
        timing: InformerTiming = TIMING,
        client: Callable[[ApiServer, Network], SimulatedKube] | None = None,
    ) -> None:
        now = WallClock(asyncio.get_running_loop()).now
        self.network = Faulty(seed)
        self.server = ApiServer(now=now, random=Random(seed))
        self.people = self.server.client("people", Network(Random(seed)))
        self.cache = Cache(CONFIG_MAPS)
        self.observer = Observer()
        self.selector = selector
        api = client(self.server, self.network) if client else self.server.client("informer", self.network)
        self.informer = Informer(
            api,
            self.cache,
            random=Random(seed),
            namespace="default",
            label_selector=selector,
            timing=timing,
            observer=self.observer,
        )
        self.task = asyncio.create_task(self.informer.run())

    async def create(self, name: str, **labels: str) -> Json:
        """Make a ConfigMap."""
        metadata = {"name": name, "namespace": "default", "labels": labels}
        return await self.people.create(CONFIG_MAPS, {"metadata": metadata})

    async def label(self, name: str, **labels: str | None) -> Json:
        """Change labels."""
        return await self.people.patch(CONFIG_MAPS, "default", name, {"metadata": {"labels": labels}})

    async def delete(self, name: str) -> None:
        """Delete a ConfigMap."""
        await self.people.delete(CONFIG_MAPS, "default", name)

    def assert_equal(self) -> None:
        """Hold the cache to the server."""
        wanted = {item.obj["metadata"]["name"]: item.obj for item in self._stored()}
        assert {item["metadata"]["name"]: item for item in self.cache} == wanted
        assert not self.task.done()

    def _stored(self) -> Any:
        return self.server.store.list(CONFIG_MAPS, "default", self.selector)


@virtual
async def test_it_lists_and_then_follows() -> None:
    world = World()
    await world.create("a")
    await world.informer.synced.wait()
    await world.create("b")
    await world.label("a", side="left")
    await world.create("c")
    await world.delete("c")
    await pass_time(1.0)
    world.assert_equal()
    assert len(world.cache) == 2
    assert len(world.observer.counts) == 1
    assert world.observer.errors == []


@virtual
async def test_a_watch_that_the_server_ends_is_made_again_without_a_list() -> None:
    world = World()
    await world.create("a")
    await pass_time(1000.0)
    await world.create("b")
    await pass_time(1.0)
    world.assert_equal()
    assert len(world.observer.counts) == 1
    assert world.observer.errors == []
    assert 1000.0 / 200 <= len(world.network.times("watch")) <= 1 + 1000.0 / 100


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
    *_, refused, last = world.network.times("watch")
    assert 30.0 <= last - refused < 31.0


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


@virtual
async def test_bookmarks_move_the_moment_from_which_a_watch_goes_on() -> None:
    world = World()
    await world.create("a")
    await pass_time(5.0)
    for number in range(5):
        await world.people.create(NAMESPACES, {"metadata": {"name": f"n{number}"}})
    await pass_time(70.0)
    assert "BOOKMARK" in world.observer.events
    world.server.compact()
    world.server.cut_watches("informer")
    await world.create("b")
    await pass_time(SETTLED)
    world.assert_equal()
    assert len(world.observer.counts) == 1


@virtual
async def test_what_leaves_its_selector_goes_and_what_enters_it_again_comes_back() -> None:
    world = World(selector="side=left")
    await world.create("a", side="left")
    await world.create("b", side="right")
    await pass_time(1.0)
    assert [item["metadata"]["name"] for item in world.cache] == ["a"]
    for side in ("right", "left", None, "left"):
        await world.label("a", side=side)
        await pass_time(1.0)
        world.assert_equal()
    await world.label("b", side="left")
    await pass_time(1.0)
    assert len(world.cache) == 2


class Odd(SimulatedKube):
    """A client whose watches tell something that is no event of an object, once."""

    odd: Json | None = None

    async def watch(self, resource: Resource, **options: Any) -> AsyncGenerator[WatchEvent]:
        """See `KubeApi.watch`."""
        async for event in super().watch(resource, **options):
            if self.odd is not None:
                event, self.odd = WatchEvent("MODIFIED", self.odd), None  # noqa: PLW2901
            yield event


@virtual
async def test_an_event_that_cannot_be_read_does_not_end_it() -> None:
    made: list[Odd] = []

    def client(server: ApiServer, network: Network) -> SimulatedKube:
        made.append(Odd(server, "informer", network))
        return made[0]

    world = World(client=client)
    await pass_time(1.0)
    made[0].odd = {"metadata": {}}
    await world.create("a")
    await pass_time(SETTLED)
    world.assert_equal()
    assert [type(error) for error in world.observer.errors] == [KeyError]


@virtual
async def test_somebody_who_cannot_hear_of_a_change_does_not_end_it() -> None:
    world = World()
    await pass_time(1.0)
    told: list[str] = []

    def tell(resource: Resource, old: Json | None, new: Json | None) -> None:
        told.append((new or old or {})["metadata"]["name"])
        if len(told) == 1:
            raise RuntimeError("not now")

    world.cache.subscribe(tell)
    await world.create("a")
    await world.create("b")
    await pass_time(SETTLED)
    world.assert_equal()
    assert told == ["a", "b"]


@virtual
async def test_it_ends_when_it_is_cancelled() -> None:
    world = World()
    await pass_time(1.0)
    world.task.cancel()
    await asyncio.wait([world.task])
    assert world.task.cancelled()
    assert world.server._watchers == {}


Happening = tuple[float, str, str]
HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.01, 0.3, 5.0, 70.0]),
        st.sampled_from(["create", "label", "label", "delete", "own", "cut", "compact", "away", "back", "slow"]),
        st.sampled_from("abc"),
    ),
    max_size=30,
)


async def happen(world: World, happening: Happening, random: Random) -> None:
    pause, what, name = happening
    await pass_time(pause)
    network = world.network
    actions: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: world.create(name, side=random.choice(["left", "right"])),
        "label": lambda: world.label(name, side=random.choice(["left", "right"])),
        "delete": lambda: world.delete(name),
        "own": lambda: own_write(world, name),
    }
    if what in actions:
        with suppress(ApiError):
            await actions[what]()
    elif what == "cut":
        world.server.cut_watches("informer")
    elif what == "compact":
        world.server.compact()
    elif what == "slow":
        network.slow_seconds = random.choice([0.0, 0.5, 20.0])
    else:
        refusals = [Unanswered("away"), ServerError(503, "", "away"), Gone(410, "Expired", "too old")]
        network.refuse = (lambda _: random.choice(refusals)) if what == "away" else lambda _: None


async def own_write(world: World, name: str) -> None:
    """Write what the cache has, as the operator does, and note the answer."""
    known = world.cache.get("default", name)
    if known is not None and known["metadata"].get("labels", {}).get("side") == "left":
        body = known | {"data": {"seen": known["metadata"]["resourceVersion"]}}
        with suppress(NotFound, Conflict):
            world.cache.note_write(await world.people.replace(CONFIG_MAPS, body))


@given(HAPPENINGS, st.integers(0, 2**16))
def test_after_anything_the_cache_equals_the_server(happenings: list[Happening], seed: int) -> None:
    @virtual
    async def scenario() -> None:
        world = World(seed=seed, selector="side=left")
        newest: dict[str, int] = {}

        def note(resource: Resource, old: Json | None, new: Json | None) -> None:
            for part in (old, new):
                if part is not None:
                    uid = part["metadata"]["uid"]
                    assert version_of(part) >= newest.get(uid, 0), "an older version was told"
                    newest[uid] = version_of(part)

        world.cache.subscribe(note)
        random = Random(seed)
        for happening in happenings:
            await happen(world, happening, random)
        world.network.refuse = lambda _: None
        world.network.slow_seconds = 0.0
        await pass_time(SETTLED)
        world.assert_equal()
        assert not [error for error in world.observer.errors if not isinstance(error, KubeError)]

    scenario()
