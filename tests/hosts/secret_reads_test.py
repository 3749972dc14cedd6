"""Reading Secrets: each once for all that need it together, few at once, and nothing is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from codecourier.hosts.secret_reads import MOST_OF_NAMESPACE, SecretReads
from codecourier.kube.api import SECRETS
from codecourier.kube.errors import KubeError, NotFound, ServerError
from tests.simulation.apiserver import SimulatedKube
from tests.simulation.clock import pass_time, virtual
from tests.support.desk import NAMESPACE, Desk


def reads(desk: Desk) -> int:
    return sum(call.verb == "get" and call.resource == SECRETS for call in desk.wire.calls)


async def outcome(read: Any) -> Any:
    try:
        return (await read)["metadata"]["resourceVersion"]
    except KubeError as error:
        return type(error)


@virtual
async def test_readers_at_the_same_time_share_one_call_and_later_ones_make_another() -> None:
    desk = Desk()
    made = desk.make_secret()["metadata"]["resourceVersion"]
    secrets = SecretReads(desk.api)
    found = await asyncio.gather(*(secrets.read(NAMESPACE, "token", "1") for _ in range(50)))
    assert {secret["metadata"]["resourceVersion"] for secret in found} == {made}
    assert reads(desk) == 1
    changed = desk.server.edit(SECRETS, NAMESPACE, "token", lambda secret: secret.update(data={}))
    found = [await secrets.read(NAMESPACE, "token", "1")]
    assert found[0]["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]


@virtual
async def test_a_read_that_was_begun_for_another_version_is_not_shared() -> None:
    desk = Desk()
    desk.make_secret()
    secrets = SecretReads(desk.api)
    await asyncio.gather(*(secrets.read(NAMESPACE, "token", version) for version in (None, "1", "1", "2")))
    assert reads(desk) == 3


@virtual
async def test_an_error_comes_to_every_reader_and_is_not_kept() -> None:
    desk = Desk()
    secrets = SecretReads(desk.api)
    many = [outcome(secrets.read(NAMESPACE, "token", None)) for _ in range(3)]
    assert await asyncio.gather(*many) == [NotFound] * 3
    desk.wire.refuse = lambda _: ServerError(500, "InternalError", "no")
    assert await outcome(secrets.read(NAMESPACE, "token", None)) is ServerError
    desk.wire.refuse = lambda _: None
    made = desk.make_secret()
    assert await outcome(secrets.read(NAMESPACE, "token", None)) == made["metadata"]["resourceVersion"]


@virtual
async def test_a_reader_that_is_cancelled_takes_the_answer_from_no_other() -> None:
    desk = Desk()
    desk.make_secret()
    secrets = SecretReads(desk.api)
    first, second = (asyncio.create_task(secrets.read(NAMESPACE, "token", "1")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)["metadata"]["name"] == "token"
    with pytest.raises(asyncio.CancelledError):
        await first


@virtual
async def test_one_namespace_has_few_calls_at_once_and_the_others_their_own() -> None:
    desk = Desk()
    running, most = {"default": 0, "other": 0}, {"default": 0, "other": 0}
    right = SimulatedKube.get

    async def get(self: SimulatedKube, resource: Any, namespace: str | None, name: str) -> Any:
        where = namespace or ""
        running[where] += 1
        most[where] = max(most[where], running[where])
        try:
            return await right(self, resource, namespace, name)
        finally:
            running[where] -= 1

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(SimulatedKube, "get", get)
    secrets = SecretReads(desk.api)
    many = [outcome(secrets.read(where, f"s{n}", None)) for where in most for n in range(50)]
    assert await asyncio.gather(*many) == [NotFound] * 100
    monkeypatch.undo()
    assert most == {"default": MOST_OF_NAMESPACE, "other": MOST_OF_NAMESPACE}
    await pass_time(1.0)
    assert running == {"default": 0, "other": 0}
