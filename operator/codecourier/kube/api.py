"""The Kubernetes API server as the rest of CodeCourier sees it: kinds, calls and answers, without a transport.

Objects are plain JSON dictionaries. The caller owns what a call returns; objects from a cache or a watch are shared and
must not be changed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol

from codecourier.resources.meta import GROUP, VERSION, KindInfo

__all__ = [
    "CLUSTER_ROLES",
    "CONFIG_MAPS",
    "CONTROLLER_REVISIONS",
    "CUSTOM_RESOURCE_DEFINITIONS",
    "ENDPOINT_SLICES",
    "EVENTS",
    "LEASES",
    "NAMESPACES",
    "NETWORK_POLICIES",
    "NODES",
    "PODS",
    "ROLE_BINDINGS",
    "SECRETS",
    "SUBJECT_ACCESS_REVIEWS",
    "TOKEN_REVIEWS",
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
"""What happens to the objects that a deleted object owns."""

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
        The PascalCase name in manifests.
    namespaced
        Whether its objects belong to namespaces.
    identity_selector
        Empty: whole objects are read. A label selector: get, list and watch read only what identifies an object (name,
        namespace, UID and version), and list and watch only the objects that it selects.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    identity_selector: str = ""

    def identities(self, label_selector: str) -> Resource:
        """Return the kind as a client reads it that must not see its content, such as the values of Secrets."""
        return replace(self, identity_selector=label_selector)

    @property
    def whole(self) -> Resource:
        """The kind with whole objects."""
        return replace(self, identity_selector="") if self.identity_selector else self

    @property
    def title(self) -> str:
        """What people call it: the plural, with what is read of it."""
        return f"{self.plural} ({self.identity_selector})" if self.identity_selector else self.plural

    @property
    def api_version(self) -> str:
        """The `apiVersion` in manifests."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path below the server's address.

        Parameters
        ----------
        namespace
            None for all namespaces, and for cluster-scoped kinds.
        name
            None for the collection.
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
CONTROLLER_REVISIONS: Final = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES: Final = Resource("", "v1", "nodes", "Node", namespaced=False)
EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")
NETWORK_POLICIES: Final = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
ENDPOINT_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
ROLE_BINDINGS: Final = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES: Final = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
SUBJECT_ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
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
        The version of the list; a watch continues from here.
    """

    items: Sequence[Json]
    resource_version: str


@dataclass(frozen=True)
class WatchEvent:
    """One change; a `BOOKMARK` carries only a resourceVersion in its object's metadata."""

    type: WatchEventType
    object: Json


class KubeApi(Protocol):
    """The calls that CodeCourier makes to an API server.

    Every call ends within a bounded time and is tried once: retrying is the caller's decision. All of them raise
    `ApiError` when the server answers with an error, and `Unanswered` when it does not answer; a write may then have
    happened all the same.
    """

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """Return the current version of one object (a quorum read)."""
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
            None: the current state. `"0"`: the server's cache, which may be stale.

        Raises
        ------
        Gone
            The list took so long that the server compacted its version; start again.
        """
        ...

    async def current_version(self, resource: Resource, namespace: str | None = None) -> str:
        """Return the version that a list would have now (a quorum read), without its objects."""
        ...

    async def create(self, resource: Resource, obj: Json, *, is_dry_run: bool = False) -> Json:
        """Create an object in the namespace that its metadata names, and return it as stored.

        Parameters
        ----------
        resource
            The kind.
        obj
            The object.
        is_dry_run
            Whether the server only says if it would: admission and quotas answer, and nothing is stored.

        Raises
        ------
        AlreadyExists
            An object of this name exists, ours or not.
        """
        ...

    async def replace(self, resource: Resource, obj: Json) -> Json:
        """Replace all but the status; with a `resourceVersion` only if the object has not changed since.

        Raises
        ------
        Conflict
            The object has changed since.
        """
        ...

    async def replace_status(self, resource: Resource, obj: Json) -> Json:
        """Replace the status only; `metadata.resourceVersion` must be the one that was read.

        Raises
        ------
        Conflict
            The object has changed since, or was recreated.
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
        """Request deletion.

        Parameters
        ----------
        resource
            The kind.
        namespace
            The namespace, None for cluster-scoped kinds.
        name
            The name.
        uid
            Delete only the object with this UID.
        resource_version
            Delete only if the object has not changed since.
        grace_seconds
            How long its processes may take to end; None: as the object says, 0: do not wait for the kubelet.
        propagation
            What happens to what it owns; None: `Background`.

        Returns
        -------
        dict or None
            The object while it waits for finalizers or for its processes, None once it is gone.

        Raises
        ------
        NotFound
            No object has that name.
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
        name: str | None = None,
    ) -> AsyncGenerator[WatchEvent]:
        """Yield each change after `resource_version`, in order, until the server ends it after `timeout_seconds`.

        With a name it yields the changes of that object only, and needs no right on any other.

        Raises
        ------
        Gone
            The server no longer keeps the changes since then; list again.
        Unanswered
            The connection broke, or was silent for too long.
        """
        ...

    async def read_log(
        self, namespace: str, pod: str, container: str, *, limit_bytes: int, tail_lines: int | None = None
    ) -> str:
        """Return at most `limit_bytes` of what a container wrote."""
        ...

    def stream_log(
        self, namespace: str, pod: str, container: str, *, is_followed: bool, tail_lines: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Yield what a container wrote, in parts of at most 64 KiB.

        Parameters
        ----------
        namespace
            Namespace of the pod.
        pod
            Name of the pod.
        container
            Name of the container.
        is_followed
            Whether it goes on until the container has ended; it may then be silent for any time.
        tail_lines
            Only the last lines of what was written before; None: all.

        Raises
        ------
        NotFound
            If there is no such pod.
        ApiError
            400 if the container waits to start, or the pod has none of that name.
        """
        ...
