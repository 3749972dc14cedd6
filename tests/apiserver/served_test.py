"""The caches of the REST API over the simulated API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from codecourier.apiserver.keys import create_key, revoke_key
from codecourier.apiserver.served import BY_HASH, KeyCache, Served
from codecourier.apiserver.views.sprint_chain import is_accepted
from codecourier.core.shared.api_keys import hash_key
from codecourier.kinds.sources import API_KEY_SOURCE, SPRINT_CHAIN_SOURCE
from codecourier.kube.api import NAMESPACES, Json, KubeApi
from tests.simulation.apiserver import ApiServer
from tests.simulation.clock import WallClock, run_virtual
from tests.simulation.network import Network
from tests.simulation.schema import definitions_of
from tests.support.kinds import EVERY_KIND

CHAINS = SPRINT_CHAIN_SOURCE.resource
SPEC = {"workflowRef": {"name": "w"}, "sprintRange": {"first": 1, "last": 1}, "prompt": "x"}


def play(scenario: Callable[[KubeApi, Network], Awaitable[None]]) -> None:
    """Run a scenario on a server with namespace `shop`, whose answers and events take no time unless it says so."""

    async def main() -> None:
        clock = WallClock(asyncio.get_running_loop())
        definitions = definitions_of(EVERY_KIND)
        server = ApiServer(now=clock.now, random=Random(1), definitions=definitions)
        server.store.create(NAMESPACES, {"metadata": {"name": "shop"}})
        network = Network(Random(2))
        await scenario(server.client("test", network), network)

    run_virtual(main)


async def make_chain(api: KubeApi) -> Json:
    """Create a chain."""
    return await api.create(CHAINS, {"metadata": {"name": "nightly", "namespace": "shop"}, "spec": SPEC})


def test_a_creation_waits_until_its_object_is_accepted_and_no_longer() -> None:
    async def scenario(api: KubeApi, _network: Network) -> None:
        served, loop = Served(api), asyncio.get_running_loop()
        following = asyncio.create_task(served.run())
        made = await make_chain(api)
        begin = loop.time()
        seen = await served.wait(SPRINT_CHAIN_SOURCE, "shop", "nightly", is_accepted, 1.0)
        assert seen is not None
        assert not is_accepted(seen)
        assert 0.999 < loop.time() - begin < 1.1
        waiting = asyncio.create_task(served.wait(SPRINT_CHAIN_SOURCE, "shop", "nightly", is_accepted, 1.0))
        await asyncio.sleep(0.2)
        await api.replace_status(CHAINS, {**made, "status": {"phase": "Running"}})
        seen = await waiting
        assert seen is not None
        assert is_accepted(seen)
        assert loop.time() - begin < 1.9
        following.cancel()

    play(scenario)


def known(keys: KeyCache) -> bool:
    """Return whether revocations are known."""
    return keys.is_fresh


def test_it_is_known_that_a_revocation_may_be_missed() -> None:
    async def scenario(api: KubeApi, _network: Network) -> None:
        loop = asyncio.get_running_loop()
        keys = KeyCache(api, loop.time)
        assert known(keys) is False
        following = asyncio.create_task(keys.run())
        made = await create_key(api, "shop", "ci", None, 5)
        await asyncio.sleep(5)
        assert known(keys) is True
        digest = hash_key(made.key)
        assert [key.name for key in keys.store.by_index(API_KEY_SOURCE, BY_HASH, digest)] == [made.name]
        await revoke_key(api, "shop", made.name)
        await asyncio.sleep(5)
        assert keys.store.by_index(API_KEY_SOURCE, BY_HASH, digest) == ()
        following.cancel()
        await asyncio.sleep(11)
        assert known(keys) is False

    play(scenario)
