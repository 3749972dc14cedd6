"""Indexes of the API server's caches: objects by the branches of repositories that they have to do with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from codecourier.cache.source import Source
from codecourier.kinds.sources import MERGE_JOB_SOURCE, RUN_SOURCE, SPRINT_CHAIN_SOURCE
from codecourier.kube.api import Json
from codecourier.kube.cache import IndexFunction
from codecourier.resources.run import RunPhase

__all__ = ["BRANCH_INDEXES", "MADE", "USED"]

MADE = "made"
"""Runs by namespace and the branch that they push to."""

USED = "used"
"""What is not finished, by namespace and each branch that it reads or writes."""

_FINISHED = frozenset(phase.value for phase in RunPhase if phase.is_finished)
"""The final phases of Runs, SprintChains and MergeJobs, which have the same words."""


def _branches(obj: Json) -> Iterator[str]:
    """Yield the branches of a Run, a SprintChain or a MergeJob."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    yield from filter(None, (spec.get("baseBranch"), spec.get("pullRequestBase"), spec.get("branchName")))
    yield from filter(None, (status.get("baseBranch"), status.get("branch")))
    yield from filter(None, (sprint.get("branch") for sprint in status.get("sprints") or ()))
    yield from filter(None, (source.get("headBranch") for source in status.get("sources") or ()))
    yield from filter(None, ((status.get("result") or {}).get("branch"),))


def _made(run: Json) -> list[tuple[str, str]]:
    branch = (run.get("status") or {}).get("branch")
    return [(run["metadata"]["namespace"], branch)] if branch else []


def _used(obj: Json) -> list[tuple[str, str]]:
    if (obj.get("status") or {}).get("phase") in _FINISHED:
        return []
    return [(obj["metadata"]["namespace"], branch) for branch in dict.fromkeys(_branches(obj))]


BRANCH_INDEXES: Mapping[Source[object], Mapping[str, IndexFunction]] = {
    RUN_SOURCE: {MADE: _made, USED: _used},
    SPRINT_CHAIN_SOURCE: {USED: _used},
    MERGE_JOB_SOURCE: {USED: _used},
}
"""The indexes of each kind."""
