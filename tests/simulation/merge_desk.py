"""What one operator's client can do at the simulated forge for merges."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from codecourier.checks import Approval, Gate, MergeMethods, MergeStrategy, RequiredCheck
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import ForgeNotFound, ForgeRefused
from codecourier.github.operations.close_pull_request import ClosePullRequest
from codecourier.github.operations.create_branch import BranchExists, CreateBranch
from codecourier.github.operations.find_approval import FindApproval
from codecourier.github.operations.get_commit import CommitFacts, GetCommit
from codecourier.github.operations.get_merge_methods import GetMergeMethods
from codecourier.github.operations.get_pull_request import GetPullRequest, MergeablePull, PullRequestNotFound
from codecourier.github.operations.get_workflow_right import GetWorkflowRight
from codecourier.github.operations.merge_pull_request import MergeAnswer, MergePullRequest
from codecourier.github.operations.merge_queue import LookAtQueue, QueuePlace
from codecourier.github.operations.read_gate import ChecksForbidden, ReadGate
from codecourier.github.operations.stacked_pulls import ALONE, FindDependants, RetargetPullRequest, StackPlace
from codecourier.pull_request import PullRequestState
from tests.simulation.network import Verb
from tests.simulation.pulls import FAST, MAIN, Pull, checks_of, facts_of

if TYPE_CHECKING:
    from tests.simulation.forge import ForgeServer

__all__ = ["MergeDesk"]

T = TypeVar("T")


class Carry(Protocol):
    """Carries one request over the network and back."""

    async def __call__(self, verb: Verb, name: str, work: Callable[[], T]) -> T:
        """Return what the work at the forge returns."""


class MergeDesk:
    """What one operator's client can do for merges.

    Parameters
    ----------
    server
        The forge.
    look
        Lets a repository's credential in, or raises.
    carry
        Carries one request.
    """

    def __init__(self, server: ForgeServer, look: Callable[[RepositoryRef], object], carry: Carry) -> None:
        self._server = server
        self._look = look
        self._carry = carry
        self.doings: dict[type, Callable[[RepositoryRef, Any], Awaitable[Any]]] = {
            GetPullRequest: self._get,
            ReadGate: self._read_gate,
            GetCommit: self._get_commit,
            MergePullRequest: self._merge,
            CreateBranch: self._create_branch,
            **self._simple_reads(),
            RetargetPullRequest: self._retarget,
            ClosePullRequest: self._close,
        }

    def _simple_reads(self) -> dict[type, Callable[[RepositoryRef, Any], Awaitable[Any]]]:
        """Return what needs one look only. The forge has no merge queue, no reviews, and forbids no way to merge."""
        server = self._server

        def dependants(operation: FindDependants) -> tuple[int, ...]:
            found = (pull for pull in server.pulls if pull.base == operation.branch and not pull.is_fork)
            return tuple(p.number for p in found if p.state is PullRequestState.OPEN and operation.mark in p.body)

        def queue_place(operation: LookAtQueue) -> QueuePlace:
            is_open = self._find(operation.number).state is PullRequestState.OPEN
            return QueuePlace(is_open, is_queued=False, position=None, exit_id=None, exit_reason="")

        def approval(operation: FindApproval) -> Approval:
            self._find(operation.number)
            return Approval.MISSING

        reads: dict[type, Callable[[Any], object]] = {
            FindDependants: dependants,
            LookAtQueue: queue_place,
            FindApproval: approval,
            GetMergeMethods: lambda _: MergeMethods(frozenset(MergeStrategy), has_queue=False),
            GetWorkflowRight: lambda _: None,
        }
        return {kind: partial(self._read, work) for kind, work in reads.items()}

    async def _read(self, answer: Callable[[Any], T], repo: RepositoryRef, operation: Any) -> T:
        def work() -> T:
            self._look(repo)
            return answer(operation)

        return await self._carry("get", type(operation).__name__, work)

    async def _retarget(self, repo: RepositoryRef, operation: RetargetPullRequest) -> None:
        def work() -> None:
            self._look(repo)
            if operation.base not in self._server.branches:
                raise ForgeRefused("Validation Failed: the base is no branch (422)", status=422)
            self._server.change(self._find(operation.number), base=operation.base)

        await self._carry("patch", f"base of {operation.number}", work)

    async def _close(self, repo: RepositoryRef, operation: ClosePullRequest) -> None:
        def work() -> None:
            self._look(repo)
            pull = self._find(operation.number)
            if pull.state is PullRequestState.OPEN and pull.head_sha == operation.head:
                self._server.change(pull, state=PullRequestState.CLOSED, ended_at=self._server.now())
                self._server.merger.closed.append(operation)

        await self._carry("patch", f"state of {operation.number}", work)

    def _place_of(self, pull: Pull, mark: str) -> StackPlace:
        """Return where a pull request is among those of the operator that are built on each other."""
        if pull.state is not PullRequestState.OPEN or pull.base == MAIN or pull.is_fork or mark not in pull.body:
            return ALONE
        found = [p for p in reversed(self._server.pulls) if p.head == pull.base and mark in p.body and not p.is_fork]
        merged = next((p for p in found if p.state is PullRequestState.MERGED), None)
        if any(p.state is PullRequestState.OPEN for p in found) or (found and merged is None):
            return StackPlace(below=(found[0].number,))
        return ALONE if merged is None else StackPlace(new_base=merged.base)

    async def _get(self, repo: RepositoryRef, operation: GetPullRequest) -> MergeablePull:
        def work() -> MergeablePull:
            self._look(repo)
            pull = self._find(operation.number)
            is_merged = pull.state is PullRequestState.MERGED
            return MergeablePull(
                pull=facts_of(pull, has_marker=False),
                is_fork=pull.is_fork,
                merge_state=self._server.merger.state_of(pull),
                merge_commit=pull.merge_sha,
                merge_time=pull.ended_at if is_merged else None,
                is_own=operation.mark in pull.body and not pull.is_fork,
                place=self._place_of(pull, operation.mark) if operation.with_place else ALONE,
            )

        return await self._carry_read(f"pull request {operation.number}", work)

    async def _read_gate(self, repo: RepositoryRef, operation: ReadGate) -> Gate:
        def work() -> Gate:
            self._look(repo)
            if self._server.hides_checks:
                raise ChecksForbidden("Resource not accessible by integration (403)", status=403)
            if operation.branch not in self._server.branches:
                raise ForgeNotFound("Branch not found (404)", status=404)
            pulls = (pull for pull in self._server.pulls if pull.head_sha == operation.commit)
            checks = {check.name: check for pull in pulls for check in checks_of(pull)}
            required = (RequiredCheck(FAST, None),) if operation.branch in self._server.merger.required else ()
            is_unfinished = any(check.word == "in_progress" for check in checks.values())
            return Gate(required, False, tuple(checks[name] for name in sorted(checks)), int(is_unfinished), True)

        return await self._carry("get", f"gate of {operation.branch}", work)

    async def _get_commit(self, repo: RepositoryRef, operation: GetCommit) -> CommitFacts:
        def work() -> CommitFacts:
            self._look(repo)
            commit = self._server.history.commits.get(operation.commit)
            if commit is None:
                raise ForgeNotFound("Not Found (404)", status=404)
            return CommitFacts(commit.tree_id, commit.parents)

        return await self._carry("get", f"commit {operation.commit[:12]}", work)

    async def _merge(self, repo: RepositoryRef, operation: MergePullRequest) -> MergeAnswer:
        def work() -> MergeAnswer:
            self._look(repo)
            return self._server.merger.ask(self._find(operation.number), operation)

        return await self._carry("create", f"merge of {operation.number}", work)

    async def _create_branch(self, repo: RepositoryRef, operation: CreateBranch) -> None:
        def work() -> None:
            self._look(repo)
            if operation.branch in self._server.branches:
                raise BranchExists("Reference already exists (422)", status=422)
            if operation.commit not in self._server.history.commits:
                raise ForgeRefused("Object does not exist (422)", status=422)
            self._server.branches[operation.branch] = operation.commit

        await self._carry("create", f"branch {operation.branch}", work)

    async def _carry_read(self, name: str, work: Callable[[], T]) -> T:
        """Carry a request for a pull request: to the operation, 404 says that there is none."""
        try:
            return await self._carry("get", name, work)
        except ForgeNotFound as error:
            raise PullRequestNotFound(error.message, status=error.status) from None

    def _find(self, number: int) -> Pull:
        found = self._server.find_pull(number)
        if found is None:
            raise ForgeNotFound("Not Found (404)", status=404)
        return found
