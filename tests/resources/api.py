"""The API server of a test, asked many things at once."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from codecourier.kube.access import load_access

Json = dict[str, Any]

_IN_FLIGHT = 24
"""Requests at the same time: enough to keep the API server busy, few enough for its priority and fairness queues."""


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    code: int
    body: Json

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Field and message of each thing that is wrong."""
        details = self.body.get("details") or {}
        return [(cause.get("field", ""), cause["message"]) for cause in details.get("causes", ())]


@dataclass(frozen=True)
class Api:
    """A connection to an API server."""

    session: aiohttp.ClientSession
    server: str

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        """Send a request and return the answer, whatever it is."""
        async with self.session.request(method, self.server + path, json=body, params=query) as response:
            return Answer(response.status, await response.json(content_type=None))

    @asynccontextmanager
    async def namespace(self) -> AsyncIterator[str]:
        """Make a namespace of a test's own, and delete it afterwards."""
        name = f"resources-{secrets.token_hex(4)}"
        answer = await self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert answer.code == 201, answer.body
        yield name
        await self.ask("DELETE", f"/api/v1/namespaces/{name}")


def resources_path(crd: Json, namespace: str) -> str:
    """Return where a kind's objects of a namespace are."""
    spec = crd["spec"]
    return f"/apis/{spec['group']}/{spec['versions'][0]['name']}/namespaces/{namespace}/{spec['names']['plural']}"


@asynccontextmanager
async def connect(kubeconfig: Path) -> AsyncIterator[Api]:
    """Connect as the kubeconfig's user."""
    access = load_access(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=access.ssl_context() or True, limit=_IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Api(session, access.address)
