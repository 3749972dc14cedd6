"""The REST API over the simulated API server, without a socket: for refusals and races that need no real cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import orjson

from codecourier.apiserver.app import ApiParts, make_app
from codecourier.apiserver.doors import AGGREGATED
from codecourier.apiserver.hosts import HostParts
from codecourier.apiserver.keys import create_key
from codecourier.apiserver.metrics import ApiMetrics
from codecourier.apiserver.served import KeyCache, Served
from codecourier.apiserver.trust import Trust
from codecourier.kube.api import NAMESPACES, Json, KubeApi, Resource
from tests.simulation.apiserver import ApiServer
from tests.simulation.clock import WallClock, run_virtual
from tests.simulation.network import Network
from tests.simulation.schema import Definition, definitions_of
from tests.support.asgi import FRONT_PROXY, KUBE_APISERVER, NAMESPACE, USER_HEADER, Kube, exchange
from tests.support.kinds import EVERY_KIND
from tests.support.rest import Answer

__all__ = ["NAMESPACE", "RestApp", "play_rest"]

_SETTLING_SECONDS = 1.0
_RATE = 100_000


@dataclass
class RestApp:
    """A REST API with a project, `shop`, and a key of owner `ci` who may do everything."""

    app: Any
    api: KubeApi
    """What users of the cluster write with; the REST API learns of it a moment later."""

    key: str
    denied: set[tuple[str, str]]
    """Verb and resource of what no caller may do."""

    metrics: ApiMetrics

    async def make(
        self, resource: Resource, name: str, spec: Json, status: Json | None = None, **metadata: Any
    ) -> Json:
        """Create an object, with a status, and wait until the REST API knows it."""
        obj: Json = {"metadata": {"name": name, "namespace": NAMESPACE, **metadata}, "spec": spec}
        made = await self.api.create(resource, obj)
        if status is not None:
            made = await self.api.replace_status(resource, {**made, "status": {**made.get("status", {}), **status}})
        await self.settle()
        return made

    async def settle(self) -> None:
        """Let the REST API learn of what was written."""
        await asyncio.sleep(_SETTLING_SECONDS)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask for a path below `/api/v1`, with a body in JSON."""
        sent = {"authorization": f"Bearer {self.key}", **{k.lower().replace("_", "-"): v for k, v in headers.items()}}
        content = b"" if body is None else orjson.dumps(body)
        if body is not None:
            sent |= {"content-type": "application/json", "content-length": str(len(content))}
        return await self._send(method, f"/api/v1{path}", sent, content)

    async def ask_as_kubectl(self, path: str, accept: str = "application/json", method: str = "GET") -> Answer:
        """Ask for a path below that of the project in the API group, as kube-apiserver does for user `alice`."""
        path = f"{AGGREGATED}/namespaces/{NAMESPACE}{path}"
        return await self._send(method, path, {USER_HEADER: "alice", "accept": accept}, b"", KUBE_APISERVER)

    async def _send(self, method: str, path: str, sent: Mapping[str, str], content: bytes, peer: str = "") -> Answer:
        status, headers, text = await exchange(self.app, method, path, sent, content, peer=peer)
        return Answer(status, orjson.loads(text), headers)


@cache
def _definitions() -> Sequence[Definition]:
    return definitions_of(EVERY_KIND)


def play_rest(scenario: Callable[[RestApp], Awaitable[None]], hosts: HostParts | None = None) -> None:
    """Run a scenario on a REST API on a virtual clock, with these ways to repositories' hosts."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock = WallClock(loop)
        server = ApiServer(now=clock.now, random=Random(1), definitions=_definitions())
        server.store.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        denied = set[tuple[str, str]]()
        api = Kube(server, "rest", Network(Random(2)))
        api.denied = denied
        served, keys = Served(api), KeyCache(api, loop.time)
        following = [asyncio.create_task(served.run()), asyncio.create_task(keys.run())]
        key = await create_key(api, NAMESPACE, "ci", None, _RATE)
        trust = Trust(api)
        trust.front_proxy = FRONT_PROXY
        parts = ApiParts(api, served, keys, trust, clock.now, loop.time, 0.0, hosts=hosts or HostParts())
        app = make_app(parts)
        await asyncio.sleep(_SETTLING_SECONDS)
        await scenario(RestApp(app, server.client("user", Network(Random(3))), key.key, denied, parts.metrics))
        for task in following:
            task.cancel()

    run_virtual(main)
