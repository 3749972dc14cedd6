"""Writes of a leader only: what this process asks for after it has lost the Lease is not sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from codecourier.kube.api import Json, KubeApi, ListResult, Resource, WatchEvent
from codecourier.kube.errors import NotLeadingError

__all__ = ["GuardedKube"]


class GuardedKube:
    """Another client whose writes raise `NotLeadingError` unless this process leads.

    A process that stood still learns of its loss late. It must not go on with what it was about to write.

    Parameters
    ----------
    api
        The client.
    may_write
        Whether this process leads; asked before each write.
    """

    def __init__(self, api: KubeApi, may_write: Callable[[], bool]) -> None:
        self._api = api
        self._may_write = may_write

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """See `KubeApi.get`."""
        return await self._api.get(resource, namespace, name)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        resource_version: str | None = None,
    ) -> ListResult:
        """See `KubeApi.list`."""
        return await self._api.list(
            resource, namespace, label_selector=label_selector, resource_version=resource_version
        )

    async def current_version(self, resource: Resource, namespace: str | None = None) -> str:
        """See `KubeApi.current_version`."""
        return await self._api.current_version(resource, namespace)

    async def create(self, resource: Resource, obj: Json, *, is_dry_run: bool = False) -> Json:
        """See `KubeApi.create`."""
        self._check("create", resource)
        return await self._api.create(resource, obj, is_dry_run=is_dry_run)

    async def replace(self, resource: Resource, obj: Json) -> Json:
        """See `KubeApi.replace`."""
        self._check("replace", resource)
        return await self._api.replace(resource, obj)

    async def replace_status(self, resource: Resource, obj: Json) -> Json:
        """See `KubeApi.replace_status`."""
        self._check("replace the status of", resource)
        return await self._api.replace_status(resource, obj)

    async def patch(self, resource: Resource, namespace: str | None, name: str, body: Json, **options: Any) -> Json:
        """See `KubeApi.patch`."""
        self._check("patch", resource)
        return await self._api.patch(resource, namespace, name, body, **options)

    async def delete(self, resource: Resource, namespace: str | None, name: str, **options: Any) -> Json | None:
        """See `KubeApi.delete`."""
        self._check("delete", resource)
        return await self._api.delete(resource, namespace, name, **options)

    def watch(self, resource: Resource, **options: Any) -> AsyncGenerator[WatchEvent]:
        """See `KubeApi.watch`."""
        return self._api.watch(resource, **options)

    def stream_log(
        self, namespace: str, pod: str, container: str, *, is_followed: bool, tail_lines: int | None = None
    ) -> AsyncGenerator[bytes]:
        """See `KubeApi.stream_log`."""
        return self._api.stream_log(namespace, pod, container, is_followed=is_followed, tail_lines=tail_lines)

    async def read_log(
        self, namespace: str, pod: str, container: str, *, limit_bytes: int, tail_lines: int | None = None
    ) -> str:
        """See `KubeApi.read_log`."""
        return await self._api.read_log(namespace, pod, container, limit_bytes=limit_bytes, tail_lines=tail_lines)

    def _check(self, verb: str, resource: Resource) -> None:
        if not self._may_write():
            raise NotLeadingError(f"this process does not hold the Lease, so it does not {verb} any {resource.kind}")
