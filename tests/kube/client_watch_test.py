"""Watches of the client over HTTP, whatever the server sends or does not send."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import orjson
import pytest
from aiohttp import web

from codecourier.kube.api import CONFIG_MAPS, WatchEvent
from codecourier.kube.client import AiohttpKube, ClientTiming
from codecourier.kube.errors import (
    ApiError,
    Gone,
    KubeError,
    ServerError,
    TooManyRequests,
    Unanswered,
)
from tests.support.loopback import Handler, Recorder, serving, status


def event(name: str, type_: str = "ADDED", **parts: Any) -> bytes:
    return orjson.dumps({"type": type_, "object": {"metadata": {"name": name}, **parts}}) + b"\n"


def streaming(*chunks: bytes, ends: bool = True) -> Handler:
    """Return a handler that sends chunks one after the other, and then ends or is silent."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if not ends:
            await asyncio.Event().wait()
        return response

    return handle


async def watched(api: AiohttpKube, **options: Any) -> list[WatchEvent]:
    wanted: dict[str, Any] = {"resource_version": "5", "timeout_seconds": 30, **options}
    async with aclosing(api.watch(CONFIG_MAPS, **wanted)) as events:
        return [event async for event in events]


async def test_a_watch_yields_each_line_however_it_is_cut_up() -> None:
    whole = event("a") + event("b", "MODIFIED") + event("c", "DELETED") + event("d", "BOOKMARK")
    for size in (1, 7, 40, len(whole)):
        chunks = [whole[start : start + size] for start in range(0, len(whole), size)]
        async with serving(streaming(*chunks)) as api:
            found = await watched(api)
        assert [(one.type, one.object["metadata"]["name"]) for one in found] == [
            ("ADDED", "a"),
            ("MODIFIED", "b"),
            ("DELETED", "c"),
            ("BOOKMARK", "d"),
        ]


async def test_a_watch_says_from_when_on_and_for_how_long() -> None:
    recorder = Recorder({"type": "BOOKMARK", "object": {}})
    async with serving(recorder.handle) as api:
        await watched(api, namespace="shop", label_selector="a=b", bookmarks=False, timeout_seconds=7)
        await watched(api)
    (_, first, query, _, _), (_, second, others, _, _) = recorder.requests
    assert (first, second) == ("/api/v1/namespaces/shop/configmaps", "/api/v1/configmaps")
    assert query == {
        "watch": "true",
        "resourceVersion": "5",
        "timeoutSeconds": "7",
        "allowWatchBookmarks": "false",
        "labelSelector": "a=b",
    }
    assert others["allowWatchBookmarks"] == "true"
    assert "labelSelector" not in others


async def test_an_event_may_be_longer_than_any_buffer() -> None:
    text = "x" * (5 * 2**20)
    line = event("a", text=text)
    async with serving(streaming(line[:100], line[100:])) as api:
        (found,) = await watched(api)
    assert found.object["text"] == text


async def test_an_event_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecourier.kube.client._MAX_EVENT_BYTES", 1000)
    async with serving(streaming(b"x" * 2000, ends=False)) as api:
        with pytest.raises(Unanswered, match="longer than 1000 bytes"):
            await watched(api)


@pytest.mark.parametrize(
    ("code", "kind"), [(410, Gone), (504, ServerError), (None, ServerError), (429, TooManyRequests), ("x", ServerError)]
)
async def test_an_error_in_a_watch_is_raised(code: Any, kind: type[ApiError]) -> None:
    line = orjson.dumps({"type": "ERROR", "object": status(410, "Expired", message="too old") | {"code": code}})
    async with serving(streaming(event("a"), line + b"\n")) as api:
        events = api.watch(CONFIG_MAPS, resource_version="5", timeout_seconds=30)
        assert (await anext(events)).type == "ADDED"
        with pytest.raises(kind):
            await anext(events)


@pytest.mark.parametrize(
    "line", [b"{\n", b"[]\n", b"null\n", b"{}\n", b'{"type": "ADDED"}\n', b'{"type": "ERROR", "object": 7}\n', b"\n"]
)
async def test_a_line_that_is_no_event_breaks_the_watch(line: bytes) -> None:
    async with serving(streaming(line)) as api:
        with pytest.raises(KubeError):
            await watched(api)


async def test_a_watch_that_is_silent_for_too_long_is_given_up() -> None:
    timing = ClientTiming(silence=0.2)
    async with serving(streaming(event("a"), ends=False), timing) as api:
        events = api.watch(CONFIG_MAPS, resource_version="5", timeout_seconds=300)
        assert (await anext(events)).type == "ADDED"
        with pytest.raises(Unanswered):
            await anext(events)


async def test_a_watch_that_the_server_does_not_end_is_given_up() -> None:
    timing = ClientTiming(watch_margin=0.2)
    async with serving(streaming(event("a"), ends=False), timing) as api:
        events = api.watch(CONFIG_MAPS, resource_version="5", timeout_seconds=0)
        assert (await anext(events)).type == "ADDED"
        with pytest.raises(Unanswered):
            await anext(events)


async def test_a_watch_that_breaks_off_is_told_from_one_that_ended() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(event("a"))
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serving(handle) as api:
        events = api.watch(CONFIG_MAPS, resource_version="5", timeout_seconds=30)
        assert (await anext(events)).type == "ADDED"
        with pytest.raises(Unanswered):
            await anext(events)


async def test_half_an_event_at_the_end_is_not_told() -> None:
    async with serving(streaming(event("a"), event("b")[:10])) as api:
        assert [one.object["metadata"]["name"] for one in await watched(api)] == ["a"]
