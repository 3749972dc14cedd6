"""What the rest of CodeCourier knows of a Kubernetes API server: kinds, calls and answers, without a transport.

Objects are plain JSON dictionaries. Whoever gets one from a call owns it; objects out of a cache or a watch are shared
and must not be changed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from codecourier.resources.meta import GROUP, VERSION, KindInfo

__all__ = [
    "CONFIG_MAPS",
    "CUSTOM_RESOURCE_DEFINITIONS",
    "ENDPOINT_SLICES",
    "EVENTS",
    "LEASES",
    "NAMESPACES",
    "NETWORK_POLICIES",
    "NODES",
    "PODS",
    "SECRETS",
    "Json",
    "KubeApi",
    "ListResult",
    "Propagation",
    "Resource",
    "WatchEvent",
    "WatchEventType",
    "custom_resource",
]

Json = dict[str, Any]
"""A Kubernetes object, or a part of one."""

Propagation = Literal["Background", "Foreground", "Orphan"]
"""What happens to what a deleted object owns."""

WatchEventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


@dataclass(frozen=True)
class Resource:
    """A kind as the API server serves it.

    Parameters
    ----------
    group
        The API group; empty for the core group.
    version
        The version within the group.
    plural
        The lower-case plural that paths contain.
    kind
        The PascalCase name that manifests say.
    namespaced
        Whether its objects live in namespaces.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """What manifests say as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path below the server's address.

        Parameters
        ----------
        namespace
            None stands for all namespaces, and for kinds outside of namespaces.
        name
            None stands for the collection.
        subresource
            `status`, `log` and the like.
        """
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


PODS: Final = Resource("", "v1", "pods", "Pod")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES: Final = Resource("", "v1", "nodes", "Node", namespaced=False)
EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")
NETWORK_POLICIES: Final = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
ENDPOINT_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
CUSTOM_RESOURCE_DEFINITIONS: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)


def custom_resource(info: KindInfo) -> Resource:
    """Return how the API server serves one of our own kinds."""
    return Resource(GROUP, VERSION, info.plural, info.kind)


@dataclass(frozen=True)
class ListResult:
    """All objects of a list at one moment.

    Parameters
    ----------
    items
        The objects, each with `apiVersion` and `kind`.
    resource_version
        The moment; a watch continues from here.
    """

    items: Sequence[Json]
    resource_version: str


@dataclass(frozen=True)
class WatchEvent:
    """One change; a `BOOKMARK` carries only a resourceVersion in its object's metadata."""

    type: WatchEventType
    object: Json


class KubeApi(Protocol):
    """The calls that CodeCourier makes of an API server.

    Every call ends within a bounded time and is tried once: retrying is the caller's decision. All of them raise
    `ApiError` for an answer that is an error, and `Unanswered` where none came, so that a write may have been done.
    """

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """Return one object as it is now (a quorum read)."""
        ...

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        resource_version: str | None = None,
    ) -> ListResult:
        """Return all objects, of all namespaces where `namespace` is None.

        Parameters
        ----------
        resource
            The kind.
        namespace
            The namespace, None for all.
        label_selector
            Equality and set expressions, as kubectl takes them.
        resource_version
            None: as it is now. `"0"`: what the server has at hand, which may be old.

        Raises
        ------
        Gone
            The list took so long that its moment was compacted; start again.
        """
        ...

    async def create(self, resource: Resource, obj: Json) -> Json:
        """Create an object in the namespace that its metadata names, and return it as stored.

        Raises
        ------
        AlreadyExists
            The name is taken, whoever took it.
        """
        ...

    async def replace(self, resource: Resource, obj: Json) -> Json:
        """Replace all but the status; with a `resourceVersion` only if nobody wrote in between.

        Raises
        ------
        Conflict
            Somebody wrote in between.
        """
        ...

    async def replace_status(self, resource: Resource, obj: Json) -> Json:
        """Replace the status only; `metadata.resourceVersion` must be the one that was read.

        Raises
        ------
        Conflict
            Somebody wrote in between, or the object was made again.
        """
        ...

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
        """Merge into an object (`null` deletes a key, lists are replaced) and return the result."""
        ...

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
        """Ask for deletion.

        Parameters
        ----------
        resource
            The kind.
        namespace
            The namespace, None for kinds outside of namespaces.
        name
            The name.
        uid
            Delete only the object with this UID.
        resource_version
            Delete only if nobody wrote since.
        grace_seconds
            How long its processes may take to end; None: as the object says, 0: do not wait for the node.
        propagation
            What happens to what it owns; None: in the background.

        Returns
        -------
        dict or None
            The object where it waits for finalizers or for its processes, None where it is gone.

        Raises
        ------
        NotFound
            There is none of that name.
        Conflict
            `uid` or `resource_version` do not match.
        """
        ...

    def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str,
        timeout_seconds: int,
        bookmarks: bool = True,
        label_selector: str | None = None,
    ) -> AsyncGenerator[WatchEvent]:
        """Yield each change after `resource_version`, in order, until the server ends it after `timeout_seconds`.

        Raises
        ------
        Gone
            Changes since that moment are no longer kept; list again.
        Unanswered
            The link broke or is silent for longer than it may be.
        """
        ...

    async def read_log(
        self, namespace: str, pod: str, container: str, *, limit_bytes: int, tail_lines: int | None = None
    ) -> str:
        """Return at most `limit_bytes` of what a container wrote."""
        ...
