"""An API server in memory, on a virtual clock: the store behind a network that delays, loses and cuts.

The contract suite holds it to what the real API server does. What it does not do: CEL rules, authorization, admission
beyond namespaces, server-side apply, field selectors, and most defaults and rules of Kubernetes' own kinds. And where
the real server makes a version of the first write that changes nothing, as it stores defaults only then, this does not.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from random import Random
from typing import Any, TypeVar

import orjson

from codecourier.kube.api import PODS, Json, ListResult, Propagation, Resource, WatchEvent
from codecourier.kube.errors import ApiError, ServerError, Unanswered
from codecourier.kube.identity import as_read
from tests.simulation.controllers import GarbageCollector, NamespaceController
from tests.simulation.network import CALL_SECONDS, Call, Late, Network, Verb
from tests.simulation.refusals import not_served
from tests.simulation.schema import Definition
from tests.simulation.selectors import Matches, selector
from tests.simulation.store import ObjectStore
from tests.simulation.stored import Backup, Change, Stored
from tests.simulation.watches import History, Watcher

__all__ = ["ApiServer", "SimulatedKube"]

T = TypeVar("T")


class ApiServer:
    """The server: store, history and the controllers that every cluster runs. Make it inside the running loop.

    Parameters
    ----------
    now
        The wall clock.
    random
        Source of UIDs and of the controllers' delays.
    definitions
        The custom resources.
    bookmark_seconds
        How often a watch gets a bookmark.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        random: Random,
        definitions: Sequence[Definition] = (),
        bookmark_seconds: float = 60.0,
    ) -> None:
        self.bookmark_seconds = bookmark_seconds
        self.logs: dict[tuple[str, str, str], str] = {}
        """What containers wrote, by namespace, pod and container."""
        self.is_kubelet_silent = False
        """Whether the kubelets answer no request for a log."""
        self._histories: dict[Resource, History] = {}
        self._watchers: dict[Resource, dict[Watcher, None]] = defaultdict(dict)
        self.lives = 1
        """How often it was started."""

        self.is_down = False
        self.store = ObjectStore(now=now, random=random, definitions=definitions)
        self.store.listeners.append(self._remember)
        self.garbage_collector = GarbageCollector(self.store, random)
        self.namespace_controller = NamespaceController(self.store, random)

    def client(self, identity: str, network: Network) -> SimulatedKube:
        """Return a connection for a client of this name."""
        return SimulatedKube(self, identity, network)

    def edit(self, resource: Resource, namespace: str | None, name: str, change: Callable[[Json], Any]) -> Json:
        """Change an object at once, status and all, as the nodes, people and mishaps of a simulation do.

        Parameters
        ----------
        resource
            The kind.
        namespace
            The namespace.
        name
            The name.
        change
            Changes a copy of the object in place.
        """
        obj = self.store.get(resource, namespace, name).copy()
        change(obj)
        status = obj.get("status")
        stored = self.store.update(resource, obj)
        if status is not None and status != stored.obj.get("status"):
            obj = stored.copy() | {"status": status}
            stored = self.store.update(resource, obj, "status")
        return stored.copy()

    def compact(self, resource: Resource | None = None) -> None:
        """Forget the history of a kind, of all where None: watches from before get a 410."""
        for known, history in self._histories.items():
            if resource in (None, known):
                history.compact(self.store.version)
                self._wake(known)

    def restore(self, backup: Backup, down_seconds: float) -> None:
        """Go back to a backup, and answer nothing for a while; answers that are under way are lost.

        As after a real restore the history begins with the backup's version: a watch from before is refused with 410,
        one from a version that is not reached again yet is accepted and tells nothing.
        """
        self.lives += 1
        self.is_down = True
        self.store.restore(backup)
        for history in self._histories.values():
            history.compact(backup.version)
        self.cut_watches()
        for identity, stored in self.store.everything():
            change = Change("MODIFIED", backup.version, identity, stored, stored)
            self.garbage_collector.changed(change)
            self.namespace_controller.changed(change)
        asyncio.get_running_loop().call_later(down_seconds, setattr, self, "is_down", False)

    def cut_watches(self, client: str | None = None, resource: Resource | None = None) -> None:
        """Break the links of watches, of all clients or kinds where None."""
        for watcher in [watcher for known in self._watchers.values() for watcher in known]:
            if client in (None, watcher.client) and resource in (None, watcher.resource):
                watcher.is_cut = True
                watcher.wake()

    def history(self, resource: Resource) -> History:
        """Return the history of a kind."""
        history = self._histories.get(resource)
        if history is None:
            history = self._histories[resource] = History()
        return history

    def watcher(self, client: str, resource: Resource, version: int, timeout_seconds: float) -> Watcher:
        """Return a watch from a moment on; it is woken until `leave`."""
        if resource not in self.store.resources:
            raise not_served()
        watcher = Watcher(
            client,
            resource,
            self.history(resource),
            version,
            timeout_seconds=timeout_seconds,
            bookmark_seconds=self.bookmark_seconds,
        )
        self._watchers[resource][watcher] = None
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Wake a watcher no more."""
        self._watchers[watcher.resource].pop(watcher, None)

    def _remember(self, change: Change) -> None:
        resource = change.identity[0]
        self.history(resource).append(change, asyncio.get_running_loop().time())
        self._wake(resource)

    def _wake(self, resource: Resource) -> None:
        for watcher in self._watchers[resource]:
            watcher.wake()


class SimulatedKube:
    """A client of the simulated server; see `KubeApi` for what its methods do.

    Parameters
    ----------
    server
        The server.
    identity
        The name by which faults tell clients apart.
    network
        What lies in between.
    """

    def __init__(self, server: ApiServer, identity: str, network: Network) -> None:
        self.writes = 0
        """How many writes this client has begun."""
        self._server = server
        self._store = server.store
        self._identity = identity
        self._network = network

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """See `KubeApi.get`."""
        call = Call(self._identity, "get", resource, namespace, name)
        stored = await self._carry(call, lambda: self._store.get(resource.whole, namespace, name))
        return as_read(resource, stored.copy())

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        resource_version: str | None = None,
    ) -> ListResult:
        """See `KubeApi.list`; it is always as it is now, but refused for a moment that has not been yet."""

        def work() -> tuple[Sequence[Stored], int]:
            current = self._store.version
            if int(resource_version or 0) > current:
                raise ServerError(504, "Timeout", f"Too large resource version: {resource_version}, current: {current}")
            return self._store.list(resource.whole, namespace, wanted), self._store.version

        wanted = label_selector or resource.identity_selector
        items, version = await self._carry(Call(self._identity, "list", resource, namespace, ""), work)
        return ListResult([as_read(resource, item.copy()) for item in items], str(version))

    async def current_version(self, resource: Resource, namespace: str | None = None) -> str:
        """See `KubeApi.current_version`."""

        def work() -> int:
            self._store.list(resource.whole, namespace)
            return self._store.version

        return str(await self._carry(Call(self._identity, "current_version", resource, namespace, ""), work))

    async def create(self, resource: Resource, obj: Json, *, is_dry_run: bool = False) -> Json:
        """See `KubeApi.create`."""
        data = orjson.dumps(obj)
        call = self._write("create", resource, obj["metadata"])
        work = partial(self._store.create, resource, orjson.loads(data), is_dry_run=is_dry_run)
        return (await self._carry(call, work)).copy()

    async def replace(self, resource: Resource, obj: Json) -> Json:
        """See `KubeApi.replace`."""
        data = orjson.dumps(obj)
        call = self._write("replace", resource, obj["metadata"])
        return (await self._carry(call, lambda: self._store.update(resource, orjson.loads(data)))).copy()

    async def replace_status(self, resource: Resource, obj: Json) -> Json:
        """See `KubeApi.replace_status`."""
        data = orjson.dumps(obj)
        call = self._write("replace_status", resource, obj["metadata"])
        return (await self._carry(call, lambda: self._store.update(resource, orjson.loads(data), "status"))).copy()

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Json,
        *,
        content_type: str = "application/merge-patch+json",
        subresource: str | None = None,
    ) -> Json:
        """See `KubeApi.patch`; merge patches only."""
        if content_type != "application/merge-patch+json":
            raise NotImplementedError(f"the simulation knows merge patches only, not {content_type}")
        data = orjson.dumps(body)
        call = self._write("patch", resource, {"namespace": namespace, "name": name})
        stored = await self._carry(
            call, lambda: self._store.patch(resource, namespace, name, orjson.loads(data), subresource)
        )
        return stored.copy()

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
        work = partial(
            self._store.delete,
            resource,
            namespace,
            name,
            uid=uid,
            version=resource_version,
            grace_seconds=grace_seconds,
            propagation=propagation,
        )
        stored = await self._carry(self._write("delete", resource, {"namespace": namespace, "name": name}), work)
        return stored.copy() if stored is not None else None

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
        await self._network.before(Call(self._identity, "watch", resource, namespace, name or ""))
        self._check_up()
        matches = selector(label_selector or resource.identity_selector)
        watcher = self._server.watcher(self._identity, resource.whole, int(resource_version), timeout_seconds)
        try:
            while (change := await watcher.next(self._network)) is not None:
                if isinstance(change, Change):
                    is_meant = namespace in (None, change.identity[1]) and name in (None, change.identity[2])
                    event = _event(change, matches) if is_meant else None
                else:
                    # One that is no newer than what was asked for is not sent.
                    is_newer = self._store.version > int(resource_version)
                    event = _bookmark(resource, self._store.version) if bookmarks and is_newer else None
                if event is not None:
                    yield WatchEvent(event.type, as_read(resource, event.object))
        finally:
            self._server.leave(watcher)

    async def read_log(
        self, namespace: str, pod: str, container: str, *, limit_bytes: int, tail_lines: int | None = None
    ) -> str:
        """See `KubeApi.read_log`."""

        def work() -> str:
            self._store.get(PODS, namespace, pod)
            if self._server.is_kubelet_silent:
                raise ServerError(500, "InternalError", "dial tcp 10.0.0.7:10250: i/o timeout")
            text = self._server.logs.get((namespace, pod, container), "")
            if tail_lines is not None:
                text = "".join(text.splitlines(keepends=True)[-tail_lines:]) if tail_lines else ""
            return text.encode()[:limit_bytes].decode(errors="replace")

        return await self._carry(Call(self._identity, "read_log", PODS, namespace, pod), work)

    async def stream_log(
        self, namespace: str, pod: str, container: str, *, is_followed: bool, tail_lines: int | None = None
    ) -> AsyncGenerator[bytes]:
        """See `KubeApi.stream_log`; a container has ended once its pod has."""
        position, key = 0, (namespace, pod, container)
        while True:
            phase = (self._store.get(PODS, namespace, pod).obj.get("status") or {}).get("phase")
            if key not in self._server.logs:
                reason = f'container "{container}" in pod "{pod}" is waiting to start: PodInitializing'
                raise ApiError(400, "BadRequest", reason)
            lines = tail_lines if position == 0 else None
            await self.read_log(namespace, pod, container, limit_bytes=1)
            text = self._server.logs[key]
            new = "".join(text.splitlines(keepends=True)[-lines:]) if lines else text[position:]
            position = len(text)
            for start in range(0, len(new), 65_536):
                yield new[start : start + 65_536].encode()
            if not is_followed or phase in {"Succeeded", "Failed"}:
                return
            await asyncio.sleep(0.2)

    def _write(self, verb: Verb, resource: Resource, metadata: Json) -> Call:
        self.writes += 1
        return Call(self._identity, verb, resource, metadata.get("namespace"), metadata.get("name", ""), self.writes)

    async def _carry(self, call: Call, work: Callable[[], T]) -> T:
        try:
            await self._network.before(call)
        except Late as late:
            asyncio.get_running_loop().call_later(late.seconds, self._arrive, work, self._server.lives)
            await asyncio.sleep(min(late.seconds, CALL_SECONDS))
            raise Unanswered(f"{call.verb} {call.resource.plural} {call.name}: no answer in time") from None
        self._check_up()
        life = self._server.lives
        try:
            result = work()
        except ApiError as error:
            await self._network.after(call, error)
            self._check_up(life)
            raise
        await self._network.after(call, None)
        self._check_up(life)
        return result

    def _arrive(self, work: Callable[[], Any], life: int) -> None:
        """Do the work of a caller that is gone; a request does not outlive the server that it was sent to."""
        if life == self._server.lives:
            with suppress(ApiError):
                work()

    def _check_up(self, life: int | None = None) -> None:
        if self._server.is_down or life not in (None, self._server.lives):
            raise Unanswered("the connection was refused, or broke before the answer came")


def _event(change: Change, matches: Matches) -> WatchEvent | None:
    was = change.old is not None and matches(change.old.labels)
    is_now = change.type != "DELETED" and matches(change.new.labels)
    if not was and not is_now:
        return None
    if not is_now:
        return WatchEvent("DELETED", _last(change))
    return WatchEvent("MODIFIED" if was else "ADDED", change.new.copy())


def _last(change: Change) -> Json:
    """Return an object as it was when it still belonged to a watch, with the version at which it did no more."""
    last = (change.old or change.new).copy()
    last["metadata"]["resourceVersion"] = str(change.version)
    return last


def _bookmark(resource: Resource, version: int) -> WatchEvent:
    metadata = {"resourceVersion": str(version)}
    return WatchEvent("BOOKMARK", {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata})
