"""The REST API in the loop of a test, over the simulated API server: no socket, no process, a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import orjson
from fastapi import FastAPI

from codecourier.apiserver.app import ApiParts, make_app
from codecourier.apiserver.doors import PEER
from codecourier.apiserver.front_proxy import FrontProxy
from codecourier.apiserver.keys import create_key
from codecourier.apiserver.served import KeyCache, Served
from codecourier.apiserver.trust import Trust
from codecourier.core.shared.naming import PROJECT_NAME
from codecourier.kinds.api_resources import PROJECTS, WORKFLOWS
from codecourier.kube.api import NAMESPACES, SUBJECT_ACCESS_REVIEWS, Json, Resource
from tests.simulation.apiserver import ApiServer, SimulatedKube
from tests.simulation.clock import WallClock, run_virtual
from tests.simulation.network import Network
from tests.simulation.schema import definitions_of
from tests.support.kinds import EVERY_KIND
from tests.support.rest import Answer
from tests.support.team import WORKFLOW

__all__ = [
    "FRONT_PROXY",
    "KUBE_APISERVER",
    "NAMESPACE",
    "REPOSITORY",
    "USER_HEADER",
    "Api",
    "Kube",
    "exchange",
    "play_api",
    "running",
]

NAMESPACE = "shop"
REPOSITORY = "https://github.com/org/repo"

KUBE_APISERVER = "front-proxy-client"
"""Name in the certificate with which kube-apiserver passes requests on."""

USER_HEADER = "x-remote-user"
FRONT_PROXY = FrontProxy("", frozenset({KUBE_APISERVER}), (USER_HEADER,), (), (), ())

_RATE = 100_000


class Kube(SimulatedKube):
    """A client of the simulated server, which also answers reviews of access."""

    denied: AbstractSet[tuple[str, str]] = frozenset()
    """Verbs and plurals, with subresources, that no caller may use."""

    async def create(self, resource: Resource, obj: Json, *, is_dry_run: bool = False) -> Json:
        """See `KubeApi.create`."""
        if resource != SUBJECT_ACCESS_REVIEWS:
            return await super().create(resource, obj, is_dry_run=is_dry_run)
        asked = obj["spec"]["resourceAttributes"]
        plural = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
        return {"status": {"allowed": (asked["verb"], plural) not in self.denied}}


@dataclass
class Api:
    """A running REST API."""

    server: ApiServer
    clock: WallClock
    kube: Kube
    network: Network
    served: Served
    app: FastAPI
    followers: tuple[Coroutine[Any, Any, None], ...]
    key: str = ""

    def replica(self, identity: str, network: Network) -> Api:
        """Return another API over the same cluster, to be run by `running`."""
        return replace(_make_api(self.server, self.clock, identity, network), key=self.key)

    async def of(self, owner: str) -> Api:
        """Return this API for another caller."""
        made = await create_key(self.kube, NAMESPACE, owner, None, _RATE)
        await self.settle()
        return replace(self, key=made.key)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask for a path below `/api/v1`."""
        status, sent, content = await self.raw(method, f"/api/v1{path}", body, headers)
        return Answer(status, orjson.loads(content), sent)

    async def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        user: str = "",
        leave: asyncio.Event | None = None,
        took: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Ask for any path; return status, headers and content.

        Parameters
        ----------
        method
            Of HTTP.
        path
            The path, with the query.
        body
            The body, as JSON.
        headers
            Their names may have underscores for hyphens.
        user
            For whom kube-apiserver asks; empty: the owner of the key asks directly.
        leave
            Once it is set, the client goes away.
        took
            Takes each part of the content, as slowly as it likes.
        """
        sent = {name.replace("_", "-").lower(): value for name, value in (headers or {}).items()}
        sent |= {USER_HEADER: user} if user else {}
        sent.setdefault("authorization", f"Bearer {self.key}")
        if body is not None:
            sent.setdefault("content-type", "application/json")
        content = b"" if body is None else orjson.dumps(body)
        peer = KUBE_APISERVER if user else ""
        return await exchange(self.app, method, path, sent, content, peer=peer, leave=leave, took=took)

    async def settle(self) -> None:
        """Wait until the caches have what the server has."""
        await asyncio.sleep(0.2)


async def exchange(
    app: Any,
    method: str,
    path: str,
    headers: Mapping[str, str],
    content: bytes,
    *,
    peer: str = "",
    leave: asyncio.Event | None = None,
    took: Callable[[bytes], Awaitable[None]] | None = None,
) -> tuple[int, Mapping[str, str], bytes]:
    """Send a request to an ASGI application; return status, headers in lower case and content of its answer.

    Parameters
    ----------
    app
        The application.
    method
        Of HTTP.
    path
        The path, with the query.
    headers
        By names in lower case.
    content
        The body.
    peer
        Name in the client's certificate; empty: it has none.
    leave
        Once it is set, the client goes away.
    took
        Takes each part of the content, as slowly as it likes.
    """
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8090),
        "extensions": {PEER: {"name": peer}} if peer else {},
    }
    requests = iter([{"type": "http.request", "body": content}])
    started: list[Any] = []
    parts: list[bytes] = []

    async def receive() -> Any:
        message = next(requests, None)
        if message is None:
            await (leave or asyncio.Event()).wait()
            return {"type": "http.disconnect"}
        return message

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            started.append(message)
            return
        if took is not None:
            await took(message.get("body", b""))
        parts.append(message.get("body", b""))

    await app(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in started[0]["headers"]}
    return started[0]["status"], found, b"".join(parts)


def play_api(scenario: Callable[[Api], Awaitable[None]], network_of: Callable[[Random], Network] = Network) -> None:
    """Run a scenario on a REST API with namespace `shop`, a Project of one repository and the Workflow `build`."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock = WallClock(loop)
        server = ApiServer(now=clock.now, random=Random(1), definitions=definitions_of(EVERY_KIND))
        _prepare(server)
        api = _make_api(server, clock, "rest", network_of(Random(2)))
        api.key = (await create_key(api.kube, NAMESPACE, "editor", None, _RATE)).key
        with running(api):
            await api.settle()
            await scenario(api)

    run_virtual(main)


def _make_api(server: ApiServer, clock: WallClock, identity: str, network: Network) -> Api:
    loop = asyncio.get_running_loop()
    kube = Kube(server, identity, network)
    served, keys = Served(kube), KeyCache(kube, loop.time)
    trust = Trust(kube)
    trust.front_proxy = FRONT_PROXY
    app = make_app(ApiParts(kube, served, keys, trust, clock.now, loop.time, 0.1))
    return Api(server, clock, kube, network, served, app, (served.run(), keys.run()))


@contextmanager
def running(*apis: Api) -> Iterator[None]:
    """Let APIs follow the cluster meanwhile."""
    tasks = [asyncio.ensure_future(follower) for api in apis for follower in api.followers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


def _prepare(server: ApiServer) -> None:
    server.store.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    repository = {"url": REPOSITORY, "isDefault": True, "credentialRef": {"name": "forge"}}
    specs = (
        (PROJECTS, PROJECT_NAME, {"repositories": [repository]}),
        (WORKFLOWS, "build", {**WORKFLOW, "agent": {"command": ["true"]}}),
    )
    for resource, name, spec in specs:
        server.store.create(resource, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
