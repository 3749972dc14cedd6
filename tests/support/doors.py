"""The REST API on a real socket with TLS, over a simulated API server: what its two doors answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import orjson
from yarl import URL

from codecourier.apiserver.serve import serve_api
from codecourier.apiserver.settings import ApiServerSettings
from codecourier.kube.api import CONFIG_MAPS, NAMESPACES, SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Json, KubeApi, Resource
from codecourier.local.certificates import Authority, KeyPair, create_authority, write_key_pair
from codecourier.settings import ForgeSettings
from tests.simulation.apiserver import ApiServer
from tests.simulation.network import Network
from tests.simulation.schema import definitions_of
from tests.support.kinds import EVERY_KIND

__all__ = ["CONFIG", "OPS", "Cluster", "Doors", "Reply", "config_data", "running"]

OPS = "/apis/ops.codecourier.dev/v1/namespaces/shop"
"""The project's path on the aggregated door."""

CONFIG = "extension-apiserver-authentication"
_SECONDS = 20


@dataclass
class Cluster:
    """What a cluster is to the REST API, for tests."""

    api: KubeApi
    proxy: Authority = field(default_factory=lambda: create_authority("front-proxy-ca"))
    clients: Authority = field(default_factory=lambda: create_authority("ca"))
    asked: list[Json] = field(default_factory=list)
    """Specs of the reviews that were asked for."""

    may: Callable[[Json], bool] = lambda _: True
    """The authorizer."""

    reviewed: list[Json] = field(default_factory=list)
    """Specs of the reviews of tokens that were asked for."""

    whose: Callable[[Json], Json] = lambda _: {"authenticated": False}
    """The authenticator of tokens."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.api, name)

    async def create(self, resource: Resource, obj: Json, *, is_dry_run: bool = False) -> Json:
        """Create an object, or answer a review."""
        if resource == TOKEN_REVIEWS:
            self.reviewed.append(obj["spec"])
            return {"status": self.whose(obj["spec"])}
        if resource != SUBJECT_ACCESS_REVIEWS:
            return await self.api.create(resource, obj, is_dry_run=is_dry_run)
        self.asked.append(obj["spec"])
        return {"status": {"allowed": self.may(obj["spec"])}}


@dataclass(frozen=True)
class Reply:
    """What a door answered."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Doors:
    """A running REST API."""

    cluster: Cluster
    port: int
    authority: Path
    folder: Path

    def tls(self, pair: KeyPair | None = None) -> ssl.SSLContext:
        """Return how a client connects, with a certificate or without."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if pair is not None:
            files = self.folder / "client.crt", self.folder / "client.key"
            write_key_pair(pair, *files)
            context.load_cert_chain(*files)
        return context

    async def ask(
        self, method: str, path: str, pair: KeyPair | None = None, body: Any = None, **headers: str | list[str]
    ) -> Reply:
        """Ask for a path, which is sent as it is."""
        sent = [(name.replace("_", "-"), value) for name, found in headers.items() for value in _listed(found)]
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else orjson.dumps(body)
            sent.append(("Content-Type", "application/json"))
        connector = aiohttp.TCPConnector(ssl=self.tls(pair), force_close=True)
        async with aiohttp.ClientSession(f"https://localhost:{self.port}", connector=connector) as session:
            url = URL(f"https://localhost:{self.port}{path}", encoded=True)
            timeout = aiohttp.ClientTimeout(total=_SECONDS)
            async with session.request(method, url, data=data, headers=sent, timeout=timeout) as response:
                content = await response.read()
                is_json = response.headers.get("Content-Type", "").startswith("application/json")
                return Reply(response.status, orjson.loads(content) if is_json else content, response.headers)

    async def vouched(self, method: str, path: str, body: Any = None, **headers: str | list[str]) -> Reply:
        """Ask as kube-apiserver does for user `alice` of group `dev`."""
        pair = self.cluster.proxy.issue("front-proxy-client")
        sent: dict[str, str | list[str]] = {"X_Remote_User": "alice", "X_Remote_Group": "dev", **headers}
        return await self.ask(method, path, pair, body, **sent)


def config_data(cluster: Cluster, **changes: str) -> Json:
    """Return what kube-apiserver writes about its front proxy; `_` of a name stands for `-`."""
    data = {
        "client-ca-file": cluster.clients.pair.certificate.decode(),
        "requestheader-client-ca-file": cluster.proxy.pair.certificate.decode(),
        "requestheader-allowed-names": '["front-proxy-client"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-uid-headers": '["X-Remote-Uid"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }
    return data | {name.replace("_", "-"): value for name, value in changes.items()}


@asynccontextmanager
async def running(folder: Path, hosts: ForgeSettings | None = None, /, **config: str) -> AsyncIterator[Doors]:
    """Run the REST API in this loop, with project `shop` and these ways to repositories' hosts."""
    definitions = definitions_of(EVERY_KIND)
    server = ApiServer(now=lambda: datetime.now(UTC), random=Random(1), definitions=definitions)
    cluster = Cluster(server.client("test", Network(Random(2))))
    for name in ("shop", "other"):
        server.store.create(NAMESPACES, {"metadata": {"name": name}})
    data = config_data(cluster, **config)
    metadata = {"name": CONFIG, "namespace": "kube-system"}
    await cluster.api.create(CONFIG_MAPS, {"metadata": metadata, "data": data})
    authority = create_authority("serving-ca")
    files = folder / "tls.crt", folder / "tls.key"
    write_key_pair(authority.issue("apiserver", hosts=["localhost"]), *files)
    (folder / "ca.crt").write_bytes(authority.pair.certificate)
    settings = ApiServerSettings(
        listen_port=0, tls_certificate_file=files[0], tls_key_file=files[1], accept_wait_seconds=0, drain_seconds=1
    )
    began = asyncio.get_running_loop().create_future()
    ways = hosts or ForgeSettings()
    serving = asyncio.create_task(serve_api(settings, ways, cluster, lambda *found: began.set_result(found)))
    await asyncio.wait([serving, began], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving
    port, stop = began.result()
    doors = Doors(cluster, port, folder / "ca.crt", folder)
    try:
        while (await doors.ask("GET", "/readyz")).status != 200:
            pass
        yield doors
    finally:
        stop()
        await serving


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
