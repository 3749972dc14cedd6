"""What the API server does with objects, as a state machine without time, network or controllers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Literal
from uuid import UUID

import orjson

from codecourier.kube import api
from codecourier.kube.api import Json, Propagation, Resource
from codecourier.kube.errors import ServerError
from tests.simulation.built_in import (
    BUILT_IN,
    complete_new,
    deletion_finalizers,
    deletion_grace,
)
from tests.simulation.fields import content_of, key_of, merge, set_or_drop, take, timestamp
from tests.simulation.refusals import (
    already_exists,
    check_deletion,
    check_immutable,
    check_version,
    conflict,
    invalid,
    namespace_terminating,
    not_found,
    not_served,
)
from tests.simulation.schema import Definition, definition_of
from tests.simulation.selectors import Matches, selector
from tests.simulation.stored import Backup, Change, Identity, Stored

__all__ = ["ObjectStore"]

_SERVER_FIELDS = (
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
)


class ObjectStore:
    """The objects of a cluster and their history.

    Parameters
    ----------
    now
        The wall clock.
    random
        Source of UIDs.
    definitions
        Custom resources; others can be installed by creating their CustomResourceDefinition.
    """

    def __init__(self, *, now: Callable[[], datetime], random: Random, definitions: Sequence[Definition] = ()) -> None:
        self.version = 1
        """The newest resourceVersion."""
        self.listeners: list[Callable[[Change], None]] = []
        """Called at once for every change."""
        self.admission: list[Callable[[Resource, Json], None]] = []
        """Called with each object that is to be created; raises where it is refused."""
        self._now = now
        self._random = random
        self._definitions: dict[Resource, Definition] = {}
        self._objects: dict[Resource, dict[tuple[str, str], Stored]] = {}
        self._by_uid: dict[str, Identity] = {}
        self._dependents: dict[str, dict[Identity, None]] = {}
        for definition in (*BUILT_IN, *definitions):
            self._install(definition)
        for name in ("default", "kube-system"):
            self.create(api.NAMESPACES, {"metadata": {"name": name}})

    @property
    def resources(self) -> Sequence[Resource]:
        """The kinds that are served."""
        return list(self._definitions)

    def back_up(self) -> Backup:
        """Return all objects as they are now."""
        return Backup(self.version, {resource: dict(objects) for resource, objects in self._objects.items()})

    def restore(self, backup: Backup) -> None:
        """Go back to a moment. No watch reports it, and the versions since then are given out again."""
        self.version = backup.version
        self._by_uid.clear()
        self._dependents.clear()
        for resource, objects in self._objects.items():
            objects.clear()
            objects.update(backup.objects.get(resource, {}))
            for key, stored in objects.items():
                self._by_uid[stored.metadata["uid"]] = (resource, *key)
                self._link((resource, *key), None, stored)

    def everything(self) -> Sequence[tuple[Identity, Stored]]:
        """Return all objects of all kinds."""
        return [((r, *key), stored) for r, objects in self._objects.items() for key, stored in objects.items()]

    def get(self, resource: Resource, namespace: str | None, name: str) -> Stored:
        """Return an object, or raise `NotFound`."""
        objects = self._served(resource)
        stored = objects.get((namespace or "", name))
        if stored is None:
            raise not_found(resource, name)
        return stored

    def find(self, identity: Identity) -> Stored | None:
        """Return an object, or None."""
        return self._objects.get(identity[0], {}).get(identity[1:])

    def find_uid(self, uid: str) -> Identity | None:
        """Return where the object with this UID is, None where it is gone."""
        return self._by_uid.get(uid)

    def dependents(self, uid: str) -> list[Identity]:
        """Return the objects that name this UID as an owner."""
        return list(self._dependents.get(uid, ()))

    def list(self, resource: Resource, namespace: str | None = None, labels: str | None = None) -> Sequence[Stored]:
        """Return objects by namespace and name, as the API server does."""
        objects = self._served(resource)
        matches: Matches | None = selector(labels) if labels else None
        return [
            stored
            for key, stored in sorted(objects.items())
            if (namespace is None or key[0] == namespace) and (matches is None or matches(stored.labels))
        ]

    def create(self, resource: Resource, obj: Json, *, is_dry_run: bool = False) -> Stored:
        """Create an object out of `obj`, which belongs to the store from now on.

        Parameters
        ----------
        resource
            The kind.
        obj
            The object.
        is_dry_run
            Whether it is only said what would be stored.
        """
        definition, objects = self._definition(resource), self._served(resource)
        new = obj
        metadata = new["metadata"]
        if metadata.get("resourceVersion"):
            raise ServerError(500, "", "resourceVersion should not be set on objects to be created")
        namespace = self._namespace_for(resource, metadata)
        if "generateName" in metadata and not metadata.get("name"):
            metadata["name"] = f"{metadata['generateName']}{self._random.getrandbits(25):05x}"[:63]
        key = namespace, metadata["name"]
        for name in _SERVER_FIELDS[1:]:
            metadata.pop(name, None)
        metadata["uid"] = str(UUID(int=self._random.getrandbits(128), version=4))
        metadata["creationTimestamp"] = timestamp(self._now())
        if definition.has_generation:
            metadata["generation"] = 1
        if definition.has_status:
            new.pop("status", None)
        self._complete(definition, new)
        for admit in self.admission:
            # As in the real server, before it is known whether the name is taken.
            admit(resource, new)
        if key in objects:
            raise already_exists(resource, key[1])
        complete_new(resource, new)
        if is_dry_run:
            return Stored(new, orjson.dumps(new))
        stored = self._put("ADDED", (resource, *key), None, new)
        if resource == api.CUSTOM_RESOURCE_DEFINITIONS:
            self._install(definition_of(stored.obj))
        return stored

    def update(self, resource: Resource, obj: Json, subresource: str | None = None) -> Stored:
        """Replace all but the status, or only the status; `obj` belongs to the store from now on."""
        metadata = obj["metadata"]
        definition = self._definition(resource)
        if definition.is_made_by_update and self.find((resource, *key_of(obj))) is None:
            return self._make_by_update(resource, obj)
        old = self.get(resource, metadata.get("namespace"), metadata["name"])
        check_version(definition, metadata, old.obj)
        check_deletion(resource, metadata, old.obj)
        new = old.copy() if subresource else obj
        if subresource:
            take(new, obj, subresource)
        else:
            for name in _SERVER_FIELDS:
                take(new["metadata"], old.metadata, name)
            if definition.has_status:
                take(new, old.obj, "status")
        return self._replace(definition, old, new)

    def _make_by_update(self, resource: Resource, obj: Json) -> Stored:
        metadata = obj["metadata"]
        if metadata.get("uid"):
            message = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: "
            raise conflict(resource, metadata["name"], message)
        metadata.pop("resourceVersion", None)
        return self.create(resource, obj)

    def patch(
        self, resource: Resource, namespace: str | None, name: str, body: Json, subresource: str | None = None
    ) -> Stored:
        """Merge into an object; a resourceVersion in the patch has to be the current one."""
        old = self.get(resource, namespace, name)
        return self.update(resource, merge(old.copy(), body), subresource)

    def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        version: str | None = None,
        grace_seconds: int | None = None,
        propagation: Propagation | None = None,
    ) -> Stored | None:
        """Remove an object, or mark it as to be removed and return it."""
        old = self.get(resource, namespace, name)
        for word, wanted in (("uid", uid), ("resourceVersion", version)):
            if wanted is not None and wanted != old.metadata[word]:
                message = f"Precondition failed: {word} in precondition: {wanted}, in object meta: {old.metadata[word]}"
                raise conflict(resource, name, message)
        new = old.copy()
        metadata = new["metadata"]
        finalizers = deletion_finalizers(metadata.get("finalizers") or [], propagation)
        set_or_drop(metadata, "finalizers", finalizers)
        grace = deletion_grace(resource, new, grace_seconds)
        if not finalizers and not grace and resource != api.NAMESPACES:
            self._remove((resource, *key_of(new)), old)
            return None
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = timestamp(self._now() + timedelta(seconds=grace))
            if "generation" in metadata:
                metadata["generation"] += 1
        elif grace < metadata["deletionGracePeriodSeconds"]:
            shorter = timedelta(seconds=metadata["deletionGracePeriodSeconds"] - grace)
            metadata["deletionTimestamp"] = timestamp(datetime.fromisoformat(metadata["deletionTimestamp"]) - shorter)
        metadata["deletionGracePeriodSeconds"] = grace
        if resource == api.NAMESPACES:
            new["status"] = {"phase": "Terminating"}
        return self._put_changed((resource, *key_of(new)), old, new)

    def _replace(self, definition: Definition, old: Stored, new: Json) -> Stored:
        metadata = new["metadata"]
        added = set(metadata.get("finalizers") or ()) - set(old.metadata.get("finalizers") or ())
        if "deletionTimestamp" in metadata and added:
            raise invalid(
                definition.resource,
                metadata["name"],
                ["metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted"],
            )
        self._complete(definition, new)
        check_immutable(definition.resource, old.obj, new)
        if definition.has_generation and content_of(new) != content_of(old.obj):
            metadata["generation"] = old.metadata["generation"] + 1
        identity = (definition.resource, *key_of(new))
        is_namespace = definition.resource == api.NAMESPACES
        waits = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds") or is_namespace
        if "deletionTimestamp" in metadata and not waits:
            # This write is never stored: the object goes as it was before, and no watch tells of another version.
            self._remove(identity, old)
            return Stored(new, orjson.dumps(new))
        return self._put_changed(identity, old, new)

    def remove_namespace(self, name: str) -> None:
        """Finish the deletion of an empty namespace."""
        identity = (api.NAMESPACES, "", name)
        stored = self.find(identity)
        if stored is not None:
            self._remove(identity, stored)

    def contents(self, namespace: str) -> Iterator[Identity]:
        """Yield what is in a namespace."""
        for resource, objects in list(self._objects.items()):
            if resource.namespaced:
                yield from [(resource, *key) for key in objects if key[0] == namespace]

    def _install(self, definition: Definition) -> None:
        self._definitions[definition.resource] = definition
        self._objects.setdefault(definition.resource, {})

    def _definition(self, resource: Resource) -> Definition:
        self._served(resource)
        return self._definitions[resource]

    def _served(self, resource: Resource) -> dict[tuple[str, str], Stored]:
        objects = self._objects.get(resource)
        if objects is None:
            raise not_served()
        return objects

    def _namespace_for(self, resource: Resource, metadata: Json) -> str:
        if not resource.namespaced:
            metadata.pop("namespace", None)
            return ""
        namespace: str = metadata["namespace"]
        stored = self._objects[api.NAMESPACES].get(("", namespace))
        if stored is None:
            raise not_found(api.NAMESPACES, namespace)
        if "deletionTimestamp" in stored.metadata:
            raise namespace_terminating(resource, metadata.get("name", ""), namespace)
        return namespace

    def _complete(self, definition: Definition, new: Json) -> None:
        new["apiVersion"], new["kind"] = definition.resource.api_version, definition.resource.kind
        new["metadata"].pop("managedFields", None)
        for name in ("finalizers", "ownerReferences", "labels", "annotations"):
            set_or_drop(new["metadata"], name, new["metadata"].get(name))
        if definition.schema is not None:
            metadata = new.pop("metadata")
            body = {"apiVersion": new["apiVersion"], "kind": new["kind"]}
            definition.schema.complete(new)
            errors = definition.schema.errors(new, "")
            # Metadata is not the schema's; the order of fields is kept for readers of traces.
            rest = {name: value for name, value in new.items() if name not in body}
            new.clear()
            new.update(body | {"metadata": metadata} | rest)
            if errors:
                raise invalid(definition.resource, metadata["name"], [error.lstrip(".") for error in errors])
        if definition.rules is not None and (broken := definition.rules(new)):
            raise invalid(definition.resource, new["metadata"]["name"], broken)

    def _put_changed(self, identity: Identity, old: Stored, new: Json) -> Stored:
        if new == old.obj:
            return old
        return self._put("MODIFIED", identity, old, new)

    def _put(self, type_: Literal["ADDED", "MODIFIED"], identity: Identity, old: Stored | None, new: Json) -> Stored:
        stored = self._next(new)
        self._objects[identity[0]][identity[1:]] = stored
        self._by_uid[stored.metadata["uid"]] = identity
        self._link(identity, old, stored)
        self._tell(Change(type_, self.version, identity, old, stored))
        return stored

    def _remove(self, identity: Identity, old: Stored) -> None:
        last = self._next(old.copy())
        del self._objects[identity[0]][identity[1:]]
        del self._by_uid[old.metadata["uid"]]
        self._link(identity, old, None)
        self._tell(Change("DELETED", self.version, identity, old, last))

    def _next(self, obj: Json) -> Stored:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        return Stored(obj, orjson.dumps(obj))

    def _link(self, identity: Identity, old: Stored | None, new: Stored | None) -> None:
        before = _owners(old)
        after = _owners(new)
        if before == after:
            return
        for uid in before:
            links = self._dependents[uid]
            del links[identity]
            if not links:
                del self._dependents[uid]
        for uid in after:
            self._dependents.setdefault(uid, {})[identity] = None

    def _tell(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)


def _owners(stored: Stored | None) -> list[str]:
    owners = stored.metadata.get("ownerReferences") or () if stored is not None else ()
    return list(dict.fromkeys(owner["uid"] for owner in owners))
