"""The client over HTTP, against a server on loopback that answers well, badly, late or not at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from kubernetes.client import Configuration

from codecourier.kube.access import Access
from codecourier.kube.api import CONFIG_MAPS, NAMESPACES, PODS, SECRETS, Json
from codecourier.kube.client import AiohttpKube, ClientTiming
from codecourier.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    ServerError,
    TooManyRequests,
    Unanswered,
    Unauthorized,
)
from codecourier.kube.pages import PageSize
from tests.support.loopback import TOKEN, Recorder, answering, serving, status

SOON = ClientTiming(call=0.1, page=0.1, log=0.1, watch_margin=0.1, silence=0.1)
"""So short that a test which waits for an answer that never comes is over at once."""


async def hang(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


OBJECT: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "5"},
}


async def test_calls_go_where_the_api_server_expects_them() -> None:
    recorder = Recorder(OBJECT)
    async with serving(recorder.handle) as api:
        assert await api.get(CONFIG_MAPS, "shop", "a") == OBJECT
        await api.create(CONFIG_MAPS, OBJECT)
        await api.replace(CONFIG_MAPS, OBJECT)
        await api.replace_status(CONFIG_MAPS, OBJECT)
        await api.patch(CONFIG_MAPS, "shop", "a", {"data": None}, subresource="status")
        await api.create(NAMESPACES, {"metadata": {"name": "n"}})
    path = "/api/v1/namespaces/shop/configmaps"
    assert [(method, where, body) for method, where, _, _, body in recorder.requests] == [
        ("GET", f"{path}/a", None),
        ("POST", path, OBJECT),
        ("PUT", f"{path}/a", OBJECT),
        ("PUT", f"{path}/a/status", OBJECT),
        ("PATCH", f"{path}/a/status", {"data": None}),
        ("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}}),
    ]
    headers = [headers for *_, headers, _ in recorder.requests]
    assert {one["authorization"] for one in headers} == {f"Bearer {TOKEN}"}
    assert {one["user-agent"] for one in headers} == {"codecourier-operator"}
    assert {one["accept-encoding"] for one in headers} == {"identity"}
    assert [one.get("content-type") for one in headers[:5]] == [
        None,
        "application/json",
        "application/json",
        "application/json",
        "application/merge-patch+json",
    ]


async def test_a_deletion_says_what_has_to_hold() -> None:
    recorder = Recorder(status(200) | {"status": "Success"})
    async with serving(recorder.handle) as api:
        assert await api.delete(CONFIG_MAPS, "shop", "a") is None
        await api.delete(
            CONFIG_MAPS, "shop", "a", uid="u", resource_version="5", grace_seconds=0, propagation="Foreground"
        )
    bodies = [body for *_, body in recorder.requests]
    assert bodies[0] == {"apiVersion": "v1", "kind": "DeleteOptions"}
    assert bodies[1] == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "u", "resourceVersion": "5"},
    }


@pytest.mark.parametrize(
    ("metadata", "is_gone"),
    [
        ({"deletionTimestamp": "t", "deletionGracePeriodSeconds": 0}, True),
        ({"deletionTimestamp": "t", "deletionGracePeriodSeconds": 0, "finalizers": ["a"]}, False),
        ({"deletionTimestamp": "t", "deletionGracePeriodSeconds": 30}, False),
    ],
)
async def test_a_deletion_tells_whether_the_object_waits(metadata: Json, *, is_gone: bool) -> None:
    body = {"kind": "Pod", "metadata": {"name": "a"} | metadata}
    async with serving(answering(body)) as api:
        assert await api.delete(PODS, "shop", "a") == (None if is_gone else body)


async def test_a_list_is_put_together_from_its_pages() -> None:
    seen: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.query))
        page = int(request.query.get("continue", "0"))
        metadata = {"resourceVersion": "9"} | ({"continue": str(page + 1)} if page < 2 else {})
        return web.json_response({"metadata": metadata, "items": [{"metadata": {"name": f"a{page}"}}]})

    async with serving(handle, page_size=PageSize(first=1, most=1)) as api:
        found = await api.list(CONFIG_MAPS, label_selector="a=b", resource_version="0")
    assert [item["metadata"]["name"] for item in found.items] == ["a0", "a1", "a2"]
    assert {(item["apiVersion"], item["kind"]) for item in found.items} == {("v1", "ConfigMap")}
    assert found.resource_version == "9"
    assert seen == [
        {"limit": "1", "labelSelector": "a=b", "resourceVersion": "0"},
        {"limit": "1", "labelSelector": "a=b", "continue": "1"},
        {"limit": "1", "labelSelector": "a=b", "continue": "2"},
    ]


async def test_large_objects_come_in_smaller_pages_than_small_ones() -> None:
    seen: list[tuple[str, int]] = []
    sizes = {"ConfigMap": 10, "Secret": 40_000}

    async def handle(request: web.Request) -> web.StreamResponse:
        kind = "ConfigMap" if "configmaps" in request.path else "Secret"
        limit, start = int(request.query["limit"]), int(request.query.get("continue", "0"))
        seen.append((kind, limit))
        end = min(1000, start + limit)
        metadata = {"resourceVersion": "9"} | ({"continue": str(end)} if end < 1000 else {})
        items = [{"metadata": {"name": f"a{number}"}, "data": "x" * sizes[kind]} for number in range(start, end)]
        return web.json_response({"metadata": metadata, "items": items})

    async with serving(handle) as api:
        small, large = await api.list(CONFIG_MAPS), await api.list(SECRETS)
        assert [len(small.items), len(large.items)] == [1000, 1000]
    assert [limit for kind, limit in seen if kind == "ConfigMap"] == [100, 500, 500]
    limits = [limit for kind, limit in seen if kind == "Secret"]
    assert limits[0] == 100
    assert all(20 <= limit <= 30 for limit in limits[1:]), "a page has about a mebibyte"


async def test_a_list_without_objects_may_say_null() -> None:
    async with serving(answering({"metadata": {"resourceVersion": "9"}, "items": None})) as api:
        assert list((await api.list(CONFIG_MAPS)).items) == []


async def test_a_list_whose_moment_passes_between_pages_is_gone() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if "continue" in request.query:
            return web.json_response(status(410, "Expired", message="too old"), status=410)
        return web.json_response({"metadata": {"resourceVersion": "9", "continue": "1"}, "items": []})

    async with serving(handle) as api:
        with pytest.raises(Gone, match="too old"):
            await api.list(CONFIG_MAPS)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", ApiError),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Expired", Gone),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", TooManyRequests),
        (500, "InternalError", ServerError),
        (503, "ServiceUnavailable", ServerError),
        (504, "Timeout", ServerError),
        (302, "", ApiError),
    ],
)
async def test_errors_have_a_kind_each(code: int, reason: str, kind: type[ApiError]) -> None:
    body = status(code, reason, message="no", details={"causes": [{"reason": "R", "field": "spec"}]})
    async with serving(answering(body, code, {"Location": "http://127.0.0.1:1/elsewhere"})) as api:
        with pytest.raises(ApiError) as caught:
            await api.get(CONFIG_MAPS, "shop", "a")
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.reason, error.message) == (code, reason, "no")
    assert error.has_cause("R")
    assert not error.has_cause("S")


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"\xff\xfe", b"[1]", b"null", b'"x"', b"{"])
async def test_an_error_that_is_no_status_is_told_by_its_code(body: bytes) -> None:
    async with serving(answering(body, 502)) as api:
        with pytest.raises(ServerError) as caught:
            await api.get(CONFIG_MAPS, "shop", "a")
    assert caught.value.status == 502
    assert caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        {"message": None, "reason": None, "details": None},
        {"message": {"a": 1}, "reason": 7, "details": {"causes": None}},
        {"details": {"retryAfterSeconds": None}},
        {"details": {"retryAfterSeconds": "soon"}},
        {"details": []},
        {"details": "x"},
        {"details": {"causes": ["x", None]}},
    ],
    ids=str,
)
async def test_a_status_of_another_shape_is_still_an_error(body: Json) -> None:
    async with serving(answering(body, 403)) as api:
        with pytest.raises(Forbidden) as caught:
            await api.get(CONFIG_MAPS, "shop", "a")
    assert not caught.value.has_cause("NamespaceTerminating")
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        ({"Retry-After": "7"}, {}, 7.0),
        ({"Retry-After": "7"}, {"retryAfterSeconds": 3}, 7.0),
        ({}, {"retryAfterSeconds": 3}, 3.0),
        ({"Retry-After": "0"}, {}, 0.0),
        ({"Retry-After": "-1"}, {}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None),
        ({"Retry-After": "\u00b2"}, {}, None),
        ({}, {}, None),
    ],
)
async def test_the_time_to_wait_is_handed_on(headers: dict[str, str], details: Json, seconds: float | None) -> None:
    async with serving(answering(status(429, "TooManyRequests", details=details), 429, headers)) as api:
        with pytest.raises(TooManyRequests) as caught:
            await api.get(CONFIG_MAPS, "shop", "a")
    assert caught.value.retry_after == seconds


CALLS: dict[str, Callable[[AiohttpKube], Awaitable[Any]]] = {
    "get": lambda api: api.get(CONFIG_MAPS, "shop", "a"),
    "list": lambda api: api.list(CONFIG_MAPS, "shop"),
    "create": lambda api: api.create(CONFIG_MAPS, OBJECT),
    "replace": lambda api: api.replace(CONFIG_MAPS, OBJECT),
    "replace_status": lambda api: api.replace_status(CONFIG_MAPS, OBJECT),
    "patch": lambda api: api.patch(CONFIG_MAPS, "shop", "a", {}),
    "delete": lambda api: api.delete(CONFIG_MAPS, "shop", "a"),
    "watch": lambda api: anext(api.watch(CONFIG_MAPS, resource_version="1", timeout_seconds=0)),
    "read_log": lambda api: api.read_log("shop", "a", "main", limit_bytes=10),
    "stream_log": lambda api: anext(api.stream_log("shop", "a", "main", is_followed=False)),
}
ALL_CALLS = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@ALL_CALLS
async def test_a_server_that_never_answers_is_given_up(call: Callable[[AiohttpKube], Awaitable[Any]]) -> None:
    async with serving(hang, SOON) as api:
        with pytest.raises(Unanswered):
            await call(api)


@ALL_CALLS
async def test_a_server_that_closes_the_connection_has_not_answered(
    call: Callable[[AiohttpKube], Awaitable[Any]],
) -> None:
    async def close(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(close) as api:
        with pytest.raises(Unanswered):
            await call(api)


@ALL_CALLS
async def test_a_server_that_is_not_there_has_not_answered(call: Callable[[AiohttpKube], Awaitable[Any]]) -> None:
    async with serving(hang) as served:
        address = served._access.address
    configuration = Configuration()
    configuration.host = address
    async with AiohttpKube(Access(configuration)) as api:
        with pytest.raises(Unanswered):
            await call(api)


@ALL_CALLS
async def test_no_message_has_the_token(
    call: Callable[[AiohttpKube], Awaitable[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for handler in (answering(status(401, "Unauthorized"), 401), answering(b"no", 502), answering(b"", 403)):
        async with serving(handler) as api:
            with pytest.raises(KubeError) as caught:
                await call(api)
        texts = [str(caught.value), repr(caught.value), str(caught.value.__cause__), str(caught.value.__context__)]
        assert not [text for text in texts if TOKEN in text]
    assert TOKEN not in caplog.text


async def test_an_answer_that_breaks_off_is_no_answer() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"metadata": {')
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serving(handle) as api:
        with pytest.raises(Unanswered):
            await api.get(CONFIG_MAPS, "shop", "a")


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff"])
async def test_a_success_that_is_no_json_is_no_answer(body: bytes) -> None:
    async with serving(answering(body)) as api:
        with pytest.raises(Unanswered, match="not JSON"):
            await api.create(CONFIG_MAPS, OBJECT)


@pytest.mark.parametrize("body", [b"[]", b"null", b"7"])
async def test_a_success_that_is_no_object_is_the_servers_fault(body: bytes) -> None:
    async with serving(answering(body)) as api:
        with pytest.raises(ServerError):
            await api.get(CONFIG_MAPS, "shop", "a")


@pytest.mark.parametrize("body", [{}, {"items": []}, {"metadata": {}, "items": []}, {"metadata": [], "items": 5}])
async def test_a_list_of_another_shape_is_the_servers_fault(body: Json) -> None:
    async with serving(answering(body)) as api:
        with pytest.raises(ServerError):
            await api.list(CONFIG_MAPS)


async def test_it_is_used_as_a_context_manager_only() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        await AiohttpKube(Access(Configuration())).get(CONFIG_MAPS, "shop", "a")


async def test_a_log_comes_in_parts() -> None:
    seen: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append({"path": request.path, **request.query})
        return web.Response(body=b"x" * 200_000)

    async with serving(handle) as api:
        parts = [part async for part in api.stream_log("shop", "a", "main", is_followed=True, tail_lines=7)]
    assert sum(map(len, parts)) == 200_000
    assert max(map(len, parts)) <= 64 * 1024
    path = "/api/v1/namespaces/shop/pods/a/log"
    assert seen == [{"path": path, "container": "main", "follow": "true", "tailLines": "7"}]


async def test_a_log_is_cut_and_bytes_that_are_no_text_are_replaced() -> None:
    seen: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append({"path": request.path, **request.query})
        return web.Response(body=b"ab\xffdefgh")

    async with serving(handle) as api:
        assert await api.read_log("shop", "a", "main", limit_bytes=5, tail_lines=3) == "ab\ufffdde"
        assert await api.read_log("shop", "a", "main", limit_bytes=100) == "ab\ufffddefgh"
    assert seen == [
        {"path": "/api/v1/namespaces/shop/pods/a/log", "container": "main", "limitBytes": "5", "tailLines": "3"},
        {"path": "/api/v1/namespaces/shop/pods/a/log", "container": "main", "limitBytes": "100"},
    ]


async def test_it_takes_no_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    recorder = Recorder(OBJECT)
    async with serving(recorder.handle) as api:
        api._access.proxy = None
        assert await api.get(CONFIG_MAPS, "shop", "a") == OBJECT
