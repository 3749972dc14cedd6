"""What an informer does after the API server was restored from a backup."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from codecourier.kube.api import CONFIG_MAPS
from codecourier.kube.errors import KubeError, Unanswered
from tests.kube.followed import SETTLED, World
from tests.simulation.clock import pass_time, run_virtual, virtual
from tests.simulation.network import Call

DOWN_SECONDS = 3.0


async def loses_history() -> World:
    """Return a world whose informer knows of changes that a backup lacks: the server is about to have the backup."""
    world = World()
    for name in ("changed", "deleted", "same"):
        await world.create(name)
    backup = world.server.store.back_up()
    await world.label("changed", side="left")
    await world.delete("deleted")
    await world.create("new")
    await pass_time(10.0)
    world.assert_equal()
    world.server.restore(backup, DOWN_SECONDS)
    return world


@virtual
async def test_what_was_lost_is_forgotten_and_what_is_back_is_known() -> None:
    world = await loses_history()
    await pass_time(SETTLED)
    world.assert_equal()
    assert {item["metadata"]["name"] for item in world.cache} == {"changed", "deleted", "same"}
    assert world.observer.restores == 1
    await world.create("new")
    await world.label("changed", side="right")
    await pass_time(1.0)
    world.assert_equal()


@virtual
async def test_a_history_that_has_passed_what_was_seen_is_noticed_too() -> None:
    world = await loses_history()
    for number in range(20):
        world.server.store.create(CONFIG_MAPS, {"metadata": {"name": f"c{number}", "namespace": "default"}})
    await pass_time(SETTLED)
    world.assert_equal()
    assert world.observer.restores == 1


@virtual
async def test_a_refresh_beside_the_watch_notices_it_and_the_watch_starts_again() -> None:
    world = await loses_history()
    # The watch was made again before anything else was asked, so it is silent.
    world.server.is_down = False
    version = world.informer._version
    assert version is not None
    world.informer._is_listed = True
    await pass_time(1.0)
    await world.informer.freshen()
    world.assert_equal()
    await world.create("new")
    await pass_time(1.0)
    world.assert_equal()


@virtual
async def test_a_link_that_breaks_while_the_server_goes_on_is_no_restore() -> None:
    world = World()
    await world.create("a")
    await pass_time(10.0)
    for number in range(5):
        world.server.cut_watches("informer")
        await world.create(f"b{number}")
        await pass_time(20.0)
    world.assert_equal()
    assert (world.observer.restores, len(world.observer.counts)) == (0, 1)


@pytest.mark.parametrize("seed", range(40))
def test_it_ends_equal_to_the_server_whatever_is_changed_and_restored_when(seed: int) -> None:
    async def main() -> None:
        random = Random(seed)
        world = World(seed=seed)
        backups = [world.server.store.back_up()]
        world.network.refuse = lambda call: refuse(call, random)
        for _ in range(40):
            name, dice = random.choice("abcde"), random.random()
            if dice < 0.1:
                backups.append(world.server.store.back_up())
            elif dice < 0.2:
                world.server.restore(random.choice(backups), random.random() * 12)
            elif dice < 0.3:
                freshening.append(asyncio.create_task(world.informer.freshen()))
            else:
                change(world, name, random)
            await pass_time(random.random() * random.choice((0.05, 1, 20)))
        world.network.refuse = lambda _: None
        await pass_time(SETTLED)
        world.assert_equal()
        assert all(task.done() for task in freshening)

    freshening: list[asyncio.Task[None]] = []
    run_virtual(main)


def refuse(_call: Call, random: Random) -> KubeError | None:
    """Let some calls get no answer."""
    return Unanswered("lost") if random.random() < 0.1 else None


def change(world: World, name: str, random: Random) -> None:
    """Make, change or delete a ConfigMap at once, as others do."""
    store, key = world.server.store, (CONFIG_MAPS, "default", name)
    if store.find(key) is None:
        store.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "default"}})
    elif random.random() < 0.3:
        store.delete(CONFIG_MAPS, "default", name)
    else:
        world.server.edit(*key, lambda obj: obj["metadata"].update(labels={"side": f"s{random.random()}"}))
