"""What is recorded first: the base, and each pull request with its head.

What the host says later changes nothing: a head that moves is merged as it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from codecourier.address import split_pull_request_address
from codecourier.checks import Approval, MergeStrategy
from codecourier.core.merge_job.ledger import result_branch
from codecourier.core.merge_job.world import MergeJobWorld, workflow_name
from codecourier.core.shared.facts import Ask, BranchHeadAsk, Problem, RepositoryAsk
from codecourier.core.shared.merge_facts import (
    ApprovalAsk,
    ApprovalFact,
    MergeMethodsAsk,
    MergePullAsk,
    MergePullFact,
    WorkflowRightAsk,
    WorkflowRightFact,
)
from codecourier.core.shared.outcome import accepted
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.references import find_head
from codecourier.pull_request import PullRequestState, is_branch_name
from codecourier.redaction import redact
from codecourier.resources.merge_job import JobSource, MergeJobPhase, MergeJobStatus, MergeMode, SourceResult
from codecourier.text import visible

__all__ = ["record"]

TITLE_LENGTH = 256
"""How many characters of a title are kept."""

_ABSENT = Reason.PULL_REQUEST_NOT_FOUND

_STATES = {
    PullRequestState.MERGED: Reason.MERGED_BEFORE,
    PullRequestState.CLOSED: Reason.PULL_REQUEST_CLOSED,
}

_UNAPPROVED = {
    Approval.MISSING: "no user has approved it.",
    Approval.OUTDATED: "its approval is for another commit.",
    Approval.NOT_BY_WRITER: "none of the users who approved it may write to the repository.",
    Approval.UNREAD: "it has more reviews than the operator reads.",
}
"""Why a pull request from a fork is left out although the Project allows forks, as the end of a sentence."""


@dataclass(frozen=True)
class _Candidate:
    """A pull request that the spec names, as the host shows it."""

    number: int
    url: str
    """As the spec has it."""

    pull: MergePullFact | Problem
    approval: ApprovalFact | Problem | None
    """Of its head; None: it does not matter, or forks are not allowed."""

    @property
    def answers(self) -> tuple[object, ...]:
        return self.pull, self.approval

    def find_fault(self) -> tuple[Reason, str] | None:
        """Return why it is left out whatever the base is, with the detail of the sentence; None: it is merged."""
        pull = self.pull
        if isinstance(pull, Problem):
            return pull.reason, pull.message
        if pull.state is not PullRequestState.OPEN:
            return _STATES[pull.state], ""
        if pull.is_draft:
            return Reason.PULL_REQUEST_DRAFT, ""
        if not _is_plain_branch(pull.base_branch):
            return Reason.BRANCH_UNUSABLE, ""
        return self._find_fork_fault() if pull.is_fork else None

    def _find_fork_fault(self) -> tuple[Reason, str] | None:
        if not isinstance(self.approval, ApprovalFact):
            return Reason.PULL_REQUEST_FROM_FORK, ""
        detail = _UNAPPROVED.get(self.approval.approval)
        return None if detail is None else (Reason.FORK_NOT_APPROVED, detail)

    def record(self, base: str) -> JobSource:
        """Return it as the status keeps it, for a merge into this branch."""
        pull, fault = self.pull, self.find_fault()
        if isinstance(pull, Problem):
            excluded = {"result": SourceResult.EXCLUDED, "reason": pull.reason.value, "message": pull.message}
            return JobSource(number=self.number, url=self.url).updated(**excluded)
        if fault is None and pull.base_branch != base:
            fault = Reason.OTHER_BASE, ""
        source = JobSource(
            number=self.number,
            url=self.url,
            title=_shown(pull.title)[:TITLE_LENGTH],
            head_commit=pull.head_commit,
            head_branch=pull.head_branch if _is_plain_branch(pull.head_branch) else None,
        )
        if fault is None:
            return source
        reason, detail = fault
        values = {"branch": _shown(pull.base_branch), "base": base, "commit": pull.head_commit, "detail": detail}
        text = sentence(reason, url=self.url, **values)
        return source.updated(result=SourceResult.EXCLUDED, reason=reason.value, message=text)


def _shown(text: str) -> str:
    """Return a text of a pull request as a status may hold it: what cannot be seen, and credentials, are left out."""
    return redact(" ".join(visible(text).split()))


def _is_plain_branch(name: str) -> bool:
    """Tell whether a status can hold the name of a branch as it is."""
    return is_branch_name(name) and _shown(name) == name


def record(world: MergeJobWorld, now: datetime) -> MergeJobStatus | Problem:
    """Return the status that holds the base and every pull request, or why they cannot be read now.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    job = world.job
    right, candidates = _look(world)
    answers = (right, *(answer for candidate in candidates for answer in candidate.answers))
    waiting = next((a for a in answers if isinstance(a, Problem) and a.reason is not _ABSENT), None)
    if waiting is not None:
        return waiting
    base = _find_base(world, candidates)
    if isinstance(base, Problem):
        return base
    branch, commit = base
    if (problem := _find_taken(world)) is not None:
        return problem
    sources = _record_sources(world, candidates, branch)
    if isinstance(sources, Problem):
        return sources
    return accepted(job, job.status, now).updated(
        phase=MergeJobPhase.RUNNING,
        repository_url=world.repository_url,
        workflow=workflow_name(job, world.project),
        base_branch=branch,
        base_commit=commit,
        may_change_workflows=right,
        sources=tuple(source.updated(run=world.makers.get(source.number)) for source in sources),
        start_time=now,
        waiting_for="",
    )


