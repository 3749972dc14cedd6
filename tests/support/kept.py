"""A project whose retention is played by hand: its objects in caches, its plans carried out, a clock that tests set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from codecourier.core.project.kept import Kept
from codecourier.core.project.retention import plan_retention
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create, Delete, Failures
from codecourier.core.shared.naming import ANNOTATION_TRASHED_TIME, LABEL_TRASHED
from codecourier.core.shared.worlds import check_world
from codecourier.kinds.project import PROJECT
from codecourier.kube.api import Json
from codecourier.resources.daily_stats import DailyStats
from codecourier.resources.meta import CustomResource, ObjectMeta
from codecourier.resources.notification import Notification, NotificationEntity, NotificationSpec, NotificationType
from codecourier.resources.project import Project
from codecourier.resources.retention import Retention
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.usage_record import UsageItem, UsageKind, UsageRecord, UsageRecordSpec, UsageUnit
from tests.support.views import make_store, world_of
from tests.support.worlds import NOW, make_project, make_run, queued

__all__ = ["DAY", "Shop", "ended_run", "make_notification", "make_usage_record", "trashed"]

M = TypeVar("M", bound=CustomResource)

DAY = timedelta(days=1)
_MOST_PLANS = 2000


def ended_run(
    name: str, finish: datetime, *, seconds: float = 600, phase: RunPhase = RunPhase.COMPLETED, **status: Any
) -> Run:
    """Return a finished Run."""
    created = {"creation_timestamp": finish - timedelta(seconds=seconds)}
    return queued(make_run(name, metadata=created), **{"phase": phase, "finish_time": finish, **status})


def make_usage_record(name: str, finish: datetime, *, run: str = "gone", cost: int = 7) -> UsageRecord:
    """Return the UsageRecord of a try."""
    item = UsageItem(
        service="kubernetes", kind=UsageKind.COMPUTE, quantity=60, unit=UsageUnit.SECOND, cost_micro_usd=cost
    )
    spec = UsageRecordSpec(
        run=run,
        run_uid=f"uid-{run}",
        attempt=1,
        try_number=1,
        workflow="scripted",
        start_time=finish - timedelta(seconds=60),
        finish_time=finish,
        items=(item,),
    )
    return UsageRecord(metadata=ObjectMeta(name=name, namespace="shop", uid=f"uid-{name}"), spec=spec)


def make_notification(name: str, time: datetime, about: CustomResource) -> Notification:
    """Return a Notification about an object."""
    entity = NotificationEntity(kind=about.info.kind, name=about.name, uid=about.uid)
    spec = NotificationSpec(
        type=NotificationType.RUN_COMPLETED, title="Over", message="It is over.", event_time=time, entity=entity
    )
    return Notification(metadata=ObjectMeta(name=name, namespace="shop", uid=f"uid-{name}"), spec=spec)


def trashed(model: M, time: datetime | None) -> M:
    """Return an object as it is in the trash since a time; None: a user set the label alone."""
    annotations = {} if time is None else {ANNOTATION_TRASHED_TIME: time.isoformat()}
    metadata = model.metadata.updated(labels={LABEL_TRASHED: "true"}, annotations=annotations)
    return model.updated(metadata=metadata)


class Shop:
    """A project, its caches and its clock.

    Parameters
    ----------
    now
        What its clock shows.
    retention
        Fields of the Project's retention.
    """

    def __init__(self, now: datetime = NOW, **retention: Any) -> None:
        self.now = now
        self.store = make_store()
        project = make_project()
        spec = project.spec.updated(retention=Retention.model_validate(retention))
        self.project: Project = project.updated(spec=spec)
        self.deleted: list[tuple[str, str]] = []
        """Kinds and names, in order."""

        self.sealed: list[DailyStats] = []
        """What was created, in order."""

        self.writes = 0
        """How often the status of the Project was written."""

        self.refuses_seals: Problem | None = None
        """Why each DailyStats is refused; None: it is not."""

        self._version = 0

    def put(self, *models: CustomResource) -> None:
        """Create or change objects."""
        for model in models:
            self.put_json(model.to_json())

    def put_json(self, body: Json) -> None:
        """Create or change an object as the API server returns it."""
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        body["metadata"].setdefault("uid", f"uid-{body['metadata']['name']}")
        body["metadata"].setdefault("creationTimestamp", self.now.isoformat())
        resource = next(kind.source.resource for kind in self.store.kinds if kind.source.resource.kind == body["kind"])
        self.store.cache(resource).apply(body)

    def names(self, kind: str) -> list[str]:
        """Return the names of the objects of a kind, sorted."""
        resource = next(known.source.resource for known in self.store.kinds if known.source.resource.kind == kind)
        return sorted(self.store.cache(resource).names("shop"))

    def kept(self) -> Kept:
        """Return what retention reads now."""
        return world_of(self.store, PROJECT, self.project).kept

    def look(self) -> datetime | None:
        """Plan once and carry it out; return when the plan wants to look again."""
        world = world_of(self.store, PROJECT, self.project)
        check_world(world)
        if self.refuses_seals is not None:
            plan = plan_retention(world, self.project.status, self.now)
            world = replace(world, failures=Failures(dict.fromkeys(plan.creates, self.refuses_seals)))
        plan = plan_retention(world, self.project.status, self.now)
        self.writes += plan.status != self.project.status
        self.project = self.project.updated(status=plan.status)
        for create in plan.creates:
            self._create(create)
        for delete in plan.deletes:
            self._delete(delete)
        return plan.look_again

    def wait(self, duration: timedelta) -> None:
        """Let time pass, with a look whenever the plan wants one."""
        end, next_look = self.now + duration, self.look()
        for _ in range(_MOST_PLANS):
            if next_look is None or next_look > end:
                self.now = end
                return
            self.now = max(self.now, next_look)
            next_look = self.look()
        raise AssertionError("retention comes to no rest")

    def days(self) -> Iterator[date]:
        """Yield the days that were sealed, in order."""
        return (stats.spec.day for stats in self.sealed)

    def _create(self, create: Create) -> None:
        if self.refuses_seals is not None or create.resource.name in self.names("DailyStats"):
            return
        assert isinstance(create.resource, DailyStats)
        self.sealed.append(create.resource)
        self.put(create.resource)

    def _delete(self, delete: Delete) -> None:
        resource = next(
            known.source.resource for known in self.store.kinds if known.source.resource.kind == delete.kind
        )
        found = self.store.raw(resource, delete.namespace, delete.name)
        assert found is not None
        assert (found["metadata"]["uid"], found["metadata"]["resourceVersion"]) == (delete.uid, delete.resource_version)
        self.deleted.append((delete.kind, delete.name))
        self.store.cache(resource).note_delete(delete.namespace, delete.name, delete.uid)
