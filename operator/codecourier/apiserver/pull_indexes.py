"""Which Run made a pull request that a merge names: indexes of the API server's caches by pull request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from codecourier.address import split_pull_request_address
from codecourier.apiserver.rendered import Rendered
from codecourier.cache.source import Source
from codecourier.cache.store import Store
from codecourier.core.shared.consent import repository_key
from codecourier.kinds.sources import MERGE_JOB_SOURCE, RUN_SOURCE
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import IndexFunction

__all__ = ["PULLS", "PULL_INDEXES", "MergesOfRuns", "find_maker"]

PULLS = "pulls"
"""Runs by namespace and the pull request that they made, MergeJobs by those that they merge."""

PullKey = tuple[str, tuple[str, ...], int]


def _key(namespace: str, url: str) -> Iterator[PullKey]:
    """Yield what equal addresses of a pull request have in common; nothing for what is no address."""
    try:
        repository, number = split_pull_request_address(url)
    except ValueError:
        return
    yield namespace, repository_key(repository), number


def _made(run: Json) -> list[PullKey]:
    url = ((run.get("status") or {}).get("pullRequest") or {}).get("url")
    return list(_key(run["metadata"]["namespace"], url)) if url else []


def _merged(job: Json) -> list[PullKey]:
    urls = (job.get("spec") or {}).get("pullRequests") or ()
    return [key for url in dict.fromkeys(urls) for key in _key(job["metadata"]["namespace"], url)]


PULL_INDEXES: Mapping[Source[object], Mapping[str, IndexFunction]] = {
    RUN_SOURCE: {PULLS: _made},
    MERGE_JOB_SOURCE: {PULLS: _merged},
}
"""The indexes of each kind."""


def find_maker(store: Store, namespace: str, url: str) -> str | None:
    """Return the name of the newest Run that made a pull request; None: none of this project did."""
    runs = [run for key in _key(namespace, url) for run in store.cache(RUN_SOURCE.resource).by_index(PULLS, key)]
    newest = max(runs, key=lambda run: (run["metadata"]["creationTimestamp"], run["metadata"]["name"]), default=None)
    return None if newest is None else str(newest["metadata"]["name"])


class MergesOfRuns:
    """Forgets what lists show of a merge when a Run has made one of its pull requests, or is gone.

    Parameters
    ----------
    store
        The caches.
    rendered
        What the lists show.
    """

    def __init__(self, store: Store, rendered: Rendered) -> None:
        self._store = store
        self._rendered = rendered

    def changed(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        """Take note of a change."""
        if resource != RUN_SOURCE.resource:
            return
        before, after = (set() if run is None else set(_made(run)) for run in (old, new))
        merges = self._store.cache(MERGE_JOB_SOURCE.resource)
        for key in before ^ after:
            for job in merges.by_index(PULLS, key):
                self._rendered.changed(MERGE_JOB_SOURCE.resource, job, job)
