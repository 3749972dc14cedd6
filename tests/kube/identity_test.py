"""Reading identities only: whatever a server sends, no value of a Secret stays in the process."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from random import Random
from typing import Any

import orjson
import pytest
from aiohttp import web

from codecourier.kube.api import SECRETS, Json, Resource, WatchEvent
from codecourier.kube.cache import Cache
from codecourier.kube.client import AiohttpKube
from codecourier.kube.errors import Gone, ServerError
from codecourier.kube.informer import Informer
from tests.support.loopback import Recorder, answering, serving, status

CANARY = "cc-canary-value"
SELECTOR = "codecourier.dev/agent-readable=true"
IDENTITIES = SECRETS.identities(SELECTOR)
SECRET: Json = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "a",
        "namespace": "shop",
        "uid": "u",
        "resourceVersion": "5",
        "labels": {"note": CANARY},
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": orjson.dumps({"data": {"token": CANARY}}).decode()
        },
        "managedFields": [{"fieldsV1": {"f:data": {f"f:{CANARY}": {}}}}],
    },
    "data": {"token": CANARY},
}
"""As a server sends it that does not know how to send metadata only."""

IDENTITY: Json = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "5"},
}
LIST: Json = {"metadata": {"resourceVersion": "7"}, "items": [SECRET]}
LISTED = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


def line(type_: str, obj: Any) -> bytes:
    return orjson.dumps({"type": type_, "object": obj}) + b"\n"


async def watched(api: AiohttpKube) -> list[WatchEvent]:
    watch = api.watch(IDENTITIES, resource_version="5", timeout_seconds=30)
    async with aclosing(watch) as events:
        return [event async for event in events]


async def test_only_metadata_is_asked_for_and_only_of_what_the_label_selects() -> None:
    recorder = Recorder(LIST | SECRET)
    async with serving(recorder.handle) as api:
        await api.list(IDENTITIES)
        await api.current_version(IDENTITIES)
        await api.get(IDENTITIES, "shop", "a")
        assert await watched(api) == [], "the answer has no line"
    accepted = [headers["accept"] for _, _, _, headers, _ in recorder.requests]
    assert accepted == [LISTED, f"{LISTED},application/json", ONE, ONE]
    selected = [query.get("labelSelector") for _, _, query, _, _ in recorder.requests]
    assert selected == [SELECTOR, SELECTOR, None, SELECTOR]


async def test_nothing_but_the_identity_is_kept_of_what_a_server_sends() -> None:
    async with serving(answering(LIST)) as api:
        assert list((await api.list(IDENTITIES)).items) == [IDENTITY]
    async with serving(answering(SECRET)) as api:
        assert await api.get(IDENTITIES, "shop", "a") == IDENTITY
    lines = [line(type_, SECRET) for type_ in ("ADDED", "MODIFIED", "DELETED")]
    bookmark = {"kind": "PartialObjectMetadata", "metadata": {"resourceVersion": "9"}}
    async with serving(answering(b"".join([*lines, line("BOOKMARK", bookmark)]))) as api:
        *events, last = await watched(api)
    assert [event.object for event in events] == [IDENTITY] * 3
    assert last.object["metadata"] == {"resourceVersion": "9"}


async def test_an_error_in_a_watch_of_identities_is_raised() -> None:
    async with serving(answering(line("ERROR", status(410, "Expired")))) as api:
        with pytest.raises(Gone):
            await watched(api)


@pytest.mark.parametrize("items", [[SECRET, {"data": CANARY}], CANARY, [CANARY], {CANARY: 1}])
async def test_an_answer_of_another_shape_is_not_repeated_in_the_error(items: Any) -> None:
    async with serving(answering({**LIST, "items": items})) as api:
        with pytest.raises(ServerError) as caught:
            await api.list(IDENTITIES)
    assert CANARY not in str(caught.value)


class Failure:
    """Waits for the first failure of an informer."""

    def __init__(self) -> None:
        self.failure = asyncio.Event()

    def listed(self, resource: Resource, count: int) -> None:
        """Ignore it."""

    def received(self, resource: Resource, event: WatchEvent) -> None:
        """Ignore it."""

    def failed(self, resource: Resource, error: Exception) -> None:
        self.failure.set()

    def restored(self, resource: Resource) -> None:
        """Ignore it."""


async def test_what_a_cache_keeps_and_a_log_has_of_them_is_free_of_values(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def handle(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response(LIST)
        later = {**SECRET, "metadata": {**SECRET["metadata"], "resourceVersion": "8"}}
        return web.Response(body=line("MODIFIED", later) + b"{" + CANARY.encode() + b"\n")

    cache, observer = Cache(IDENTITIES), Failure()
    async with serving(handle) as api:
        following = asyncio.create_task(Informer(api, cache, random=Random(1), observer=observer).run())
        await observer.failure.wait()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert "list or watch of secrets (codecourier.dev/agent-readable=true) failed" in caplog.text
    kept = cache.get("shop", "a")
    assert kept is not None
    assert kept == {**IDENTITY, "metadata": {**IDENTITY["metadata"], "resourceVersion": "8"}}
    assert CANARY not in caplog.text
