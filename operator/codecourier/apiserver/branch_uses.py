"""Which runs, chains and merges a branch belongs to, from indexes: a list of branches asks for hundreds at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codecourier.apiserver.branch_indexes import MADE, USED
from codecourier.cache.store import Store
from codecourier.core.shared.consent import is_same_repository
from codecourier.kinds.sources import MERGE_JOB_SOURCE, RUN_SOURCE, SPRINT_CHAIN_SOURCE
from codecourier.kube.api import Json

__all__ = ["find_maker", "find_user"]


def find_maker(store: Store, namespace: str, url: str, branch: str) -> str | None:
    """Return the name of the Run that made a branch of a repository, the newest of several; None: there is none."""
    runs = _of_repository(store, RUN_SOURCE, MADE, namespace, url, branch)
    newest = max(runs, key=lambda run: (run["metadata"]["creationTimestamp"], run["metadata"]["name"]), default=None)
    return None if newest is None else str(newest["metadata"]["name"])


def find_user(store: Store, namespace: str, url: str, branch: str) -> str | None:
    """Return what uses a branch of a repository and is not finished, such as `Run fix`; None: nothing does."""
    for source in (RUN_SOURCE, SPRINT_CHAIN_SOURCE, MERGE_JOB_SOURCE):
        for user in _of_repository(store, source, USED, namespace, url, branch):
            return f"{source.resource.kind} {user['metadata']['name']}"
    return None


def _of_repository(store: Store, source: Any, index: str, namespace: str, url: str, branch: str) -> Iterator[Json]:
    for obj in store.cache(source.resource).by_index(index, (namespace, branch)):
        found = (obj.get("status") or {}).get("repositoryUrl") or obj["spec"].get("repositoryUrl")
        if found is None:
            found = next((pull.rpartition("/pull/")[0] for pull in obj["spec"].get("pullRequests") or ()), None)
        # Without an address it is that of the Project's default repository, once the operator has seen the object.
        if found is None or is_same_repository(found, url):
            yield obj
