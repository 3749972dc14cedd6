"""Branches over both doors of a REST API that is served on a socket, at the local forge."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from codecourier.apiserver.keys import create_key
from codecourier.core.shared.naming import LABEL_REPOSITORY_CREDENTIAL
from codecourier.kinds.api_resources import PROJECTS
from codecourier.kube.api import SECRETS, Json
from codecourier.local.processes import wait_until
from codecourier.settings import ForgeSettings
from tests.support.doors import OPS, Doors, Reply, running
from tests.support.forge import ForgeProcess, ForgeRepository, forge, new_repository

__all__ = ["forge"]

pytestmark = pytest.mark.forge


class Place:
    """A project with a repository at the forge, and the doors to it."""

    def __init__(self, doors: Doors, repository: ForgeRepository, bearer: str) -> None:
        self.doors = doors
        self.repository = repository
        self._bearer = bearer

    async def both(self, method: str, path: str) -> list[Reply]:
        """Ask through both doors for a path below `/api/v1/branches`, which is sent as it is."""
        path = f"/api/v1/branches{path}"
        direct = await self.doors.ask(method, path, Authorization=self._bearer)
        return [direct, await self.doors.vouched(method, OPS + path)]

    async def statuses(self, method: str, path: str) -> list[int]:
        """Return the statuses of both doors."""
        return [reply.status for reply in await self.both(method, path)]


@pytest_asyncio.fixture
async def place(forge: ForgeProcess, tmp_path: Path) -> AsyncIterator[Place]:
    """Run a REST API whose project has a repository at the forge."""
    repository = await asyncio.to_thread(new_repository, forge, tmp_path)
    token = repository.token({"contents": "write", "pull_requests": "read"})
    hosts = ForgeSettings(forge_hosts=(forge.address.host,), forge_ca_file=forge.address.ca_path)
    async with running(tmp_path, hosts) as doors:
        api = doors.cluster.api
        labels = {LABEL_REPOSITORY_CREDENTIAL: "true"}
        data = {"token": base64.b64encode(token.encode()).decode()}
        metadata: Json = {"name": "forge", "namespace": "shop", "labels": labels}
        await api.create(SECRETS, {"metadata": metadata, "type": "Opaque", "data": data})
        url = f"{forge.address.base_url}/{repository.full_name}"
        found: Json = {"url": url, "isDefault": True, "credentialRef": {"name": "forge"}}
        spec: Json = {"repositories": [found]}
        await api.create(PROJECTS, {"metadata": {"name": "default", "namespace": "shop"}, "spec": spec})
        key = await create_key(api, "shop", "ci", None, 10_000)
        place = Place(doors, repository, f"Bearer {key.key}")
        assert await place.statuses("GET", "") == [200, 200]
        yield place


async def test_a_name_is_decoded_once_at_both_doors(place: Place) -> None:
    names = ["feature/dark-mode", "a%2Fb", "\u00fc/\u679d", "\ufffd"]
    for name in names:
        place.repository.branch(name)
    for reply in await place.both("GET", ""):
        assert [branch["name"] for branch in reply.body["data"]] == sorted([*names, "main"], key=str.encode)
    # Bytes that are no UTF-8 are no name of the branch whose name is the sign for them.
    odd = [
        "%FF",
        "%EF%BF%BD",
        "a%2Fb",
        "a/b",
        "%2e%2e%2fmain",
        "a%00b",
        "a%0Ab",
        "%2F",
        "main%2F",
        "a%2F%2Fb",
        "..%2fx",
    ]
    for path in odd:
        assert await place.statuses("DELETE", f"/{path}") == [404, 404], path
    assert await place.statuses("DELETE", "/main") == [409, 409]
    assert await place.statuses("DELETE", "/a%252Fb") == [200, 404]
    assert await place.statuses("DELETE", "/%C3%BC%2F%E6%9E%9D") == [200, 404]
    assert await place.statuses("DELETE", "/feature/dark-mode") == [200, 404]
    assert place.repository.tip("refs/heads/feature/dark-mode") is None
    assert place.repository.tip("refs/heads/main") is not None


async def test_a_host_that_hangs_delays_no_other_answer(place: Place) -> None:
    control = place.repository.control
    control.delay(60, method="POST", path="^/api/graphql$", times=4)
    try:
        hung = asyncio.create_task(place.both("GET", ""))
        await asyncio.to_thread(wait_until, lambda: control.pending_faults()[0]["times"] < 4, timeout_seconds=30)
        for path in ("recurring-tasks", "pull-requests"):
            reply = await place.doors.vouched("GET", f"{OPS}/api/v1/{path}")
            assert reply.status == 200
        assert not hung.done()
        replies = await hung
        assert [reply.status for reply in replies] == [503, 503]
        assert all(int(reply.headers["Retry-After"]) >= 1 for reply in replies)
    finally:
        control.clear_faults()
