"""The REST API over the simulated API server, without a socket: for refusals and races that need no real cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, cast

import orjson

from codecourier.apiserver.app import ApiParts, make_app
from codecourier.apiserver.doors import AGGREGATED, PEER
from codecourier.apiserver.front_proxy import FrontProxy
from codecourier.apiserver.hosts import HostParts
from codecourier.apiserver.keys import create_key
from codecourier.apiserver.served import KeyCache, Served
from codecourier.apiserver.trust import Trust
from codecourier.kube.api import NAMESPACES, SUBJECT_ACCESS_REVIEWS, Json, KubeApi, Resource
from tests.simulation.apiserver import ApiServer, SimulatedKube
from tests.simulation.clock import WallClock, run_virtual
from tests.simulation.network import Network
from tests.simulation.schema import Definition, definitions_of
from tests.support.kinds import EVERY_KIND

__all__ = ["NAMESPACE", "Reply", "RestApp", "play_rest"]

NAMESPACE = "shop"
_SETTLING_SECONDS = 1.0
_RATE = 100_000
_USER_HEADER = "x-remote-user"
_FRONT_PROXY = FrontProxy("", frozenset({"front-proxy-client"}), (_USER_HEADER,), (), (), ())


@dataclass(frozen=True)
class Reply:
    """What the REST API answered."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    @property
    def data(self) -> Any:
        """What a success shows."""
        assert self.status in {200, 201}, self
        return self.body["data"]

    @property
    def message(self) -> str:
        """The sentence of a refusal."""
        return str(self.body["error"]["message"])

    @property
    def fields(self) -> dict[str, str]:
        """The problems of a refusal by their field."""
        return {detail["field"]: detail["message"] for detail in self.body["error"]["details"]}


@dataclass
class _Authorized:
    """A client of the simulated API server with an authorizer beside it."""

    api: SimulatedKube
    denied: set[tuple[str, str]] = field(default_factory=set)
    """Verb and resource of what no caller may do."""

    async def create(self, resource: Resource, obj: Json, **options: Any) -> Json:
        """Create an object, or answer a review."""
        if resource is not SUBJECT_ACCESS_REVIEWS:
            return await self.api.create(resource, obj, **options)
        asked = obj["spec"]["resourceAttributes"]
        return {"status": {"allowed": (asked["verb"], asked["resource"]) not in self.denied}}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.api, name)


@dataclass
class RestApp:
    """A REST API with a project, `shop`, and a key of owner `ci` who may do everything."""

    app: Any
    api: KubeApi
    """What users of the cluster write with; the REST API learns of it a moment later."""

    key: str
    denied: set[tuple[str, str]]
    """Verb and resource of what no caller may do."""

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

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Ask for a path below `/api/v1`, with a body in JSON."""
        sent = {"authorization": f"Bearer {self.key}", **{k.lower().replace("_", "-"): v for k, v in headers.items()}}
        content = b"" if body is None else orjson.dumps(body)
        if body is not None:
            sent |= {"content-type": "application/json", "content-length": str(len(content))}
        return await self._send(method, f"/api/v1{path}", sent, content)

    async def ask_as_kubectl(self, path: str, accept: str = "application/json", method: str = "GET") -> Reply:
        """Ask for a path below that of the project in the API group, as kube-apiserver does for user `alice`."""
        path = f"{AGGREGATED}/namespaces/{NAMESPACE}{path}"
        return await self._send(method, path, {_USER_HEADER: "alice", "accept": accept}, b"", "front-proxy-client")

    async def _send(self, method: str, path: str, sent: Mapping[str, str], content: bytes, peer: str = "") -> Reply:
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "server": ("test", 80),
            "extensions": {PEER: {"name": peer}} if peer else {},
        }
        answers: list[Json] = []

        async def receive() -> Json:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Json) -> None:
            answers.append(message)

        await self.app(scope, receive, send)
        text = b"".join(answer.get("body", b"") for answer in answers[1:])
        headers = {name.decode(): value.decode() for name, value in answers[0]["headers"]}
        return Reply(answers[0]["status"], orjson.loads(text), headers)


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
        authorized = _Authorized(server.client("rest", Network(Random(2))))
        api = cast("KubeApi", authorized)
        served, keys = Served(api), KeyCache(api, loop.time)
        following = [asyncio.create_task(served.run()), asyncio.create_task(keys.run())]
        key = await create_key(api, NAMESPACE, "ci", None, _RATE)
        trust = Trust(api)
        trust.front_proxy = _FRONT_PROXY
        app = make_app(ApiParts(api, served, keys, trust, clock.now, loop.time, 0.0, hosts=hosts or HostParts()))
        await asyncio.sleep(_SETTLING_SECONDS)
        await scenario(RestApp(app, server.client("user", Network(Random(3))), key.key, authorized.denied))
        for task in following:
            task.cancel()

    run_virtual(main)
