"""Which keys a change concerns: a pure function of the object before and after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from codecourier.controller.gather import PROJECT_NAME
from codecourier.controller.kinds import (
    ACTIVE_BY_NAMESPACE,
    BY_ORIGIN_UID,
    BY_RUN_UID,
    NOTIFICATIONS,
    PROJECTS,
    RUNS,
    SANDBOXES,
    SPRINT_CHAINS,
    USAGE_RECORDS,
    WORKFLOWS,
)
from codecourier.controller.store import Store
from codecourier.kube.api import ENDPOINT_SLICES, NAMESPACES, NETWORK_POLICIES, PODS, SECRETS, Json, Resource

__all__ = ["WorkKey", "wakes"]


class WorkKey(NamedTuple):
    """What is worked on: one object of one kind."""

    resource: Resource
    namespace: str
    name: str


def wakes(store: Store, resource: Resource, old: Json | None, new: Json | None) -> Iterator[WorkKey]:
    """Yield the keys whose plan may come out differently after a change."""
    obj = new or old
    if obj is None:
        return
    namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
    if resource == NAMESPACES:
        if obj["metadata"].get("deletionTimestamp") and new is not None:
            yield from _all_of(store, name)
        return
    if resource in {NETWORK_POLICIES, ENDPOINT_SLICES}:
        yield from _network(store, resource, namespace)
        return
    if resource in {PODS, SECRETS}:
        yield from _owners(obj, namespace, "Sandbox", SANDBOXES)
        return
    if resource == NOTIFICATIONS:
        yield from _entity(obj, namespace)
        return
    if resource == USAGE_RECORDS:
        yield WorkKey(RUNS, namespace, obj["spec"]["run"])
        return
    yield WorkKey(resource, namespace, name)
    yield from _related(store, resource, old, new)


def _related(store: Store, resource: Resource, old: Json | None, new: Json | None) -> Iterator[WorkKey]:
    obj = new or old
    if obj is None:
        return
    namespace, uid = obj["metadata"]["namespace"], obj["metadata"]["uid"]
    if resource == SANDBOXES:
        yield WorkKey(RUNS, namespace, obj["spec"]["runRef"]["name"])
    elif resource == RUNS:
        yield from _of_run(store, old, new)
    elif resource == SPRINT_CHAINS:
        yield from _keys(store, RUNS, BY_ORIGIN_UID, uid)
    elif resource == PROJECTS:
        yield from _of_project(store, old, new)
    elif resource == WORKFLOWS:
        yield WorkKey(PROJECTS, namespace, PROJECT_NAME)
        yield from _keys(store, RUNS, ACTIVE_BY_NAMESPACE, namespace)
        yield from _keys(store, SPRINT_CHAINS, ACTIVE_BY_NAMESPACE, namespace)


def _of_run(store: Store, old: Json | None, new: Json | None) -> Iterator[WorkKey]:
    run = new or old
    if run is None:
        return
    namespace = run["metadata"]["namespace"]
    origin = run["spec"].get("origin")
    if origin is not None:
        yield WorkKey(SPRINT_CHAINS, namespace, origin["name"])
    if _place(old) != _place(new):
        yield WorkKey(PROJECTS, namespace, PROJECT_NAME)
    yield from _keys(store, SANDBOXES, BY_RUN_UID, run["metadata"]["uid"])


def _place(run: Json | None) -> tuple[object, ...]:
    """Return what admission reads of a Run."""
    if run is None:
        return ()
    status = run.get("status") or {}
    metadata = run["metadata"]
    return (
        metadata["uid"],
        bool(metadata.get("deletionTimestamp")),
        run["spec"].get("cancelled", False),
        status.get("phase"),
        status.get("attempt"),
        run["spec"].get("attempt"),
        status.get("retryTime"),
        len(status.get("tries") or ()),
    )


def _of_project(store: Store, old: Json | None, new: Json | None) -> Iterator[WorkKey]:
    project = new or old
    if project is None:
        return
    namespace = project["metadata"]["namespace"]
    if _declared(old) != _declared(new):
        yield from _keys(store, RUNS, ACTIVE_BY_NAMESPACE, namespace)
        yield from _keys(store, SPRINT_CHAINS, ACTIVE_BY_NAMESPACE, namespace)
        return
    before = _admitted(old)
    for place, name in _admitted(new).items():
        if place not in before:
            yield WorkKey(RUNS, namespace, name)


def _admitted(project: Json | None) -> dict[tuple[str, int, int], str]:
    """Return the names of the Runs that have a place, each by the place: one Run has another for each of its tries."""
    entries = ((project or {}).get("status") or {}).get("admitted") or ()
    return {(entry["uid"], entry["attempt"], entry["tryNumber"]): entry["name"] for entry in entries}


def _declared(project: Json | None) -> tuple[object, ...]:
    """Return what Runs and chains read of a Project beside its list of admitted Runs."""
    if project is None:
        return ()
    conditions = (project.get("status") or {}).get("conditions") or ()
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), None)
    return (project["metadata"]["uid"], project["metadata"].get("generation"), ready)


def _network(store: Store, resource: Resource, namespace: str) -> Iterator[WorkKey]:
    if resource == ENDPOINT_SLICES:
        for project in store.cache(PROJECTS):
            yield WorkKey(PROJECTS, project["metadata"]["namespace"], PROJECT_NAME)
        return
    yield WorkKey(PROJECTS, namespace, PROJECT_NAME)
    for sandbox in store.cache(SANDBOXES).list(namespace):
        if (sandbox.get("status") or {}).get("phase", "Pending") == "Pending":
            yield WorkKey(SANDBOXES, namespace, sandbox["metadata"]["name"])


def _owners(obj: Json, namespace: str, kind: str, resource: Resource) -> Iterator[WorkKey]:
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner["kind"] == kind:
            yield WorkKey(resource, namespace, owner["name"])


def _entity(notification: Json, namespace: str) -> Iterator[WorkKey]:
    entity = notification["spec"]["entity"]
    for resource in (PROJECTS, RUNS, SPRINT_CHAINS):
        if entity["kind"] == resource.kind:
            yield WorkKey(resource, namespace, entity["name"])


def _all_of(store: Store, namespace: str) -> Iterator[WorkKey]:
    for resource in (SPRINT_CHAINS, RUNS, SANDBOXES):
        for obj in store.cache(resource).list(namespace):
            yield WorkKey(resource, namespace, obj["metadata"]["name"])


def _keys(store: Store, resource: Resource, index: str, key: str) -> Iterator[WorkKey]:
    for obj in store.cache(resource).by_index(index, key):
        yield WorkKey(resource, obj["metadata"]["namespace"], obj["metadata"]["name"])
