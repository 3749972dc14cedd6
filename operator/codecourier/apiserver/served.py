"""What the API server knows of the cluster: caches of the kinds that it serves, and of the keys."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from random import Random
from typing import TypeVar

from codecourier.apiserver.branch_indexes import BRANCH_INDEXES
from codecourier.apiserver.freshness import Freshness
from codecourier.apiserver.newest import Newest
from codecourier.apiserver.notices import NOTICES, NoticeIndex
from codecourier.apiserver.rendered import Rendered
from codecourier.apiserver.sums import Sums
from codecourier.apiserver.usage import BY_FINISH, FinishOrder
from codecourier.cache.informers import Informers
from codecourier.cache.ordered import MakeFollower
from codecourier.cache.source import CachedKind, Source
from codecourier.cache.store import Store
from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.core.shared.trash import is_trashed
from codecourier.kinds.access import AccessRule
from codecourier.kinds.sources import (
    API_KEY_SOURCE,
    DAILY_STATS_SOURCE,
    INBOX_SOURCE,
    ISSUE_SESSION_SOURCE,
    LEARNING_SOURCE,
    MERGE_JOB_SOURCE,
    NAMESPACE_SOURCE,
    NOTIFICATION_SOURCE,
    PROJECT_SOURCE,
    RECURRING_TASK_SOURCE,
    RUN_SOURCE,
    SANDBOX_SOURCE,
    SPRINT_CHAIN_SOURCE,
    USAGE_RECORD_SOURCE,
    WORKFLOW_SOURCE,
)
from codecourier.kube.api import (
    PODS,
    SECRETS,
    SUBJECT_ACCESS_REVIEWS,
    TOKEN_REVIEWS,
    Json,
    KubeApi,
    Resource,
    WatchEvent,
)
from codecourier.kube.cache import IndexFunction, Key
from codecourier.kube.errors import Conflict, NotFound
from codecourier.resources.api_key import APIKey
from codecourier.resources.meta import CustomResource

__all__ = ["BY_HASH", "RULES", "KeyCache", "Served", "cached"]

_LOGGER = logging.getLogger(__name__)

R = TypeVar("R", bound=CustomResource)

BY_HASH = "hash"
"""Index of the APIKeys by the SHA-256 of their key."""

_REFRESH_SECONDS = 4.0
_STALE_SECONDS = 10.0
"""How long after the last list of keys a revocation may be missed."""

_WRITTEN = frozenset({"create", "delete", "get", "patch"})
_TRASHED = frozenset({"delete", "get", "patch"})
_SOURCES: Mapping[Source[object], frozenset[str]] = {
    NAMESPACE_SOURCE: frozenset(),
    PROJECT_SOURCE: frozenset({"get", "patch"}),
    WORKFLOW_SOURCE: _TRASHED,
    RUN_SOURCE: _WRITTEN,
    SANDBOX_SOURCE: _TRASHED,
    LEARNING_SOURCE: _TRASHED,
    ISSUE_SESSION_SOURCE: _WRITTEN,
    RECURRING_TASK_SOURCE: _WRITTEN,
    SPRINT_CHAIN_SOURCE: _WRITTEN,
    MERGE_JOB_SOURCE: frozenset({"create", "get", "patch"}),
    NOTIFICATION_SOURCE: frozenset(),
    INBOX_SOURCE: frozenset({"create", "get", "update"}),
    USAGE_RECORD_SOURCE: frozenset(),
    DAILY_STATS_SOURCE: frozenset(),
}
"""The kinds that are cached, and what is asked of each beside list and watch."""

_FOLLOWERS: Mapping[Source[object], Mapping[str, MakeFollower]] = {
    NOTIFICATION_SOURCE: {NOTICES: NoticeIndex},
    USAGE_RECORD_SOURCE: {BY_FINISH: FinishOrder},
}
_INDEXES: Mapping[Source[object], Mapping[str, IndexFunction]] = BRANCH_INDEXES
_PACKED = frozenset({NOTIFICATION_SOURCE, USAGE_RECORD_SOURCE, DAILY_STATS_SOURCE})
"""Kinds with many objects, of which few are read at a time."""


def _rules() -> tuple[AccessRule, ...]:
    watched = frozenset({"list", "watch"})
    verbs = {
        source.resource: watched | more for source, more in {**_SOURCES, API_KEY_SOURCE: frozenset({"delete"})}.items()
    }
    # Read one at a time, when a request needs the credential of a repository: see `hosts/credentials.py`.
    verbs[SECRETS] = frozenset({"get"})
    verbs |= dict.fromkeys((SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS), frozenset({"create"}))
    rules = [AccessRule(resource.group, resource.plural, found) for resource, found in verbs.items()]
    rules.append(AccessRule(PODS.group, f"{PODS.plural}/log", frozenset({"get"})))
    return tuple(sorted(rules, key=lambda rule: (rule.group, rule.resource)))


RULES = _rules()
"""What the API server's account needs, in every namespace."""


def cached(source: Source[object]) -> CachedKind:
    """Return how the objects of a kind are cached."""
    is_packed, followers = source in _PACKED, _FOLLOWERS.get(source, {})
    return CachedKind(source, _INDEXES.get(source, {}), is_settled=lambda _obj: is_packed, followers=followers)


class _Reporter:
    """Receives what happens to the informers; the log has the failures already."""

    def listed(self, resource: Resource, count: int) -> None:
        """See `InformerObserver.listed`."""

    def received(self, resource: Resource, event: WatchEvent) -> None:
        """See `InformerObserver.received`."""

    def failed(self, resource: Resource, error: Exception) -> None:
        """See `InformerObserver.failed`."""

    def restored(self, resource: Resource) -> None:
        """See `InformerObserver.restored`."""


