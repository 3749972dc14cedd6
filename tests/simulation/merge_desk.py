"""What one operator's client can do at the simulated forge for merges."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from codecourier.checks import Gate, RequiredCheck
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import ForgeNotFound, ForgeRefused
from codecourier.github.operations.create_branch import BranchExists, CreateBranch
from codecourier.github.operations.get_commit import CommitFacts, GetCommit
from codecourier.github.operations.get_pull_request import GetPullRequest, MergeablePull, PullRequestNotFound
from codecourier.github.operations.merge_pull_request import MergeAnswer, MergePullRequest
from codecourier.github.operations.read_gate import ChecksForbidden, ReadGate
from codecourier.pull_request import PullRequestState
from tests.simulation.network import Verb
from tests.simulation.pulls import FAST, Pull, checks_of, facts_of

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
        }

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
