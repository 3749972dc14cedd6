"""The informer: its cache becomes equal to the server again, whatever broke in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codecourier.kube.api import CONFIG_MAPS, NAMESPACES, Json, Resource, WatchEvent
from codecourier.kube.cache import version_of
from codecourier.kube.errors import ApiError, Conflict, Gone, KubeError, NotFound, ServerError, Unanswered
from tests.kube.followed import SETTLED, World
from tests.simulation.apiserver import ApiServer, SimulatedKube
from tests.simulation.clock import pass_time, virtual
from tests.simulation.network import Network


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
async def test_what_a_late_watch_has_not_told_is_known_at_once_when_it_is_asked_for() -> None:
    world = World()
    await world.create("changed")
    await world.create("gone")
    await world.informer.synced.wait()
    world.network.slow_seconds = 50.0
    await world.label("changed", side="left")
    await world.delete("gone")
    await world.create("new")
    await pass_time(1.0)
    assert {item["metadata"]["name"] for item in world.cache} == {"changed", "gone"}
    await world.informer.freshen()
    world.assert_equal()
    await pass_time(SETTLED)
    world.assert_equal()
    assert len(world.network.times("watch")) == 1, "what comes late does no harm, so the watch may stay"


@virtual
async def test_a_list_that_is_new_enough_is_not_read_again() -> None:
    world = World()
    before = asyncio.get_running_loop().time()
    await world.informer.synced.wait()
    await world.informer.freshen(before)
    assert len(world.network.times("list")) == 1
    await pass_time(1.0)
    await world.informer.freshen(asyncio.get_running_loop().time())
    assert len(world.network.times("list")) == 2


@virtual
async def test_it_is_asked_for_until_the_server_answers() -> None:
    world = World()
    await world.informer.synced.wait()
    world.network.refuse = lambda call: ServerError(500, "", "broken") if call.verb == "list" else None
    freshening = asyncio.create_task(world.informer.freshen())
    await pass_time(20.0)
    assert not freshening.done()
    assert 3 <= len(world.network.times("list")) <= 12, "with a pause"
    world.network.refuse = lambda _: None
    await pass_time(SETTLED)
    assert freshening.done()


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
    assert not any(world.server._watchers.values())


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
