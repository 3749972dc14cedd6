"""The ledger of a merge: which step is next, how it is claimed, and the Run that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from codecourier.core.shared.naming import FINALIZER, LABEL_ORIGIN_UID, branch_name, merge_run_name
from codecourier.resources.merge import Merge, MergeSource
from codecourier.resources.merge_job import (
    MOST_STEPS,
    JobSource,
    MergeJob,
    MergeJobStatus,
    MergeMode,
    MergeStep,
    SourceResult,
)
from codecourier.resources.meta import LocalReference, ObjectMeta
from codecourier.resources.run import Origin, Run, RunPhase, RunSpec

__all__ = [
    "DEFAULT_ATTEMPTS",
    "active_step",
    "build_step_run",
    "claim_step",
    "count_merged",
    "is_run_of_step",
    "next_batch",
    "pending",
    "restart",
    "result_branch",
    "with_sources",
]

DEFAULT_ATTEMPTS = 2
"""How often the agent may try to resolve the conflicts of one pull request, where the spec does not say."""

_PROMPT = (
    "Two changes of this repository conflict. Resolve every conflict so that both do what they were made for, and "
    "change nothing else."
)

_MERGED = frozenset({SourceResult.CLEAN, SourceResult.RESOLVED})


def result_branch(job: MergeJob) -> str:
    """Return the branch of the new pull request."""
    return job.spec.branch_name or branch_name(job.name, job.uid, 1)


def active_step(status: MergeJobStatus) -> MergeStep | None:
    """Return the step whose end is awaited; None: there is none."""
    return next((step for step in status.steps if step.phase is RunPhase.RUNNING), None)


def pending(status: MergeJobStatus) -> tuple[int, ...]:
    """Return the numbers of the pull requests that are not decided, in their order."""
    return tuple(source.number for source in status.sources if source.result is SourceResult.PENDING)


def count_merged(status: MergeJobStatus) -> int:
    """Return how many pull requests a verified commit has."""
    return sum(source.result in _MERGED for source in status.sources)


def next_batch(status: MergeJobStatus) -> tuple[int, ...]:
    """Return the numbers of the pull requests that the next step is given.

    All that are left; of those with which a step failed, the first half until the one is found that fails.
    """
    left = pending(status)
    suspected = tuple(number for number in left if number in status.suspected)
    if not suspected:
        return left
    return suspected[: (len(suspected) + 1) // 2] if len(suspected) > 1 else suspected


def claim_step(job: MergeJob, status: MergeJobStatus, now: datetime) -> MergeJobStatus:
    """Return the status that claims the next step; pull requests are left and the limit of steps is not reached.

    Raises
    ------
    ValueError
        If there is no base, or no room for a step.
    """
    index, base = len(status.steps), status.head_commit or status.base_commit
    if base is None or index >= MOST_STEPS:
        raise ValueError(f"MergeJob {job.name} cannot have step {index}")
    step = MergeStep(
        index=index,
        run=merge_run_name(job.name, job.uid, index),
        base_commit=base,
        numbers=next_batch(status),
        claim_time=now,
    )
    return status.updated(steps=(*status.steps, step))


def build_step_run(job: MergeJob, status: MergeJobStatus, step: MergeStep) -> Run:
    """Return the Run of a step. Its finalizer keeps it until the ledger has its end."""
    return Run(
        metadata=ObjectMeta(
            name=step.run,
            namespace=job.namespace,
            labels={LABEL_ORIGIN_UID: job.uid},
            finalizers=(FINALIZER,),
        ),
        spec=RunSpec(
            workflow_ref=LocalReference(name=status.workflow or ""),
            prompt=job.spec.prompt or _PROMPT,
            title=f"Step {step.index + 1} of MergeJob {job.name}",
            repository_url=status.repository_url,
            base_branch=status.base_branch,
            base_commit=step.base_commit,
            origin=Origin(kind=job.kind, name=job.name, uid=job.uid, index=step.index),
            merge=Merge(
                sources=_sources(status, step.numbers),
                resolves=job.spec.mode is MergeMode.COMBINE,
                may_change_workflows=status.may_change_workflows,
            ),
        ),
    )


def is_run_of_step(status: MergeJobStatus, step: MergeStep, run: Run) -> bool:
    """Tell whether a Run merges what the ledger says; another one was made before the status was lost."""
    merge = run.spec.merge
    wanted = _sources(status, step.numbers)
    return run.spec.base_commit == step.base_commit and merge is not None and merge.sources == wanted


def restart(status: MergeJobStatus) -> MergeJobStatus:
    """Return the status in which all that was merged is to be merged again, without workflow files."""
    merged = (source for source in status.sources if source.result in _MERGED)
    fresh = {"result": SourceResult.PENDING, "commit": None, "attempts": 0}
    return with_sources(status, (source.updated(**fresh) for source in merged)).updated(
        may_change_workflows=False, head_commit=None, head_tree=None, result=None, suspected=()
    )


def with_sources(status: MergeJobStatus, changed: Iterable[JobSource]) -> MergeJobStatus:
    """Return the status with these pull requests changed."""
    by_number = {source.number: source for source in changed}
    return status.updated(sources=tuple(by_number.get(source.number, source) for source in status.sources))


def _sources(status: MergeJobStatus, numbers: Iterable[int]) -> tuple[MergeSource, ...]:
    heads = {source.number: source.head_commit for source in status.sources}
    return tuple(MergeSource(number=number, head_commit=heads[number] or "") for number in numbers)
