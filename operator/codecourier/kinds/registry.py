"""All kinds, and what is derived from their rows: caches, wakes, permitted writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from codecourier.cache.ordered import MakeFollower
from codecourier.cache.source import CachedKind, Source
from codecourier.cache.store import Store
from codecourier.kinds.issue_session import ISSUE_SESSION
from codecourier.kinds.kind import Kind
from codecourier.kinds.merge_job import MERGE_JOB
from codecourier.kinds.project import PROJECT
from codecourier.kinds.records import DAILY_STATS, LEARNING, NOTIFICATION, USAGE_RECORD
from codecourier.kinds.recurring_task import RECURRING_TASK
from codecourier.kinds.relation import UNFINISHED, Edge, OriginKind
from codecourier.kinds.run import RUN
from codecourier.kinds.sandbox import SANDBOX
from codecourier.kinds.sprint_chain import SPRINT_CHAIN
from codecourier.kinds.workflow import WORKFLOW
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import IndexFunction

__all__ = ["ALL", "REGISTRY", "Registry", "UndeclaredUseError", "WorkKey"]

T = TypeVar("T")

ALL: tuple[Kind[Any, Any], ...] = (
    PROJECT,
    WORKFLOW,
    RUN,
    SPRINT_CHAIN,
    RECURRING_TASK,
    ISSUE_SESSION,
    MERGE_JOB,
    SANDBOX,
    NOTIFICATION,
    USAGE_RECORD,
    DAILY_STATS,
    LEARNING,
)
"""Every kind, in the order in which people meet them."""


class UndeclaredUseError(Exception):
    """A plan needs a request that the row of its kind does not declare."""


class WorkKey(NamedTuple):
    """The unit of work: one object of one kind."""

    resource: Resource
    namespace: str
    name: str


@dataclass(frozen=True)
class _Reads:
    """An edge, and the kind that reads by it."""

    reader: Resource
    edge: Edge


class Registry:
    """A set of kinds. An operator, or its simulation, works on the kinds of one registry.

    Parameters
    ----------
    kinds
        The rows, each kind once.
    """

    def __init__(self, kinds: Iterable[Kind[Any, Any]]) -> None:
        self.kinds: Sequence[Kind[Any, Any]] = tuple(kinds)
        self.by_resource: Mapping[Resource, Kind[Any, Any]] = {kind.resource: kind for kind in self.kinds}
        self.origins: Mapping[str, OriginKind[Any]] = {
            kind.resource.kind: kind.origin for kind in self.kinds if kind.origin is not None
        }
        self._reads: dict[Resource, list[_Reads]] = defaultdict(list)
        for kind in self.planned:
            for edge in self._edges(kind):
                reads = _Reads(kind.resource, edge)
                # Relations that are declared through others have their edges in common.
                if reads not in self._reads[edge.source.resource]:
                    self._reads[edge.source.resource].append(reads)
        self.cached: Sequence[CachedKind] = tuple(self._cached())
        self._resources = {kind.source.resource.kind: kind.source.resource.whole for kind in self.cached}

    @property
    def planned(self) -> Sequence[Kind[Any, Any]]:
        """The kinds whose objects are reconciled."""
        return [kind for kind in self.kinds if kind.planning is not None]

    def plans(self, resource: Resource) -> bool:
        """Return whether the objects of a kind are reconciled."""
        kind = self.by_resource.get(resource)
        return kind is not None and kind.planning is not None

    def resource(self, kind: str) -> Resource:
        """Return a cached kind, ours or one of Kubernetes', by its name in manifests."""
        return self._resources[kind]

    def wakes(self, store: Store, resource: Resource, old: Json | None, new: Json | None) -> Iterator[WorkKey]:
        """Yield the keys whose plan may differ after a change; a key may come several times."""
        obj = new if new is not None else old
        if obj is None:
            return
        if self.plans(resource):
            yield WorkKey(resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        for reads in self._reads.get(resource, ()):
            for namespace, name in reads.edge.concerns(store, reads.reader, old, new):
                yield WorkKey(reads.reader, namespace, name)

    def check_use(self, kind: Resource, verb: str, used: Resource) -> None:
        """Make sure that the row of a kind declares a request that one of its plans makes.

        Raises
        ------
        UndeclaredUseError
            If it does not.
        """
        if not any(use.resource == used and verb in use.verbs for use in self.by_resource[kind].uses):
            raise UndeclaredUseError(f"the row of {kind.kind} does not declare '{verb}' of {used.plural}")

    def _edges(self, kind: Kind[Any, Any]) -> Iterator[Edge]:
        if kind.planning is not None:
            for relation in kind.planning.reads:
                yield from relation.edges(self.origins)

    def _cached(self) -> Iterator[CachedKind]:
        sources: dict[Resource, Source[Any]] = {}
        indexes: dict[Resource, dict[str, IndexFunction]] = defaultdict(dict)
        followers: dict[Resource, dict[str, MakeFollower]] = defaultdict(dict)
        for kind in self.kinds:
            sources[kind.resource] = kind.source
            if kind.is_unfinished is not None:
                indexes[kind.resource][UNFINISHED] = _unfinished(kind)
            for edge in self._edges(kind):
                sources.setdefault(edge.source.resource, edge.source)
                followers[edge.source.resource].update(edge.followers)
                for index in edge.indexes:
                    indexes[index.resource or kind.resource].setdefault(index.name, index.function)
        for resource, source in sources.items():
            is_settled = source.is_settled or partial(_is_settled, self.by_resource.get(resource))
            yield CachedKind(
                source, indexes[resource], partial(self._refuse, resource), is_settled, followers[resource]
            )

    def _refuse(self, resource: Resource, model: Any) -> str:
        kind = self.by_resource.get(resource)
        relations = kind.planning.reads if kind is not None and kind.planning is not None else ()
        return next(filter(None, (relation.refuse(self.origins, model) for relation in relations)), "")


def _is_settled(kind: Kind[Any, Any] | None, obj: Json) -> bool:
    """Return whether nothing is left to do for an object: it is finished, or its kind is only recorded."""
    if kind is None:
        return False
    return kind.planning is None or (kind.is_unfinished is not None and not kind.is_unfinished(obj))


def _unfinished(kind: Kind[Any, Any]) -> IndexFunction:
    is_unfinished = kind.is_unfinished

    def index(obj: Json) -> list[str]:
        return [obj["metadata"]["namespace"]] if is_unfinished is not None and is_unfinished(obj) else []

    return index


REGISTRY = Registry(ALL)
"""CodeCourier's own kinds."""
