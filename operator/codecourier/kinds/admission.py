"""What the Project's plan reads of Runs: a view of each unfinished one, kept in order as they change.

No look at a Project goes through all Runs: waiting ones are grouped by what they need, so that a group that cannot
start costs one step, and each group is in the order in which its Runs became ready.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import merge
from itertools import takewhile
from typing import Any

from codecourier.cache.ordered import Ordered
from codecourier.cache.store import Store
from codecourier.core.project.places import RunView, UsableWorkflows
from codecourier.core.shared.consent import RepositoryKey, repository_key
from codecourier.kinds.relation import Edge, Relation, View
from codecourier.kinds.sources import RUN_SOURCE
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import Key, key_of
from codecourier.resources.meta import CustomResource
from codecourier.resources.run import RunPhase

__all__ = ["RunIndex", "RunsInNamespace", "runs_in_namespace", "view_run"]

_NAME = "admission"
_EPOCH = datetime.min.replace(tzinfo=UTC)
_PHASES = {phase.value: phase for phase in RunPhase}
_FINISHED = frozenset(phase.value for phase in RunPhase if phase.is_finished)


def view_run(run: Json) -> RunView:
    """Return what admission reads of a Run; nothing else is checked, so that this needs no model."""
    metadata, spec, status = run["metadata"], run.get("spec") or {}, run.get("status") or {}
    asked, attempt, cancelled = spec.get("attempt", 1), status.get("attempt", 0), status.get("cancelledAttempt", 0)
    is_deleting, is_cancelled = bool(metadata.get("deletionTimestamp")), bool(spec.get("cancelled"))
    may_start_again = status.get("phase") in _FINISHED and not (is_deleting or is_cancelled or spec.get("origin"))
    if attempt == 0 or (may_start_again and asked > max(attempt, cancelled)):
        attempt, status = asked, {}
    phase = _PHASES.get(status.get("phase") or RunPhase.PENDING.value)
    is_recorded = status.get("workflowRevision") or status.get("workflow")
    tries = len(status.get("tries") or ())
    url = status.get("repositoryUrl") or spec.get("repositoryUrl")
    return RunView(
        name=metadata["name"],
        uid=metadata["uid"],
        creation_time=_time(metadata.get("creationTimestamp")) or _EPOCH,
        asked=asked,
        attempt=attempt,
        try_number=tries + (phase is not RunPhase.RUNNING),
        phase=phase,
        is_stopping=is_deleting or is_cancelled or attempt <= cancelled,
        has_pod=phase is RunPhase.RUNNING and tries > 0 and not status.get("pullRequest"),
        retry_time=_time(status.get("retryTime")),
        repository=repository_key(url) if url else None,
        workflow=None if is_recorded else (spec.get("workflowRef") or {}).get("name", ""),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_Group = Ordered[RunView]


@dataclass
class _Waiting:
    """Waiting Runs that need the same: those that may start at once, and those with a retry time."""

    ready: _Group = field(default_factory=Ordered)
    timed: _Group = field(default_factory=Ordered)

    def due(self, now: datetime) -> list[Iterator[tuple[Any, RunView]]]:
        return [self.ready.items(), takewhile(lambda item: item[0][0] <= now, self.timed.items())]


class _Namespace:
    """The unfinished Runs of one namespace."""

    def __init__(self) -> None:
        self.views: dict[str, RunView] = {}
        self.with_pods: dict[str, RunView] = {}
        self.groups: dict[RepositoryKey | None, dict[str | None, _Waiting]] = defaultdict(dict)
        self.ages: _Group = Ordered()
        self.retries: _Group = Ordered()

    def put(self, run: RunView) -> None:
        self.views[run.name] = run
        if run.has_pod:
            self.with_pods[run.name] = run
        if not run.is_waiting:
            return
        self.ages.put((run.creation_time, run.name), run)
        group = self.groups[run.repository].setdefault(run.workflow, _Waiting())
        if run.retry_time is None:
            group.ready.put((run.creation_time, run.name), run)
        else:
            group.timed.put((run.retry_time, run.name), run)
            self.retries.put((run.retry_time, run.name), run)

    def drop(self, name: str) -> None:
        run = self.views.pop(name, None)
        if run is None:
            return
        self.with_pods.pop(name, None)
        if run.is_waiting:
            self._stop_waiting(run)

    def _stop_waiting(self, run: RunView) -> None:
        self.ages.drop((run.creation_time, run.name))
        workflows = self.groups[run.repository]
        group = workflows[run.workflow]
        group.ready.drop((run.creation_time, run.name))
        if run.retry_time is not None:
            group.timed.drop((run.retry_time, run.name))
            self.retries.drop((run.retry_time, run.name))
        if not group.ready and not group.timed:
            del workflows[run.workflow]
        if not workflows:
            del self.groups[run.repository]


class RunIndex:
    """The views of all unfinished Runs; it follows the cache of Runs."""

    def __init__(self) -> None:
        self._namespaces: dict[str, _Namespace] = {}
        self._unreadable: set[Key] = set()

    def changed(self, old: Json | None, new: Json | None) -> None:
        """Take a change of one Run, given as it was before (None: created) and after (None: gone)."""
        if old is not None:
            self._drop(*key_of(old))
        if new is None:
            return
        run = view_run(new)
        if run.phase is None or not run.phase.is_finished:
            self._namespaces.setdefault(key_of(new)[0], _Namespace()).put(run)

    def leave_out(self, namespace: str, name: str) -> None:
        """Leave out a Run, from the next look on until it changes."""
        self._unreadable.add((namespace, name))

    def of(self, namespace: str) -> _Namespace:
        """Return the Runs of a namespace."""
        for key in tuple(self._unreadable):
            self._drop(*key)
        return self._namespaces.get(namespace) or _Namespace()

    def _drop(self, namespace: str, name: str) -> None:
        self._unreadable.discard((namespace, name))
        found = self._namespaces.get(namespace)
        if found is not None:
            found.drop(name)
            if not found.views:
                del self._namespaces[namespace]


class RunsInNamespace:
    """The Runs of a namespace, as of now; see `codecourier.core.project.places.Runs`.

    Parameters
    ----------
    store
        The caches.
    namespace
        The namespace.
    """

    def __init__(self, store: Store, namespace: str) -> None:
        self._store = store
        self._namespace = namespace
        self._index: RunIndex = store.follower(RUN_SOURCE.resource, _NAME)

    def named(self, name: str) -> RunView | None:
        """Return the Run of a name, also one that is finished."""
        known = self._index.of(self._namespace).views.get(name)
        if known is not None:
            return known
        found = self._store.raw(RUN_SOURCE.resource, self._namespace, name)
        return None if found is None else view_run(found)

    def with_pods(self) -> Iterable[RunView]:
        """Return the Runs that take a place in fact."""
        return self._index.of(self._namespace).with_pods.values()

    def working(self) -> Iterable[RunView]:
        """Return the Runs that are Running, also those that only wait for their pull request."""
        views = self._index.of(self._namespace).views.values()
        return [run for run in views if run.phase is RunPhase.RUNNING]

    def waiting(
        self, repositories: Collection[RepositoryKey | None], workflows: UsableWorkflows, now: datetime
    ) -> Iterator[RunView]:
        """Yield the Runs that may be given a place, in the order in which they became ready.

        Those that this version cannot read are left out; each is found out once for each of its versions.
        """
        groups = self._index.of(self._namespace).groups
        open_groups = [
            groups[repository][name]
            for repository in repositories
            if repository in groups
            for name in workflows.among(groups[repository])
        ]
        for _, run in merge(*(items for group in open_groups for items in group.due(now)), key=lambda item: item[0]):
            if self._store.is_readable(RUN_SOURCE, self._namespace, run.name):
                yield run
            else:
                self._index.leave_out(self._namespace, run.name)

    def next_retry(self, now: datetime) -> datetime | None:
        """Return the first retry time after a time."""
        key = self._index.of(self._namespace).retries.first_after((now, "\uffff"))
        return None if key is None else key[0]

    def has_older_than(self, time: datetime) -> bool:
        """Tell whether a waiting Run was created before a time."""
        oldest = next(self._index.of(self._namespace).ages.items(), None)
        return oldest is not None and oldest[0][0] < time


def runs_in_namespace(reader_name: str) -> Relation[Any, RunsInNamespace]:
    """Read a view of the namespace's Runs; wakes the one reader of the namespace when the view of a Run changes.

    Parameters
    ----------
    reader_name
        Name of the namespace's one reader.
    """

    def read(view: View, obj: CustomResource) -> RunsInNamespace:
        return RunsInNamespace(view.store, obj.namespace)

    def readers(_store: Store, _reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        found = new if new is not None else old
        if found is not None:
            yield key_of(found)[0], reader_name

    def view(run: Json | None) -> RunView | None:
        return None if run is None else view_run(run)

    edge = Edge(RUN_SOURCE, readers, view, followers={_NAME: RunIndex})
    return Relation(read, lambda _origins: (edge,))
