"""Answers what plans ask about merges."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from codecourier.checks import Gate, MergeMethods
from codecourier.controller.ask_host import AskHost
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.merge_facts import (
    ApprovalAsk,
    ApprovalFact,
    CommitAsk,
    CommitFact,
    DependantsAsk,
    DependantsFact,
    GateAsk,
    MergeMethodsAsk,
    MergePullAsk,
    MergePullFact,
    QueueAsk,
    QueueFact,
    WorkflowRightAsk,
    WorkflowRightFact,
)
from codecourier.github.operations.find_approval import FindApproval
from codecourier.github.operations.get_commit import GetCommit
from codecourier.github.operations.get_merge_methods import GetMergeMethods
from codecourier.github.operations.get_pull_request import GetPullRequest, MergeablePull
from codecourier.github.operations.get_workflow_right import GetWorkflowRight
from codecourier.github.operations.merge_queue import LookAtQueue
from codecourier.github.operations.read_gate import ReadGate
from codecourier.github.operations.stacked_pulls import FindDependants
from codecourier.text import MARK

__all__ = ["MergeReader"]

R = TypeVar("R")

_MOST_COMMITS = 4096
"""How many commits are remembered; they never change."""


class MergeReader:
    """Reads pull requests, checks and commits for merges, always as they are now.

    Parameters
    ----------
    ask_host
        Carries out an operation.
    """

    def __init__(self, ask_host: AskHost) -> None:
        self._ask_host = ask_host
        self._commits: OrderedDict[tuple[str, str, str], CommitFact] = OrderedDict()

    async def look(self, ask: MergePullAsk) -> MergePullFact | Problem:
        """Look a pull request up."""
        found = await self._ask_host(ask.repository, GetPullRequest(ask.number, MARK, ask.with_place), ask.number)
        return found if isinstance(found, Problem) else _fact(found)

    async def find_dependants(self, ask: DependantsAsk) -> DependantsFact | Problem:
        """Find what is to be merged into a branch."""
        found = await self._ask_host(ask.repository, FindDependants(ask.branch, MARK))
        return found if isinstance(found, Problem) else DependantsFact(found)

    async def look_at_queue(self, ask: QueueAsk) -> QueueFact | Problem:
        """Look for a pull request in the merge queue."""
        found = await self._ask_host(ask.repository, LookAtQueue(ask.number), ask.number)
        if isinstance(found, Problem):
            return found
        return QueueFact(found.is_open, found.is_queued, found.position, found.exit_id, found.exit_reason)

    async def read_gate(self, ask: GateAsk) -> Gate | Problem:
        """Read the required checks of a branch and the checks at a commit."""
        return await self._ask_host(ask.repository, ReadGate(ask.branch, ask.commit))

    async def find_approval(self, ask: ApprovalAsk) -> ApprovalFact | Problem:
        """Find out whether a user who may write to the repository has approved a commit of a pull request."""
        found = await self._ask_host(ask.repository, FindApproval(ask.number, ask.commit), ask.number)
        return found if isinstance(found, Problem) else ApprovalFact(found)

    async def find_methods(self, ask: MergeMethodsAsk) -> MergeMethods | Problem:
        """Find out how pull requests for a branch may be merged."""
        return await self._ask_host(ask.repository, GetMergeMethods(ask.branch))

    async def read_workflow_right(self, ask: WorkflowRightAsk) -> WorkflowRightFact | Problem:
        """Find out whether the credential may change workflow files."""
        found = await self._ask_host(ask.repository, GetWorkflowRight())
        return found if isinstance(found, Problem) else WorkflowRightFact(found)

    async def read_commit(self, ask: CommitAsk) -> CommitFact | Problem:
        """Look a commit up."""
        access = ask.repository
        if isinstance(access, Problem):
            return access
        key = access.namespace, access.url, ask.commit
        if key in self._commits:
            return self._commits[key]
        found = await self._ask_host(access, GetCommit(ask.commit))
        if isinstance(found, Problem):
            return found
        self._commits[key] = CommitFact(found.tree, found.parents)
        if len(self._commits) > _MOST_COMMITS:
            self._commits.popitem(last=False)
        return self._commits[key]


def _fact(found: MergeablePull) -> MergePullFact:
    pull = found.pull
    return MergePullFact(
        number=pull.number,
        url=pull.url,
        title=pull.title,
        state=pull.state,
        is_draft=pull.is_draft,
        is_fork=found.is_fork,
        head_branch=pull.head_branch,
        head_commit=pull.head_sha,
        base_branch=pull.base_branch,
        merge_state=found.merge_state,
        merge_commit=found.merge_commit,
        merge_time=found.merge_time,
        is_own=found.is_own,
        below=found.place.below,
        new_base=found.place.new_base,
    )
