"""Which Runs of a namespace made the pull requests that a MergeJob names."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from codecourier.core.merge_job.world import name_pulls
from codecourier.core.shared.consent import repository_key
from codecourier.kinds.relation import Edge, Index, Relation, View
from codecourier.kinds.sources import RUN_SOURCE
from codecourier.kube.api import Json
from codecourier.resources.merge_job import MergeJob

__all__ = ["MAKERS"]

_INDEX = "made pull request"


def _key(namespace: str, url: str, number: int) -> Hashable:
    return (namespace, *repository_key(url), number)


def _index_of(run: Json) -> list[Hashable]:
    status = run.get("status") or {}
    url, number = status.get("repositoryUrl"), (status.get("pullRequest") or {}).get("number")
    return [_key(run["metadata"]["namespace"], url, number)] if url and number else []


def _read(view: View, job: MergeJob) -> Mapping[int, str]:
    found = dict[int, str]()
    for url, number in name_pulls(job):
        keys = view.store.cache(RUN_SOURCE.resource).keys_by_index(_INDEX, _key(job.namespace, url, number))
        names = sorted(name for _, name in keys)
        if names:
            found[number] = names[0]
    return found


# What is read is recorded once, at the beginning, so a change of a Run wakes no MergeJob by it.
_EDGE = Edge(
    RUN_SOURCE,
    lambda _store, _reader, _old, _new: (),
    indexes=(Index(_INDEX, _index_of, RUN_SOURCE.resource),),
)

MAKERS: Relation[MergeJob, Mapping[int, str]] = Relation(_read, lambda _origins: (_EDGE,))
"""The names of the Runs, by the number of their pull request; those that no Run of the namespace made are absent."""
