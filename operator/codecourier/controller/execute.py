"""Carries out a plan, in the order that `core.shared.intents` documents, and stops at the first failure."""

from __future__ import annotations

import copy
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from codecourier.cache.store import Store
from codecourier.controller.backlog import Backlog
from codecourier.controller.effects import Effects
from codecourier.controller.finalizers import hold, release
from codecourier.controller.in_flight import InFlight
from codecourier.controller.problems import problem_of_refusal, problem_of_silence, problem_of_taken_name
from codecourier.controller.recorder import Recorder
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import (
    Create,
    CreateBinding,
    CreatePod,
    CreateRevision,
    Creation,
    Delete,
    Effect,
    Plan,
    ReleasePod,
    RestoreLabels,
    WritePolicy,
)
from codecourier.core.shared.naming import FINALIZER
from codecourier.core.shared.reasons import CREDENTIAL_REASONS, Reason
from codecourier.kinds.kind import Verb
from codecourier.kinds.registry import Registry, WorkKey
from codecourier.kube.api import (
    CONTROLLER_REVISIONS,
    NETWORK_POLICIES,
    PODS,
    ROLE_BINDINGS,
    Json,
    KubeApi,
    Resource,
    custom_resource,
)
from codecourier.kube.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound, Unanswered
from codecourier.resources.meta import CustomResource, Status

__all__ = ["AlteredObjectError", "Executor", "ForeignObjectError"]

_LOGGER = logging.getLogger(__name__)

_OF_CREDENTIALS = CREDENTIAL_REASONS | {Reason.REPOSITORY_NOT_FOUND, Reason.RATE_LIMITED}
"""Reasons of failed effects that another credential may end at once."""


class AlteredObjectError(Exception):
    """The stored object differs from what we wrote, as when an admission webhook changes it."""


class ForeignObjectError(Exception):
    """An object that is not ours has the name that we need."""


