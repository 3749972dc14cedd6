"""The API server over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
import orjson

from codecourier.kube.access import Access
from codecourier.kube.api import PODS, Json, ListResult, Propagation, Resource, WatchEvent, WatchEventType
from codecourier.kube.cache import Trim
from codecourier.kube.errors import ServerError, Unanswered, error_from_status, parse_retry_after
from codecourier.kube.held import PackedList
from codecourier.kube.identity import as_read, identity_of, selection_of
from codecourier.kube.pages import PageSize

__all__ = ["AiohttpKube", "ClientTiming"]

_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_MERGE_PATCH = "application/merge-patch+json"
_LOG_PART_BYTES = 64 * 1024
_MAX_EVENT_BYTES = 64 * 1024 * 1024
"""Far above the largest object that an API server stores (etcd's limit is 1.5 MiB by default)."""


@dataclass(frozen=True)
class ClientTiming:
    """Bounds in seconds.

    Parameters
    ----------
    call
        For a call on one object, in total.
    page
        For one page of a list.
    log
        For reading a log.
    watch_margin
        How long after its server-side end a watch is abandoned.
    silence
        How long a watch may be silent: the API server sends a bookmark about once a minute, so a connection that is
        silent for longer is dead.
    """

    call: float = 5.0
    page: float = 30.0
    log: float = 30.0
    watch_margin: float = 10.0
    silence: float = 100.0


class AiohttpKube:
    """An API server, reached over a pool of connections; use it as an async context manager.

    Calls are tried once. The error carries `Retry-After`.

    Parameters
    ----------
    access
        Address and credentials.
    user_agent
        Identifies this client in audit logs.
    page_size
        How many objects a page of a list has; None: the usual sizes.
    timing
        Bounds.
    note
        Called for each request with its method (`WATCH` for watches), the status (`none` without an answer) and the
        seconds until the answer began.
    trims
        By kind, applied to each object of a list as its page arrives, so that no whole list is held untrimmed.
    """

    def __init__(
        self,
        access: Access,
        *,
        user_agent: str = "codecourier-operator",
        page_size: PageSize | None = None,
        timing: ClientTiming | None = None,
        note: Callable[[str, str, float], None] = lambda _method, _code, _seconds: None,
        trims: Mapping[Resource, Trim] | None = None,
    ) -> None:
        self._access = access
        self._user_agent = user_agent
        self._page_size = page_size or PageSize()
        self._trims = trims or {}
        self._timing = timing or ClientTiming()
        self._note = note
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        context = self._access.ssl_context()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=128, ssl=context if context is not None else True),
            # An API server would compress each page of a list, which takes both ends longer than a cluster's network
            # takes for what is saved: https://github.com/kubernetes/kubernetes/pull/80919.
            headers={"User-Agent": self._user_agent, "Accept": "application/json", "Accept-Encoding": "identity"},
            json_serialize=lambda value: orjson.dumps(value).decode(),
            # Watches are lines of unknown length; the reader's buffer is the only bound on one.
            read_bufsize=2**20,
            trust_env=False,
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """See `KubeApi.get`."""
        accept = _METADATA if resource.identity_selector else None
        return as_read(resource, await self._call("GET", resource.path(namespace, name), accept=accept))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        resource_version: str | None = None,
    ) -> ListResult:
        """See `KubeApi.list`; it reads the list in pages, all of the same version."""
        items = PackedList()
        query = {"limit": str(self._page_size.first), **selection_of(resource, label_selector)}
        if resource_version is not None:
            query["resourceVersion"] = resource_version
        path, trim = resource.path(namespace), self._trims.get(resource)
        accept = _METADATA_LIST if resource.identity_selector else None
        while True:
            body = await self._read("GET", path, query=query, seconds=self._timing.page, accept=accept)
            found, version, token = _page(_parsed(body, f"GET {path}"), resource, trim)
            items.extend(found)
            if not token:
                return ListResult(items, version)
            limit = self._page_size.after(len(found), len(body))
            query = {key: value for key, value in query.items() if key != "resourceVersion"}
            query |= {"limit": str(limit), "continue": token}

    async def current_version(self, resource: Resource, namespace: str | None = None) -> str:
        """See `KubeApi.current_version`; it reads the metadata of one object, as no list is shorter."""
        query = {"limit": "1", **selection_of(resource, None)}
        accept = f"{_METADATA_LIST},application/json"
        page = await self._call("GET", resource.path(namespace), query=query, accept=accept)
        return _page(page, resource, None)[1]

    async def create(self, resource: Resource, obj: Json, *, is_dry_run: bool = False) -> Json:
        """See `KubeApi.create`."""
        query = {"dryRun": "All"} if is_dry_run else None
        return await self._call("POST", resource.path(obj["metadata"].get("namespace")), query=query, body=obj)

    async def replace(self, resource: Resource, obj: Json) -> Json:
        """See `KubeApi.replace`."""
        metadata = obj["metadata"]
        return await self._call("PUT", resource.path(metadata.get("namespace"), metadata["name"]), body=obj)

    async def replace_status(self, resource: Resource, obj: Json) -> Json:
        """See `KubeApi.replace_status`."""
        metadata = obj["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], "status")
        return await self._call("PUT", path, body=obj)

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Json,
        *,
        content_type: str = _MERGE_PATCH,
        subresource: str | None = None,
    ) -> Json:
        """See `KubeApi.patch`."""
        path = resource.path(namespace, name, subresource)
        return await self._call("PATCH", path, body=body, content_type=content_type)

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: Propagation | None = None,
    ) -> Json | None:
        """See `KubeApi.delete`."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        options = {
            "gracePeriodSeconds": grace_seconds,
            "propagationPolicy": propagation,
            "preconditions": {key: value for key, value in preconditions.items() if value is not None} or None,
        }
        body: Json = {"apiVersion": "v1", "kind": "DeleteOptions"}
        body |= {key: value for key, value in options.items() if value is not None}
        answer = await self._call("DELETE", resource.path(namespace, name), body=body)
        return None if _is_gone(answer) else answer

    async def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str,
        timeout_seconds: int,
        bookmarks: bool = True,
        label_selector: str | None = None,
        name: str | None = None,
    ) -> AsyncGenerator[WatchEvent]:
        """See `KubeApi.watch`."""
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
            "allowWatchBookmarks": "true" if bookmarks else "false",
        }
        query |= selection_of(resource, label_selector)
        if name is not None:
            query["fieldSelector"] = f"metadata.name={name}"
        accept = _METADATA if resource.identity_selector else None
        timeout = aiohttp.ClientTimeout(
            total=timeout_seconds + self._timing.watch_margin,
            sock_connect=self._timing.call,
            sock_read=self._timing.silence,
        )
        path = resource.path(namespace)
        async with self._request("GET", path, query=query, accept=accept, timeout=timeout) as response:
            async for line in _lines(response):
                event = _event(line)
                yield WatchEvent(event.type, as_read(resource, event.object))

    async def read_log(
        self, namespace: str, pod: str, container: str, *, limit_bytes: int, tail_lines: int | None = None
    ) -> str:
        """See `KubeApi.read_log`; bytes that are not UTF-8 are replaced."""
        query = {"container": container, "limitBytes": str(limit_bytes)}
        if tail_lines is not None:
            query["tailLines"] = str(tail_lines)
        timeout = aiohttp.ClientTimeout(total=self._timing.log)
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        async with self._request("GET", path, query=query, timeout=timeout) as response:
            try:
                body = await response.content.readexactly(limit_bytes)
            except asyncio.IncompleteReadError as error:
                body = error.partial
            return body.decode(errors="replace")

    async def stream_log(
        self, namespace: str, pod: str, container: str, *, is_followed: bool, tail_lines: int | None = None
    ) -> AsyncGenerator[bytes]:
        """See `KubeApi.stream_log`."""
        query = {"container": container, "follow": "true" if is_followed else "false"}
        if tail_lines is not None:
            query["tailLines"] = str(tail_lines)
        silence = None if is_followed else self._timing.log
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timing.call, sock_read=silence)
        path = PODS.path(namespace, pod, "log")
        async with self._request("GET", path, query=query, timeout=timeout) as response:
            async for part in response.content.iter_chunked(_LOG_PART_BYTES):
                yield part

    async def _call(self, method: str, path: str, **options: Any) -> Json:
        return _parsed(await self._read(method, path, **options), f"{method} {path}")

    async def _read(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
        accept: str | None = None,
        seconds: float | None = None,
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=seconds or self._timing.call)
        data = None if body is None else orjson.dumps(body)
        async with self._request(
            method, path, query=query, data=data, content_type=content_type, accept=accept, timeout=timeout
        ) as response:
            return await response.read()

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
        query: Mapping[str, str] | None = None,
        data: bytes | None = None,
        content_type: str | None = None,
        accept: str | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("AiohttpKube is used outside of its context manager")
        headers = {"Content-Type": content_type} if data is not None and content_type else {}
        if accept is not None:
            headers["Accept"] = accept
        authorization = self._access.authorization()
        if authorization:
            headers["Authorization"] = authorization
        noted = "WATCH" if query is not None and "watch" in query else method
        start, code = asyncio.get_running_loop().time(), "none"
        try:
            async with self._session.request(
                method,
                self._access.address + path,
                params=query,
                data=data,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                proxy=self._access.proxy,
                server_hostname=self._access.server_name,
            ) as response:
                code = str(response.status)
                self._note(noted, code, asyncio.get_running_loop().time() - start)
                if response.status >= 300:  # noqa: PLR2004
                    retry_after = parse_retry_after(response.headers.get("Retry-After"))
                    raise error_from_status(response.status, _status_of(await response.read()), retry_after)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if code == "none":
                self._note(noted, code, asyncio.get_running_loop().time() - start)
            raise Unanswered(f"{method} {path}: {str(error) or type(error).__name__}") from error


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    # aiohttp's own line reader refuses lines longer than its buffer, and an event may be larger:
    # https://github.com/aio-libs/aiohttp/issues/4453.
    rest = bytearray()
    async for chunk in response.content.iter_any():
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            rest += chunk[start:end]
            yield bytes(rest)
            rest.clear()
            start = end + 1
        rest += chunk[start:]
        if len(rest) > _MAX_EVENT_BYTES:
            raise Unanswered(f"an event of a watch is longer than {_MAX_EVENT_BYTES} bytes")


def _event(line: bytes) -> WatchEvent:
    body = _parsed(line, "an event of a watch")
    type_, obj = body.get("type"), body.get("object")
    if not isinstance(type_, str) or not isinstance(obj, dict):
        raise _misshapen("an event of a watch")
    if type_ == "ERROR":
        code = obj.get("code")
        raise error_from_status(code if isinstance(code, int) else 500, obj)
    return WatchEvent(cast("WatchEventType", type_), obj)


def _page(page: Json, resource: Resource, trim: Trim | None) -> tuple[list[Json], str, str | None]:
    try:
        metadata = page["metadata"]
        found = page["items"] or []
        if resource.identity_selector:
            found = [identity_of(resource, item) for item in found]
        for item in found:
            # `managedFields` is up to half of an object; those of all pages together would fill the memory.
            item["metadata"].pop("managedFields", None)
            if trim is not None:
                trim(item)
        # The items of a list come without these two fields.
        items = [{"apiVersion": resource.api_version, "kind": resource.kind} | item for item in found]
        return items, metadata["resourceVersion"], metadata.get("continue")
    except (AttributeError, KeyError, TypeError) as error:
        raise _misshapen(f"a list of {resource.plural}") from error


def _misshapen(what: str) -> ServerError:
    return ServerError(200, "InternalError", f"{what}: the answer does not have the expected structure")


def _parsed(body: bytes, what: str) -> Json:
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unanswered(f"{what}: the answer is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _misshapen(what)
    return value


def _status_of(body: bytes) -> Json:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        return value
    # A proxy answers in prose or HTML.
    return {"message": body[:200].decode(errors="replace")}


def _is_gone(answer: Json) -> bool:
    if answer.get("kind") == "Status":
        return True
    # For kinds such as Pod the server returns the last state when it removes the object at once.
    metadata = answer["metadata"]
    return not metadata.get("finalizers") and metadata.get("deletionGracePeriodSeconds", 0) == 0