def _look(world: MergeJobWorld) -> tuple[bool | Problem | None, tuple[_Candidate, ...]]:
    """Return whether the credential may change workflow files, and the pull requests; all are asked for at once."""
    access = world.access
    urls = {split_pull_request_address(url)[1]: url for url in world.job.spec.pull_requests}
    is_single = world.job.spec.mode is MergeMode.SINGLE
    pull_asks = {number: MergePullAsk(access, number, with_place=is_single) for number in urls}
    asks: list[Ask[Any]] = [*pull_asks.values()]
    # No request shows what a personal token may.
    right_ask = WorkflowRightAsk(access)
    is_app = not isinstance(access, Problem) and access.installation_id is not None
    world.facts.get_all([*asks, right_ask] if is_app else asks)
    pulls = {number: world.facts.get(ask) for number, ask in pull_asks.items()}
    found = world.facts.get(right_ask) if is_app else None
    right = found.may_change if isinstance(found, WorkflowRightFact) else found
    approvals = _find_approvals(world, pulls)
    return right, tuple(_Candidate(n, urls[n], pull, approvals.get(n)) for n, pull in pulls.items())


def _find_approvals(
    world: MergeJobWorld, pulls: Mapping[int, MergePullFact | Problem]
) -> dict[int, ApprovalFact | Problem]:
    """Return the approvals of pull requests from forks, each of its head; none where the Project allows no forks."""
    if world.project is None or not world.project.spec.merges.allow_forks:
        return {}
    forks = {number: pull for number, pull in pulls.items() if not isinstance(pull, Problem) and pull.is_fork}
    asks = [ApprovalAsk(world.access, number, pull.head_commit) for number, pull in forks.items()]
    return dict(zip(forks, world.facts.get_all(asks), strict=True))


def _find_base(world: MergeJobWorld, candidates: Iterable[_Candidate]) -> tuple[str, str] | Problem:
    """Return the branch to merge into and its head, or why there is none."""
    branch = world.job.spec.base_branch
    if branch is None:
        pulls = (c.pull for c in candidates if c.find_fault() is None)
        branch = next((pull.base_branch for pull in pulls if not isinstance(pull, Problem)), None)
    if branch is None:
        known = world.facts.get(RepositoryAsk(world.access))
        if isinstance(known, Problem):
            return known
        branch = known.default_branch
    head = find_head(world.facts, world.access, world.repository_url, branch)
    return head if isinstance(head, Problem) else (branch, head)


def _record_sources(
    world: MergeJobWorld, candidates: Iterable[_Candidate], branch: str
) -> tuple[JobSource, ...] | Problem:
    """Return the pull requests as the status keeps them, or why it cannot be known now how the host merges."""
    sources = tuple(candidate.record(branch) for candidate in candidates)
    if all(source.result is SourceResult.EXCLUDED for source in sources):
        return sources
    fault = _find_strategy_fault(world, branch)
    if fault is None or fault.reason is not Reason.STRATEGY_FORBIDDEN:
        return fault or sources
    excluded = {"result": SourceResult.EXCLUDED, "reason": fault.reason.value, "message": fault.message}
    return tuple(source.updated(**excluded) for source in sources)


def _find_strategy_fault(world: MergeJobWorld, branch: str) -> Problem | None:
    """Return why the host would not merge as the spec says, or why that cannot be known now; None: it would."""
    if world.job.spec.mode is not MergeMode.SINGLE:
        return None
    methods = world.facts.get(MergeMethodsAsk(world.access, branch))
    if isinstance(methods, Problem):
        return methods
    strategy = world.job.spec.merge_strategy or MergeStrategy.SQUASH
    if methods.has_queue or strategy in methods.allowed:
        return None
    allowed = ", ".join(sorted(methods.allowed)) or "none is allowed"
    text = sentence(Reason.STRATEGY_FORBIDDEN, branch=branch, strategy=strategy.value, allowed=allowed)
    return Problem(Reason.STRATEGY_FORBIDDEN, text)


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