@dataclass(frozen=True)
class Executor:
    """Carries out plans."""

    registry: Registry
    api: KubeApi
    store: Store
    effects: Effects
    recorder: Recorder
    backlog: Backlog
    in_flight: InFlight
    note_deletion: Callable[[str], None] = lambda _kind: None
    """Called with the kind of each object that a plan has deleted."""

    async def execute(self, key: WorkKey, obj: Json, model: CustomResource, plan: Plan) -> None:
        """Carry out the plan of an object; `obj` and `model` are the version that was planned from."""
        if plan.add_finalizer:
            await hold(self.api, self.store, key.resource, obj, FINALIZER)
            return
        for record in plan.records:
            if not await self._create(key, record):
                return  # the next plan knows, and owes it
        written = await self._claim(key.resource, obj, model, plan.status)
        for create in plan.creates:
            await self._create(key, create)
        await self.clear(key, key, plan, lambda: self._finish(key, obj, written, plan))

    async def clear(
        self, key: WorkKey, memory: Hashable, plan: Plan, then: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Carry out only the deletions and effects of a plan, as for what is left of a deleted object.

        Effects are done beside the workers: they may still be under way when this returns.

        Parameters
        ----------
        key
            The key whose plan it is.
        memory
            Key under which failed effects are remembered.
        plan
            The plan.
        then
            Does what comes after the effects.
        """
        await self._delete_all(key.resource, plan.deletes)
        due = [effect for effect in plan.effects if await self._is_due(memory, effect)]
        if due:
            self.in_flight.start(key, memory, lambda: self._do_all(memory, due, then))
        elif then is not None:
            await then()

    async def _do_all(
        self, memory: Hashable, effects: Iterable[Effect], then: Callable[[], Awaitable[None]] | None
    ) -> None:
        for effect in effects:
            await self._do(memory, effect)
        if then is not None:
            await then()

    async def _do(self, memory: Hashable, effect: Effect) -> None:
        try:
            problem = await self.effects.do(effect)
        except Unanswered:
            if not self.backlog.note_unanswered(memory, effect, self.effects.problem_of_silence(effect)):
                raise
            return
        self.backlog.note(memory, effect, problem)
        if problem is not None and problem.reason in _OF_CREDENTIALS:
            self.backlog.note_credential(memory, effect, await self.effects.credential_of(effect))

    async def _is_due(self, memory: Hashable, effect: Effect) -> bool:
        """Tell whether an effect may be tried: it never failed, has waited long enough, or has another credential."""
        if self.backlog.is_due(memory, effect):
            return True
        failed = self.backlog.credential(memory, effect)
        return failed is not None and failed != await self.effects.credential_of(effect)

    async def _finish(self, key: WorkKey, obj: Json, written: Json | None, plan: Plan) -> None:
        if plan.release_finalizer:
            await release(self.api, self.store, key.resource, written or obj, FINALIZER)
        if written is None:
            return
        for event in plan.events:
            level = logging.WARNING if event.is_warning else logging.INFO
            _LOGGER.log(level, event.message, extra={"reason": event.reason})
            await self.recorder.record(written, event)

    async def write_status(self, resource: Resource, obj: Json, status: Json) -> Json:
        """Replace the status of an object, given as it was read; return the object as written.

        Raises
        ------
        Conflict
            If the object has changed since it was read.
        """
        written = await self.api.replace_status(resource, {**obj, "status": status})
        self.store.cache(resource).note_write(written)
        return copy.copy(written)

    async def _claim(self, resource: Resource, obj: Json, model: CustomResource, status: Status | None) -> Json | None:
        """Write the status if it differs from the present one; return the object as written, or None."""
        if status is None or status == getattr(model, "status", None):
            return None
        return await self.write_status(resource, obj, status.to_json())

    async def _create(self, key: WorkKey, create: Creation) -> bool:
        """Make an object, unless it was refused and is not due again; return whether it is there.

        A refusal is no error: it is remembered for the next plan, which decides what follows from it.
        """
        if isinstance(create, RestoreLabels):
            await self._restore_labels(key.resource, create)
            return True
        resource, verb, body = _request(create)
        self.registry.check_use(key.resource, verb, resource)
        if not self.backlog.is_due(key, create):
            return False
        try:
            await self._send(create, resource, body)
        except Unanswered:
            if not self.backlog.note_unanswered(key, create, problem_of_silence(resource, body)):
                raise
            return False
        except ForeignObjectError:
            self._note_refusal(key, create, problem_of_taken_name(resource, body))
            return False
        except ApiError as error:
            problem = problem_of_refusal(error, resource, body)
            if problem is None:
                raise
            self._note_refusal(key, create, problem, error.retry_after or 0.0)
            return False
        self.backlog.note(key, create, None)
        return True

    def _note_refusal(self, key: WorkKey, create: Creation, problem: Problem, wait_seconds: float = 0.0) -> None:
        if create not in self.backlog.problems(key):
            _LOGGER.warning(problem.message, extra={"reason": problem.reason.value})
        self.backlog.note(key, create, problem, wait_seconds=wait_seconds)

    async def _restore_labels(self, kind: Resource, intent: RestoreLabels) -> None:
        resource = self.registry.resource(intent.kind)
        self.registry.check_use(kind, "patch", resource)
        body = {"metadata": {"uid": intent.uid, "labels": dict(intent.labels)}}
        # If the object is gone or recreated, the next plan asks again.
        with suppress(NotFound, Conflict):
            written = await self.api.patch(resource, intent.namespace, intent.name, body)
            self.store.cache(resource).note_write(written)

    async def _send(self, create: Creation, resource: Resource, body: Json) -> None:
        if isinstance(create, WritePolicy):
            await self._write(resource, body)
            return
        made = await self._make(resource, body)
        if isinstance(create, CreateBinding):
            _check_unaltered(resource, body, made, "roleRef", "subjects")

    async def _write(self, resource: Resource, body: Json) -> None:
        """Replace the version that the object names, or create the object where it names none."""
        metadata = body["metadata"]
        if "resourceVersion" in metadata:
            written = await self.api.replace(resource, body)
            self.store.cache(resource).note_write(written)
        else:
            written = await self._make(resource, body)
        _check_unaltered(resource, body, written, "spec")

    async def _make(self, resource: Resource, body: Json) -> Json:
        """Create an object, or accept the one that an unanswered call created; return it."""
        try:
            made = await self.api.create(resource, body)
        except AlreadyExists:
            made = await self.api.get(resource, body["metadata"]["namespace"], body["metadata"]["name"])
            if not self._is_ours(resource, body, made):
                name = f"{resource.kind} {body['metadata']['namespace']}/{body['metadata']['name']}"
                raise ForeignObjectError(f"{name} exists already and is not ours: delete it.") from None
        self.store.cache(resource).note_write(made)
        return made

    async def _delete_all(self, kind: Resource, deletes: Iterable[Delete | ReleasePod]) -> None:
        """Delete all that may be deleted; one that a policy protects does not keep the others.

        Raises
        ------
        ApiError
            The first refusal, once the others are deleted.
        """
        refusal: ApiError | None = None
        for delete in deletes:
            try:
                await self._delete(kind, delete)
            except (Forbidden, Invalid) as error:
                refusal = refusal or error
        if refusal is not None:
            raise refusal

    async def _delete(self, kind: Resource, intent: Delete | ReleasePod) -> None:
        try:
            if isinstance(intent, ReleasePod):
                await self._release_pod(intent)
                return
            resource = self.registry.resource(intent.kind)
            self.registry.check_use(kind, "delete", resource)
            left = await self.api.delete(
                resource, intent.namespace, intent.name, uid=intent.uid, resource_version=intent.resource_version
            )
            self.note_deletion(intent.kind)
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

    def _is_ours(self, resource: Resource, wanted: Json, found: Json) -> bool:
        """Return whether an existing object was created for the same purpose as the wanted one.

        Our kinds name it in their spec; pods and the like in labels; a revision is what it holds. OwnerReferences do
        not count: an orphaning deletion removes them.
        """
        kind = self.registry.by_resource.get(resource)
        if kind is not None:
            mark = wanted["spec"].get(kind.mark)
            return mark is not None and _holds(found["spec"].get(kind.mark), mark)
        if wanted.get("data") != found.get("data"):
            return False
        labels, found_labels = wanted["metadata"].get("labels") or {}, found["metadata"].get("labels") or {}
        return all(found_labels.get(key) == value for key, value in labels.items())


def _check_unaltered(resource: Resource, body: Json, written: Json, *fields: str) -> None:
    """Refuse an object that was altered on its way: the plans that follow would write again without a pause."""
    if any(written.get(field) != body[field] for field in fields):
        name = f"{resource.kind} {body['metadata']['namespace']}/{body['metadata']['name']}"
        raise AlteredObjectError(f"{name} differs from what was written: exempt it from the webhook that alters it.")


def _request(create: Create | CreateBinding | CreatePod | CreateRevision | WritePolicy) -> tuple[Resource, Verb, Json]:
    """Return the kind that a creation is of, the verb that its rarest request needs, and its body."""
    if isinstance(create, WritePolicy):
        return NETWORK_POLICIES, "update", create.manifest
    if isinstance(create, CreateBinding):
        return ROLE_BINDINGS, "create", create.manifest
    if isinstance(create, CreatePod):
        return PODS, "create", create.manifest
    if isinstance(create, CreateRevision):
        return CONTROLLER_REVISIONS, "create", create.manifest
    body = create.resource.to_json()
    body.pop("status", None)
    return custom_resource(create.resource.info), "create", body


def _holds(found: Any, mark: Any) -> bool:
    """Return whether a field says what a mark says; a newer version may have added to it."""
    if isinstance(mark, dict) and isinstance(found, dict):
        return all(_holds(found.get(key), value) for key, value in mark.items())
    return bool(found == mark)
