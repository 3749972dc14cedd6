"""Running sums over the caches, by project: what happened on each day, and how much there is of what.

A change of an object subtracts what the object was and adds what it is, so the sums are those of the objects that are
cached, whatever happened before. They hold numbers only, for each day from which objects are left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from pydantic import ValidationError

from codecourier.core.shared.daily import DayCount, Events, record_events, run_events
from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.kinds.sources import (
    ISSUE_SESSION_SOURCE,
    LEARNING_SOURCE,
    RUN_SOURCE,
    SANDBOX_SOURCE,
    USAGE_RECORD_SOURCE,
    WORKFLOW_SOURCE,
)
from codecourier.kube.api import Json, Resource
from codecourier.pull_request import PullRequestState
from codecourier.resources.issue_session import IssueSessionPhase
from codecourier.resources.run import PullRequestPhase, RunPhase
from codecourier.resources.sandbox import SandboxPhase

__all__ = ["ProjectSums", "Sums"]


@dataclass
class ProjectSums:
    """The sums of one project."""

    days: dict[date, DayCount] = field(default_factory=dict)
    """What happened on each day, by the objects that are there; a day without events is absent."""

    objects: Counter[str] = field(default_factory=Counter)
    """How many objects there are of what `GET analytics/counters` shows, by the name of the field."""


_ACTIVE_RUNS = "active_runs"
_QUEUED_RUNS = "queued_runs"
_ACTIVE_SANDBOXES = "active_sandboxes"
_PENDING_ISSUES = "pending_issues"
_OPEN_PULL_REQUESTS = "open_pull_requests"
_BLOCKED_PULL_REQUESTS = "blocked_pull_requests"
_TRASHED_ITEMS = "trashed_items"

_PENDING = "Pending"
"""The phase of an object that the operator has not seen."""

_OPEN_PHASES = frozenset({PullRequestPhase.CREATED.value, PullRequestPhase.BLOCKED_ON_CI.value})

_BY_PHASE: Mapping[Resource, Mapping[str, str]] = {
    RUN_SOURCE.resource: {
        RunPhase.PENDING.value: _QUEUED_RUNS,
        RunPhase.QUEUED.value: _QUEUED_RUNS,
        RunPhase.RUNNING.value: _ACTIVE_RUNS,
    },
    SANDBOX_SOURCE.resource: {
        SandboxPhase.PENDING.value: _ACTIVE_SANDBOXES,
        SandboxPhase.RUNNING.value: _ACTIVE_SANDBOXES,
    },
    ISSUE_SESSION_SOURCE.resource: {
        IssueSessionPhase.PENDING.value: _PENDING_ISSUES,
        IssueSessionPhase.RUNNING.value: _PENDING_ISSUES,
    },
    WORKFLOW_SOURCE.resource: {},
    LEARNING_SOURCE.resource: {},
}
"""What the objects of each kind that has a trash count as, by their phase."""


def _objects_of(resource: Resource, obj: Json) -> Iterator[str]:
    """Yield what an object counts as; one in the trash is only that."""
    names = _BY_PHASE.get(resource)
    if names is None:
        return
    if (obj["metadata"].get("labels") or {}).get(LABEL_TRASHED) == "true":
        yield _TRASHED_ITEMS
        return
    status = obj.get("status") or {}
    name = names.get(status.get("phase") or _PENDING)
    if name is not None:
        yield name
    if resource == RUN_SOURCE.resource:
        yield from _pull_requests_of(status.get("pullRequest") or {})


def _pull_requests_of(made: Json) -> Iterator[str]:
    # Earlier versions of the operator recorded no state.
    if made.get("state") in {None, PullRequestState.OPEN.value} and made.get("phase") in _OPEN_PHASES:
        yield _OPEN_PULL_REQUESTS
        if made["phase"] == PullRequestPhase.BLOCKED_ON_CI.value:
            yield _BLOCKED_PULL_REQUESTS


def _events_of(resource: Resource, obj: Json) -> Events:
    """Yield what an object adds to each day; an object that this version cannot read adds nothing."""
    with suppress(ValidationError):
        if resource == RUN_SOURCE.resource:
            yield from run_events(RUN_SOURCE.parse(obj))
        elif resource == USAGE_RECORD_SOURCE.resource:
            yield from record_events(USAGE_RECORD_SOURCE.parse(obj))


class Sums:
    """The sums of all projects, kept up to date by the changes of a store."""

    def __init__(self) -> None:
        self._projects: dict[str, ProjectSums] = {}

    def project(self, namespace: str) -> ProjectSums:
        """Return the sums of a project; the next change ends what they may be used for."""
        return self._projects.get(namespace) or ProjectSums()

    def changed(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        """Take a change of one object, given as it was before (None: created) and after (None: gone)."""
        for obj, sign in ((old, -1), (new, 1)):
            if obj is not None:
                self._add(resource, obj, sign)

    def _add(self, resource: Resource, obj: Json, sign: int) -> None:
        namespace = obj["metadata"].get("namespace", "")
        project = self._projects.setdefault(namespace, ProjectSums())
        for day, count in _events_of(resource, obj):
            known = project.days.get(day, DayCount())
            _put(project.days, day, known + count if sign > 0 else known - count)
        for name in _objects_of(resource, obj):
            project.objects[name] += sign
            if not project.objects[name]:
                del project.objects[name]
        if not project.days and not project.objects:
            del self._projects[namespace]


def _put(days: dict[date, DayCount], day: date, count: DayCount) -> None:
    if count == DayCount():
        days.pop(day, None)
    else:
        days[day] = count
