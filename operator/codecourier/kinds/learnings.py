"""How kinds read Learnings. No change of one wakes an object: each is read at the moment when it is needed.

An attempt that starts takes those that are accepted then, a try that ends looks which of its proposals are there, and a
pod that is made takes the texts as they are then. None of these waits for a Learning.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from codecourier.cache.store import Store
from codecourier.core.shared.consent import repository_key
from codecourier.core.shared.learnings import KnownLearnings, normalize_lesson
from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.kinds.relation import Edge, Index, Relation, View
from codecourier.kinds.sources import LEARNING_SOURCE
from codecourier.kube.api import Json
from codecourier.resources.learning import Learning

__all__ = ["LEARNINGS", "StoredLearnings"]

_ACCEPTED = "accepted learnings"
_SAID = "what accepted learnings say"
_UNDECIDED = "undecided learnings"

_Place = tuple[Hashable, ...]
"""Namespace, repository and Workflow that a Learning is about; None: whichever."""


def _accepted(obj: Json) -> list[_Place]:
    spec, metadata = obj.get("spec") or {}, obj["metadata"]
    is_trashed = (metadata.get("labels") or {}).get(LABEL_TRASHED) == "true"
    if not spec.get("accepted") or is_trashed or metadata.get("deletionTimestamp"):
        return []
    return [(metadata["namespace"], _repository(obj), (spec.get("workflowRef") or {}).get("name"))]


def _said(obj: Json) -> list[Hashable]:
    return [(*place, normalize_lesson((obj.get("spec") or {}).get("text") or "")) for place in _accepted(obj)]


def _name(obj: Json) -> str:
    name: str = obj["metadata"]["name"]
    return name


def _creation_time(obj: Json) -> str:
    return obj["metadata"].get("creationTimestamp") or ""


def _undecided(obj: Json) -> list[Hashable]:
    spec = obj.get("spec") or {}
    is_undecided = spec.get("run") and not spec.get("accepted")
    return [(obj["metadata"]["namespace"], _repository(obj))] if is_undecided else []


def _repository(obj: Json) -> Hashable:
    url = (obj.get("spec") or {}).get("repositoryUrl")
    return repository_key(url) if url else None


_INDEXES = (
    Index(_ACCEPTED, _accepted, LEARNING_SOURCE.resource),
    Index(_SAID, _said, LEARNING_SOURCE.resource),
    Index(_UNDECIDED, _undecided, LEARNING_SOURCE.resource),
)


@dataclass(frozen=True)
class StoredLearnings:
    """The Learnings of a namespace, read by indexes where a plan asks."""

    store: Store
    namespace: str

    def accepted(self, repository_url: str, workflow: str) -> Iterator[Learning]:
        """Yield those that agents of a Workflow are given on a repository, the newest first, each read when needed."""
        cache, places = self.store.cache(LEARNING_SOURCE.resource), self._places(repository_url, workflow)
        found = sorted(chain.from_iterable(cache.by_index(_ACCEPTED, place) for place in places), key=_name)
        for obj in sorted(found, key=_creation_time, reverse=True):
            yield from self.store.readable(LEARNING_SOURCE, (obj,))

    def says(self, repository_url: str, workflow: str, text: str) -> bool:
        """Tell whether one that agents of a Workflow are given on a repository says the same as a text."""
        cache, words = self.store.cache(LEARNING_SOURCE.resource), normalize_lesson(text)
        return any(cache.has_key(_SAID, (*place, words)) for place in self._places(repository_url, workflow))

    def _places(self, repository_url: str, workflow: str) -> tuple[_Place, ...]:
        repository = repository_key(repository_url)
        return tuple(
            (self.namespace, *place) for place in ((repository, None), (None, workflow), (repository, workflow))
        )

    def find(self, names: Iterable[str]) -> Sequence[Learning]:
        """Return those of these names, in this order."""
        found = (self.store.raw(LEARNING_SOURCE.resource, self.namespace, name) for name in names)
        return self.store.readable(LEARNING_SOURCE, (obj for obj in found if obj is not None))

    def has(self, name: str, repository_url: str) -> bool:
        """Tell whether there is one of a name about a repository."""
        obj = self.store.raw(LEARNING_SOURCE.resource, self.namespace, name)
        return obj is not None and _repository(obj) == repository_key(repository_url)

    def count_undecided(self, repository_url: str) -> int:
        """Return how many were proposed for a repository and are not accepted."""
        cache = self.store.cache(LEARNING_SOURCE.resource)
        return len(cache.keys_by_index(_UNDECIDED, (self.namespace, repository_key(repository_url))))


def _read(view: View, obj: Any) -> KnownLearnings:
    return StoredLearnings(view.store, obj.namespace)


LEARNINGS: Relation[Any, KnownLearnings] = Relation(
    _read, lambda _origins: (Edge(LEARNING_SOURCE, lambda *_: (), indexes=_INDEXES),)
)
"""The Learnings of the object's namespace."""
