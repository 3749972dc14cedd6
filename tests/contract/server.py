"""An API server as the expectations see it, whether it is the real one or the simulated one.

Expectations wait for what a watch tells, so that real time passes on the real server and virtual time on the other.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from codecourier.kube.api import CONFIG_MAPS, NAMESPACES, PODS, Json, KubeApi, Resource, WatchEvent, custom_resource
from codecourier.kube.errors import ApiError, KubeError
from codecourier.resources.workflow import Workflow

__all__ = [
    "WORKFLOWS",
    "Faults",
    "Scenario",
    "Server",
    "config_map",
    "contract",
    "fields_of",
    "owner",
    "refusal",
    "take",
    "workflow",
]

WORKFLOWS = custom_resource(Workflow.info)

WATCH_SECONDS = 60
"""Longer than anything here takes; it bounds a wait for what never comes."""

NODE = "contract-nowhere"
"""A node that is not there; the pod garbage collector waits longer than any test before it acts on its pods."""

P = ParamSpec("P")
E = TypeVar("E", bound=KubeError)


class Faults(Protocol):
    """What can be done to a server or to the way to it."""

    def cuttable(self) -> AbstractAsyncContextManager[tuple[KubeApi, Callable[[], None]]]:
        """Open a connection of its own; the function breaks it."""
        ...

    async def expired_version(self, resource: Resource) -> str:
        """Return a resourceVersion whose history the server has no more."""
        ...


@dataclass(frozen=True)
class Server:
    """The server, and a namespace of the test's own on it."""

    api: KubeApi
    namespace: str
    faults: Faults

    async def create(self, resource: Resource, body: Json, **metadata: Any) -> Json:
        """Create an object in the test's namespace."""
        return await self.api.create(
            resource, {**body, "metadata": {"namespace": self.namespace, **body["metadata"], **metadata}}
        )

    async def pod(self, name: str, *, node: str | None = NODE, grace_seconds: int = 30, **metadata: Any) -> Json:
        """Create a pod on a node that does not exist, so that only the test acts on it."""
        spec: Json = {
            "containers": [{"name": "main", "image": "busybox"}],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": grace_seconds,
            "schedulerName": "nobody",
        }
        if node is not None:
            spec["nodeName"] = node
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}
        return await self.create(PODS, body)

    async def get(self, resource: Resource, name: str) -> Json:
        """Return an object of the test's namespace."""
        return await self.api.get(resource, self.namespace, name)

    async def names(self, resource: Resource, selector: str | None = None) -> list[str]:
        """Return the names of the objects in the test's namespace."""
        found = await self.api.list(resource, self.namespace, label_selector=selector)
        return [item["metadata"]["name"] for item in found.items]

    async def now(self, resource: Resource) -> str:
        """Return the moment as it is now."""
        return (await self.api.list(resource, self.namespace)).resource_version

    async def until_gone(self, resource: Resource, obj: Json) -> None:
        """Wait until an object is removed."""
        uid = obj["metadata"]["uid"]
        listed = await self.api.list(resource, self.namespace)
        if any(item["metadata"]["uid"] == uid for item in listed.items):
            await self.until(
                resource,
                listed.resource_version,
                lambda event: event.type == "DELETED" and event.object["metadata"]["uid"] == uid,
            )

    async def until_namespace_gone(self, version: str) -> None:
        """Wait until the test's namespace is removed, which was there at a version."""
        watch = self.api.watch(NAMESPACES, resource_version=version, timeout_seconds=WATCH_SECONDS)
        await take(
            watch,
            lambda event: event.type == "DELETED" and event.object["metadata"]["name"] == self.namespace,
        )

    async def until_changed(self, resource: Resource, name: str, condition: Callable[[Json], bool]) -> Json:
        """Wait until an object meets a condition, and return it."""
        listed = await self.api.list(resource, self.namespace)
        for item in listed.items:
            if item["metadata"]["name"] == name and condition(item):
                return item
        events = await self.until(
            resource,
            listed.resource_version,
            lambda event: event.object["metadata"]["name"] == name and condition(event.object),
        )
        return events[-1].object

    async def until(
        self, resource: Resource, version: str, is_last: Callable[[WatchEvent], bool], selector: str | None = None
    ) -> list[WatchEvent]:
        """Return the events after a version up to one that meets a condition."""
        events = self.api.watch(
            resource,
            namespace=self.namespace,
            resource_version=version,
            timeout_seconds=WATCH_SECONDS,
            label_selector=selector,
        )
        return await take(events, is_last)


Scenario = Callable[[Server], Awaitable[None]]


async def take(events: AsyncIterator[WatchEvent], is_last: Callable[[WatchEvent], bool]) -> list[WatchEvent]:
    """Return the events of a watch, without bookmarks, up to one that meets a condition; then close it."""
    found = []
    async with aclosing(events) as open_events:  # type: ignore[type-var]
        async for event in open_events:
            if event.type != "BOOKMARK":
                found.append(event)
                if is_last(event):
                    return found
    raise AssertionError(f"the watch ended before what was waited for; it told {found}")


def contract(scenario: Callable[Concatenate[Server, P], Awaitable[None]]) -> Callable[..., None]:
    """Make an expectation a test of each server; its further parameters are the test's."""
    _, *others = inspect.signature(scenario).parameters.values()

    def test(run: Callable[[Scenario], None], **values: Any) -> None:
        run(partial(scenario, **values))

    test.__name__, test.__doc__, test.__module__ = scenario.__name__, scenario.__doc__, scenario.__module__
    test.__qualname__ = scenario.__qualname__
    own = inspect.Parameter("run", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    test.__signature__ = inspect.Signature([own, *others])  # type: ignore[attr-defined]
    return test


async def refusal(kind: type[E], call: Awaitable[Any]) -> E:
    """Return the error with which a call is refused."""
    try:
        answer = await call
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was expected, not {answer}")


def fields_of(error: ApiError) -> set[str]:
    """Return the fields that an error names; `<nil>` is what rules on the whole object name."""
    return {cause["field"] for cause in error.details["causes"]} - {"<nil>"}


def workflow(name: str, **metadata: Any) -> Json:
    """Return a Workflow."""
    return {
        "apiVersion": WORKFLOWS.api_version,
        "kind": WORKFLOWS.kind,
        "metadata": {"name": name, **metadata},
        "spec": {"image": "busybox", "agent": {"command": ["true"]}},
    }


def config_map(name: str, **metadata: Any) -> Json:
    """Return a ConfigMap."""
    return {
        "apiVersion": CONFIG_MAPS.api_version,
        "kind": CONFIG_MAPS.kind,
        "metadata": {"name": name, **metadata},
        "data": {"key": "value"},
    }


def owner(obj: Json, **changes: Any) -> Json:
    """Return a reference to an owner."""
    metadata = obj["metadata"]
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        **changes,
    }