class Served:
    """The objects that are served, as the cluster's API server last showed them.

    Parameters
    ----------
    api
        The cluster's API server.
    """

    def __init__(self, api: KubeApi) -> None:
        self.store = Store(map(cached, _SOURCES))
        self.sums = Sums()
        self.rendered = Rendered()
        self.newest = Newest()
        self._informers = Informers(api, self.store, random=Random(), observer=_Reporter())  # noqa: S311  jitter
        self._freshness = Freshness(self._informers.each)
        self._waiting: defaultdict[tuple[Resource, Key], list[asyncio.Event]] = defaultdict(list)
        self.store.subscribe(self._changed)
        self.store.subscribe(self.sums.changed)
        self.store.subscribe(self.rendered.changed)
        self.store.subscribe(self.newest.changed)

    @property
    def unsynced(self) -> list[str]:
        """The kinds that were never listed."""
        return self._informers.unsynced

    @property
    def stale(self) -> list[str]:
        """The kinds of which the server has not heard for too long: what it knows of them may be old."""
        return self._freshness.stale

    @property
    def ages(self) -> dict[str, float]:
        """How many seconds ago each kind was last known to be up to date, without those that were never listed."""
        return self._freshness.ages

    async def run(self) -> None:
        """Follow the cluster until cancelled."""
        await asyncio.gather(*(loop for _, loop in self._informers.loops()), self._freshness.run())

    def find(self, source: Source[R], namespace: str, name: str) -> R | None:
        """Return an object; None: there is none, or this version cannot read it."""
        obj = self.store.raw(source.resource, namespace, name)
        return None if obj is None else next(iter(self.store.readable(source, (obj,))), None)

    def list(self, source: Source[R], namespace: str, *, in_trash: bool = False) -> Iterator[R]:
        """Yield the readable objects of a namespace, newest first: those outside the trash, or those in it.

        They are read one by one, so a page costs only what it shows; read it before anything else may change them.
        """
        for name in self.newest.names(source.resource, namespace):
            raw = self.store.raw(source.resource, namespace, name)
            if raw is None or (in_trash and (raw["metadata"].get("labels") or {}).get(LABEL_TRASHED) != "true"):
                continue
            for obj in self.store.readable(source, (raw,)):
                if is_trashed(obj) is in_trash:
                    yield obj

    async def wait(
        self, source: Source[R], namespace: str, name: str, is_met: Callable[[R], bool], seconds: float
    ) -> R | None:
        """Return an object once it meets a condition, or as it is after so many seconds."""
        changed = asyncio.Event()
        waiting = self._waiting[source.resource, (namespace, name)]
        waiting.append(changed)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while (obj := self.find(source, namespace, name)) is None or not is_met(obj):
                        await changed.wait()
                        changed.clear()
        finally:
            waiting.remove(changed)
            if not waiting:
                self._waiting.pop((source.resource, (namespace, name)), None)
        return self.find(source, namespace, name)

    def _changed(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        metadata = (new or old or {}).get("metadata", {})
        key = (metadata.get("namespace", ""), metadata.get("name", ""))
        for event in self._waiting.get((resource, key), ()):
            event.set()


def _hash_of(obj: Json) -> list[str]:
    return [str((obj.get("spec") or {}).get("sha256", ""))]


class KeyCache:
    """The APIKeys. A watch brings changes at once; a list every few seconds shows that the watch is not dead.

    Parameters
    ----------
    api
        The cluster's API server.
    clock
        The monotonic clock, in seconds.
    """

    def __init__(self, api: KubeApi, clock: Callable[[], float]) -> None:
        index: Mapping[str, IndexFunction] = {BY_HASH: _hash_of}
        self.store = Store((CachedKind(API_KEY_SOURCE, index),))
        self._informers = Informers(api, self.store, random=Random(), observer=_Reporter())  # noqa: S311  jitter
        self._api = api
        self._clock = clock
        self._fresh_time = float("-inf")

    @property
    def is_fresh(self) -> bool:
        """Whether every revocation of more than a few seconds ago is known."""
        return self.age_seconds < _STALE_SECONDS

    @property
    def age_seconds(self) -> float:
        """How long ago the last list of the keys began; infinite before the first."""
        return self._clock() - self._fresh_time

    def list(self, namespace: str) -> Iterable[APIKey]:
        """Return the keys of a namespace that this version can read, newest first."""
        found = self.store.readable(API_KEY_SOURCE, self.store.cache(API_KEY_SOURCE.resource).list(namespace))
        return sorted(found, key=lambda key: (key.metadata.creation_timestamp, key.name), reverse=True)

    async def revoke(self, namespace: str, name: str) -> bool:
        """Delete a key, which this server refuses from then on; return whether there was one."""
        resource = API_KEY_SOURCE.resource
        if (found := self.store.raw(resource, namespace, name)) is None:
            return False
        uid = str(found["metadata"]["uid"])
        try:
            left = await self._api.delete(resource, namespace, name, uid=uid)
        except (Conflict, NotFound):
            return False
        if left is not None:
            self.store.cache(resource).note_write(left)
        else:
            self.store.cache(resource).note_delete(namespace, name, uid)
        return True

    async def run(self) -> None:
        """Follow the keys until cancelled."""
        await asyncio.gather(*(loop for _, loop in self._informers.loops()), self._refresh())

    async def _refresh(self) -> None:
        while True:
            begin = self._clock()
            await self._informers.freshen()
            self._fresh_time = begin
            await asyncio.sleep(_REFRESH_SECONDS)
