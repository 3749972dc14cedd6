"""What is recorded first: the base, and each pull request with its head.

What the host says later changes nothing: a head that moves is merged as it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from codecourier.address import split_pull_request_address
from codecourier.core.merge_job.ledger import result_branch
from codecourier.core.merge_job.world import MergeJobWorld, workflow_name
from codecourier.core.shared.facts import BranchHeadAsk, Problem, RepositoryAsk
from codecourier.core.shared.merge_facts import MergePullAsk, MergePullFact
from codecourier.core.shared.outcome import accepted
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.references import find_head
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import JobSource, MergeJobPhase, MergeJobStatus, MergeMode, SourceResult
from codecourier.text import visible

__all__ = ["record"]

TITLE_LENGTH = 256
"""How many characters of a title are kept."""

BRANCH_LENGTH = 244
"""Longest branch name that a status holds."""

_STATES = {
    PullRequestState.MERGED: Reason.MERGED_BEFORE,
    PullRequestState.CLOSED: Reason.PULL_REQUEST_CLOSED,
}


def record(world: MergeJobWorld, now: datetime) -> MergeJobStatus | Problem:
    """Return the status that holds the base and every pull request, or why they cannot be read now.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    job, access = world.job, world.access
    urls = {split_pull_request_address(url)[1]: url for url in job.spec.pull_requests}
    answers = world.facts.get_all(MergePullAsk(access, number) for number in urls)
    waiting = next((a for a in answers if isinstance(a, Problem) and a.reason is not _ABSENT), None)
    if waiting is not None:
        return waiting
    pulls = dict(zip(urls, answers, strict=True))
    base = _find_base(world, pulls.values())
    if isinstance(base, Problem):
        return base
    branch, commit = base
    if (problem := _find_taken(world)) is not None:
        return problem
    return accepted(job, job.status, now).updated(
        phase=MergeJobPhase.RUNNING,
        repository_url=world.repository_url,
        workflow=workflow_name(job, world.project),
        base_branch=branch,
        base_commit=commit,
        sources=tuple(_source(number, urls[number], pull, branch) for number, pull in pulls.items()),
        start_time=now,
        waiting_for="",
    )


_ABSENT = Reason.PULL_REQUEST_NOT_FOUND


def _find_base(world: MergeJobWorld, pulls: Iterable[MergePullFact | Problem]) -> tuple[str, str] | Problem:
    """Return the branch to merge into and its head, or why there is none."""
    branch = world.job.spec.base_branch
    if branch is None:
        usable = (p for p in pulls if not isinstance(p, Problem) and _find_fault(p) is None)
        branch = next((pull.base_branch for pull in usable), None)
    if branch is None:
        known = world.facts.get(RepositoryAsk(world.access))
        if isinstance(known, Problem):
            return known
        branch = known.default_branch
    head = find_head(world.facts, world.access, world.repository_url, branch)
    return head if isinstance(head, Problem) else (branch, head)


def _find_taken(world: MergeJobWorld) -> Problem | None:
    """Return why the branch of the new pull request cannot be made; None: it is free, or none is made."""
    if world.job.spec.mode is MergeMode.SINGLE:
        return None
    branch = result_branch(world.job)
    head = world.facts.get(BranchHeadAsk(world.access, branch))
    if isinstance(head, Problem):
        return head
    if head.commit is None:
        return None
    text = sentence(Reason.BRANCH_TAKEN, repository=world.repository_url, branch=branch)
    return Problem(Reason.BRANCH_TAKEN, text)


def _find_fault(pull: MergePullFact) -> Reason | None:
    """Return why a pull request is left out, whatever the base is; None: it is merged."""
    if pull.state is not PullRequestState.OPEN:
        return _STATES[pull.state]
    if pull.is_draft:
        return Reason.PULL_REQUEST_DRAFT
    return Reason.PULL_REQUEST_FROM_FORK if pull.is_fork else None


def _source(number: int, url: str, pull: MergePullFact | Problem, base: str) -> JobSource:
    if isinstance(pull, Problem):
        return JobSource(
            number=number, url=url, result=SourceResult.EXCLUDED, reason=pull.reason.value, message=pull.message
        )
    fault = _find_fault(pull)
    if fault is None and pull.base_branch != base:
        fault = Reason.OTHER_BASE
    source = JobSource(
        number=number,
        url=url,
        title=" ".join(visible(pull.title).split())[:TITLE_LENGTH],
        head_commit=pull.head_commit,
        head_branch=pull.head_branch if len(pull.head_branch) <= BRANCH_LENGTH else None,
    )
    if fault is None:
        return source
    text = sentence(fault, url=url, branch=pull.base_branch, base=base)
    return source.updated(result=SourceResult.EXCLUDED, reason=fault.value, message=text)
