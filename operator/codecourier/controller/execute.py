"""Carries out a plan, in the order that `core.intents` gives, and stops at the first thing that does not work."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass

from codecourier.controller.backlog import Backlog
from codecourier.controller.effects import Effects
from codecourier.controller.finalizers import hold, release
from codecourier.controller.kinds import NOTIFICATIONS, RUNS, SANDBOXES, USAGE_RECORDS
from codecourier.controller.problems import problem_of_create
from codecourier.controller.recorder import Recorder
from codecourier.controller.store import Store
from codecourier.controller.wakes import WorkKey
from codecourier.core.shared.intents import Create, CreatePod, Delete, Plan, ReleasePod, WritePolicy
from codecourier.core.shared.naming import FINALIZER
from codecourier.kube.api import NETWORK_POLICIES, PODS, Json, KubeApi, Resource
from codecourier.kube.errors import AlreadyExists, ApiError, NotFound
from codecourier.resources.meta import CustomResource, Status

__all__ = ["AlteredObjectError", "Executor", "ForeignObjectError"]

_LOGGER = logging.getLogger(__name__)

_CREATED = {r.kind: r for r in (RUNS, SANDBOXES, NOTIFICATIONS, USAGE_RECORDS)}
_DELETED = {r.kind: r for r in (PODS, RUNS, SANDBOXES)}


class AlteredObjectError(Exception):
    """What was written is not what is there, as when an admission webhook changes it."""


class ForeignObjectError(Exception):
    """The name of what was to be made is taken by an object that is not ours."""


@dataclass(frozen=True)
class Executor:
    """Carries out plans."""

    api: KubeApi
    store: Store
    effects: Effects
    recorder: Recorder
    backlog: Backlog

    async def execute(self, key: WorkKey, obj: Json, model: CustomResource, plan: Plan) -> None:
        """Carry out what a plan wants for an object, given as it was planned from."""
        if plan.add_finalizer:
            await hold(self.api, self.store, key.resource, obj, FINALIZER)
            return
        for record in plan.records:
            await self._create(key, record)
        written = await self._claim(key.resource, obj, model, plan.status)
        for create in plan.creates:
            await self._create(key, create)
        await self.clear(key, plan)
        if plan.release_finalizer:
            await release(self.api, self.store, key.resource, written or obj, FINALIZER)
        if written is not None:
            for event in plan.events:
                _LOGGER.log(
                    logging.WARNING if event.is_warning else logging.INFO, event.message, extra={"reason": event.reason}
                )
                await self.recorder.record(written, event)

    async def clear(self, key: WorkKey, plan: Plan) -> None:
        """Carry out the deletions and effects of a plan only, as for what belongs to an object that is not there."""
        for delete in plan.deletes:
            await self._delete(delete)
        for effect in plan.effects:
            if self.backlog.is_due(key, effect):
                self.backlog.note(key, effect, await self.effects.do(effect))

    async def _claim(self, resource: Resource, obj: Json, model: CustomResource, status: Status | None) -> Json | None:
        """Write the status if it differs from the present one; return the object as written, or None."""
        if status is None or status == getattr(model, "status", None):
            return None
        body = {**obj, "status": status.to_json()}
        written = await self.api.replace_status(resource, body)
        self.store.cache(resource).note_write(written)
        return copy.copy(written)

    async def _create(self, key: WorkKey, create: Create | CreatePod | WritePolicy) -> None:
        if isinstance(create, WritePolicy):
            await self._write(NETWORK_POLICIES, create.manifest)
            return
        if isinstance(create, CreatePod):
            await self._create_pod(key, create)
            return
        body = create.resource.to_json()
        body.pop("status", None)
        await self._make(_CREATED[create.resource.kind], body)

    async def _create_pod(self, key: WorkKey, create: CreatePod) -> None:
        if not self.backlog.is_due(key, create):
            return
        try:
            await self._make(PODS, create.manifest)
        except ApiError as error:
            problem = problem_of_create(error)
            if problem is None:
                raise
            self.backlog.note(key, create, problem)
        else:
            self.backlog.note(key, create, None)

    async def _write(self, resource: Resource, body: Json) -> None:
        """Replace the version that the object names, or make the object where it names none."""
        metadata = body["metadata"]
        if "resourceVersion" in metadata:
            written = await self.api.replace(resource, body)
            self.store.cache(resource).note_write(written)
        else:
            written = await self._make(resource, body)
        if written["spec"] != body["spec"]:
            # Without a failure, and its backoff, the next plan would write again at once, and so on.
            name = f"{resource.kind} {metadata['namespace']}/{metadata['name']}"
            raise AlteredObjectError(f"{name} is not as it was written: exempt it from what alters it on its way.")

    async def _make(self, resource: Resource, body: Json) -> Json:
        """Create an object, or accept the one that an unanswered call has made; return it."""
        try:
            made = await self.api.create(resource, body)
        except AlreadyExists:
            made = await self.api.get(resource, body["metadata"]["namespace"], body["metadata"]["name"])
            if not _is_ours(body, made):
                name = f"{resource.kind} {body['metadata']['namespace']}/{body['metadata']['name']}"
                raise ForeignObjectError(f"{name} is there already, made by somebody else: delete it.") from None
        self.store.cache(resource).note_write(made)
        return made

    async def _delete(self, intent: Delete | ReleasePod) -> None:
        try:
            if isinstance(intent, ReleasePod):
                await self._release_pod(intent)
                return
            resource = _DELETED[intent.kind]
            left = await self.api.delete(
                resource, intent.namespace, intent.name, uid=intent.uid, resource_version=intent.resource_version
            )
            cache = self.store.cache(resource)
            if left is None:
                cache.note_delete(intent.namespace, intent.name, intent.uid)
            elif "resourceVersion" in left.get("metadata", {}):
                cache.note_write(left)
        except NotFound:
            return

    async def _release_pod(self, intent: ReleasePod) -> None:
        pod = self.store.raw(PODS, intent.namespace, intent.name)
        if pod is not None and pod["metadata"]["uid"] == intent.uid:
            await release(self.api, self.store, PODS, pod, FINALIZER)


def _is_ours(wanted: Json, found: Json) -> bool:
    """Tell whether an object that is there is the one that was to be made: same owner, origin and content's origin."""
    ours, theirs = wanted["metadata"], found["metadata"]
    owners = {owner["uid"] for owner in ours.get("ownerReferences") or ()}
    if owners and owners != {owner["uid"] for owner in theirs.get("ownerReferences") or ()}:
        return False
    labels, found_labels = ours.get("labels") or {}, theirs.get("labels") or {}
    if any(found_labels.get(key) != value for key, value in labels.items()):
        return False
    spec, found_spec = wanted.get("spec") or {}, found.get("spec") or {}
    return all(spec.get(field) == found_spec.get(field) for field in ("origin", "entity", "runUid") if field in spec)
