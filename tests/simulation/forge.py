"""A forge in memory: commits with trees, branches, pull requests, issues and tokens, behind a network that fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

from codecourier.checks import MergeStrategy
from codecourier.github.api import Operation
from codecourier.github.credentials import AppInstallation, RepositoryRef
from codecourier.github.errors import CredentialsRefused, ForgeError, ForgeNotFound, RateLimited, Silent, Unavailable
from codecourier.github.operations.create_pull_request import CreatePullRequest, PullRequestExists, PullRequestRefused
from codecourier.github.operations.find_pull_requests import FindPullRequests
from codecourier.github.operations.get_branch_head import GetBranchHead
from codecourier.github.operations.get_repository import GetRepository, RepositoryFacts
from codecourier.github.operations.look_at_pull_requests import LookAtPullRequests, PullRequestLooks
from codecourier.github.operations.mint_token_pair import MintTokenPair, TokenPair
from codecourier.github.operations.pull_request import PullRequestFacts
from codecourier.github.operations.revoke_token import Revocation, RevokeToken
from codecourier.github.secret import Secret
from codecourier.kube.api import Resource
from codecourier.kube.errors import ApiError, TooManyRequests, Unanswered
from codecourier.pull_request import PullRequestState
from tests.simulation.history import Commit, History
from tests.simulation.issues import Board, IssueDesk
from tests.simulation.merge_desk import MergeDesk
from tests.simulation.merger import Merger
from tests.simulation.neighbours import HUNG_SECONDS, HUNG_URL
from tests.simulation.network import CALL_SECONDS, Call, Late, Network, Verb
from tests.simulation.pulls import MAIN, URL, Pull, Push, facts_of, look_of

__all__ = ["CANARY", "FORGE", "MAIN", "URL", "Commit", "ForgeClient", "ForgeServer", "ForgeTrouble", "Pull", "Push"]

R = TypeVar("R")
T = TypeVar("T")

FORGE = Resource("forge.test", "v1", "calls", "Forge")
"""How calls of the forge appear in traces and fault plans."""

CANARY = "cc-canary-"
"""Every credential contains it, and nothing else does."""

_HANG_SECONDS = 30.0
"""After this long the real client gives an operation up."""

_TOKEN_LIFE = timedelta(hours=1)


@dataclass
class _Token:
    may_write: bool
    ends: datetime | None
    is_revoked: bool = False
    asked: datetime | None = None
    """When an operator first asked to revoke it."""


class ForgeTrouble(Enum):
    """What the forge answers to every request, for as long as it lasts."""

    HANGS = "it accepts requests and never answers"
    BROKEN = "it answers 503"
    UNAUTHORIZED = "it answers 401"
    FORBIDDEN = "it answers 403"
    MISSING = "it answers 404"

    def error(self) -> ForgeError:
        """Return the error of a request."""
        match self:
            case ForgeTrouble.HANGS:
                return Unavailable("it did not answer within 30 s", may_have_happened=True)
            case ForgeTrouble.BROKEN:
                return Unavailable("503 Service Unavailable", may_have_happened=True, status=503)
            case ForgeTrouble.UNAUTHORIZED:
                return CredentialsRefused("Bad credentials (401)", status=401)
            case ForgeTrouble.FORBIDDEN:
                return CredentialsRefused("Resource not accessible by integration (403)", status=403)
            case ForgeTrouble.MISSING:
                return ForgeNotFound("Not Found (404)", status=404)


@dataclass
class ForgeServer:
    """The forge.

    Parameters
    ----------
    now
        The wall clock.
    personal
        The Project's personal token; empty where tokens are minted by an App.
    """

    now: Callable[[], datetime]
    personal: str = ""
    history: History = field(default_factory=History)
    branches: dict[str, str] = field(default_factory=dict)
    pulls: list[Pull] = field(default_factory=list)
    pushes: list[Push] = field(default_factory=list)
    refusals: int = 0
    """How many of the next pull requests are refused for good."""

    hides_checks: bool = False
    """Whether the credential lacks the permission to read checks."""

    forbids_pulls: bool = False
    """Whether the credential lacks the permission to open pull requests."""

    trouble: ForgeTrouble | None = None
    """What is wrong with all of its REST interface."""

    hung_since: datetime | None = None
    """Since when it has answered no request; None: it answered the last one."""

    requests: int = 0
    """How many requests have reached its REST interface."""

    tokens: dict[str, _Token] = field(default_factory=dict)
    unheard: set[str] = field(default_factory=set)
    """Tokens whose minting was never answered: no operator knows them, so none can revoke them."""

    def __post_init__(self) -> None:
        self.board = Board(self.now, URL)
        self.merger = Merger(self)
        self.branches[MAIN] = self.history.commit("", {"README.md": "shop"}).sha
        if self.personal:
            self.tokens[self.personal] = _Token(may_write=True, ends=None)

    def check(self, token: str, *, may_write: bool = False) -> None:
        """Let a token in, or raise `CredentialsRefused`."""
        known = self.tokens.get(token)
        if known is None or known.is_revoked or (known.ends is not None and known.ends <= self.now()):
            raise CredentialsRefused("the token is not valid (401)", status=401)
        if may_write and not known.may_write:
            raise CredentialsRefused("the token may not write (403)", status=403)

    def push(self, token: str, branch: str, expected: str | None, commit: Commit, sandbox: str) -> bool:
        """Move a branch if it is where the pusher thinks; tell whether it was."""
        self.check(token, may_write=True)
        if self.branches.get(branch) != expected:
            return False
        self.branches[branch] = commit.sha
        self.pushes.append(Push(branch, commit, sandbox))
        self._follow(branch)
        return True

    def _follow(self, branch: str) -> None:
        """Let the pull requests of a branch have its new head."""
        for pull in self.pulls:
            if pull.head == branch and pull.state is PullRequestState.OPEN:
                self.change(pull, head_sha=self.branches[branch])

    def mint(self, *, may_write: bool) -> str:
        """Return a new token of the App."""
        value = f"{CANARY}{len(self.tokens)}-{'write' if may_write else 'read'}"
        self.tokens[value] = _Token(may_write, self.now() + _TOKEN_LIFE)
        self.unheard.add(value)
        return value

    def ask(self, token: str) -> None:
        """Note that an operator sets out to revoke a token, whatever comes of it."""
        known = self.tokens.get(token)
        if known is not None and known.asked is None:
            known.asked = self.now()

    def revoke(self, token: str) -> Revocation:
        """End a token."""
        known = self.tokens[token]
        if known.ends is None:
            raise CredentialsRefused("a personal token cannot be revoked (403)", status=403)
        if known.is_revoked or known.ends <= self.now():
            return Revocation.ALREADY_INVALID
        known.is_revoked = True
        return Revocation.REVOKED

    def open(self, draft: CreatePullRequest) -> Pull:
        """Open a pull request."""
        if self.forbids_pulls:
            raise CredentialsRefused("the credential lacks a permission (403)", status=403)
        if self.refusals:
            self.refusals -= 1
            raise PullRequestRefused("Validation Failed: the repository takes no pull requests", status=422)
        for branch in (draft.head, draft.base):
            if branch not in self.branches:
                raise PullRequestRefused(f"Validation Failed: {branch} is no branch", status=422)
        for pull in self.pulls:
            if (pull.head, pull.base, pull.state) == (draft.head, draft.base, PullRequestState.OPEN):
                raise PullRequestExists(f"A pull request already exists for {draft.head}", status=422)
        head_sha = self.branches[draft.head]
        number = len(self.pulls) + 1
        pull = Pull(number, draft.head, draft.base, draft.title, draft.body, draft.is_draft, head_sha, self.now())
        self.pulls.append(pull)
        return pull

    def merge(self) -> None:
        """Merge the oldest open pull request and delete its branch, as people and hosts do."""
        pull = next((pull for pull in self.pulls if pull.state is PullRequestState.OPEN), None)
        if pull is None:
            return
        self.merger.land(pull, MergeStrategy.MERGE, is_ours=False)
        if pull.head in self.branches:
            del self.branches[pull.head]
        for above in self.pulls:
            if above.base == pull.head:
                self.change(above, base=pull.base)

    def propose(self, branch: str, tree: Mapping[str, str], *, base: str = MAIN, **facts: Any) -> Pull:
        """Push a branch with a tree and open a pull request for it, as people do."""
        self.branches[branch] = self.history.commit(self.branches[base], tree, note=branch).sha
        number, head_sha = len(self.pulls) + 1, self.branches[branch]
        pull = Pull(number, branch, base, f"Change {branch}", f"Changes {branch}.", False, head_sha, self.now())
        self.pulls.append(replace(pull, **facts))
        return self.pulls[-1]

    def commit(self, branch: str, changes: Mapping[str, str]) -> None:
        """Commit changes to a branch, as people do."""
        tip = self.history.commits[self.branches[branch]]
        self.branches[branch] = self.history.commit(tip.sha, {**tip.tree, **changes}, note="more").sha
        self._follow(branch)

    def find_pull(self, number: int) -> Pull | None:
        """Return a pull request, None where there is none of this number."""
        return self.pulls[number - 1] if 0 < number <= len(self.pulls) else None

    def change(self, pull: Pull, **changes: Any) -> None:
        """Change a pull request."""
        self.pulls[pull.number - 1] = replace(pull, **changes)

    def posts(self) -> Counter[str]:
        """Return how many pull requests were opened for each head branch."""
        return Counter(pull.head for pull in self.pulls)


class ForgeClient:
    """One operator's way to the forge; see `codecourier.github.api.Forge`.

    Parameters
    ----------
    server
        The forge.
    identity
        The name of the operator.
    network
        What lies in between.
    """

    def __init__(self, server: ForgeServer, identity: str, network: Network) -> None:
        self._server = server
        self._identity = identity
        self._network = network
        self._writes = 0
        self._doings: dict[type, Callable[[RepositoryRef, Any], Awaitable[Any]]] = {
            GetRepository: self._repository,
            GetBranchHead: self._branch_head,
            FindPullRequests: self._find,
            CreatePullRequest: self._create,
            MintTokenPair: self._mint,
            RevokeToken: self._revoke,
            LookAtPullRequests: self._look_at,
            **IssueDesk(server.board, self._look, self._carry).doings,
            **MergeDesk(server, self._look, self._carry).doings,
        }

    @property
    def operations(self) -> frozenset[type]:
        """What it can be asked."""
        return frozenset(self._doings)

    async def do(self, repo: RepositoryRef, operation: Operation[R]) -> R:
        """See `Forge.do`."""
        if repo.url == HUNG_URL:
            await asyncio.sleep(HUNG_SECONDS)
            raise Silent("the forge did not answer in time", may_have_happened=operation.is_write)
        done: R = await self._doings[type(operation)](repo, operation)
        return done

    async def _repository(self, repo: RepositoryRef, _: GetRepository) -> RepositoryFacts:
        return await self._carry("get", "repository", lambda: self._look(repo))

    async def _branch_head(self, repo: RepositoryRef, operation: GetBranchHead) -> str | None:
        def work() -> str | None:
            self._look(repo)
            return self._server.branches.get(operation.branch)

        return await self._carry("get", operation.branch, work)

    async def _find(self, repo: RepositoryRef, operation: FindPullRequests) -> list[PullRequestFacts]:
        def work() -> list[PullRequestFacts]:
            self._look(repo)
            found = [pull for pull in self._server.pulls if pull.head == operation.head_branch]
            return [facts_of(pull, has_marker=operation.marker in pull.body) for pull in reversed(found)]

        return await self._carry("list", operation.head_branch, work)

    async def _look_at(self, repo: RepositoryRef, operation: LookAtPullRequests) -> PullRequestLooks:
        def work() -> PullRequestLooks:
            self._look(repo)
            pulls = {pull.number: look_of(pull) for pull in self._server.pulls if pull.number in operation.numbers}
            return PullRequestLooks(pulls, limit=None, remaining=0, reset_at=None)

        return await self._carry("list", "pull requests", work)

    async def _create(self, repo: RepositoryRef, operation: CreatePullRequest) -> PullRequestFacts:
        def work() -> PullRequestFacts:
            self._look(repo)
            return facts_of(self._server.open(operation), has_marker=True)

        return await self._carry("create", operation.head, work)

    async def _mint(self, repo: RepositoryRef, _: MintTokenPair) -> TokenPair:
        if not isinstance(repo.credential, AppInstallation):
            secret = repo.credential.secret
            return TokenPair(secret, secret, None)

        def work() -> tuple[str, str]:
            self._look(repo)
            return self._server.mint(may_write=False), self._server.mint(may_write=True)

        read, write = await self._carry("create", "tokens", work)
        self._server.unheard -= {read, write}
        return TokenPair(Secret(read), Secret(write), self._server.tokens[read].ends)

    async def _revoke(self, repo: RepositoryRef, _: RevokeToken) -> Revocation:
        if isinstance(repo.credential, AppInstallation):
            raise TypeError("a token revokes itself; no App does")
        token = repo.credential.secret.reveal()
        self._server.ask(token)
        return await self._carry("delete", "token", lambda: self._server.revoke(token))

    def _look(self, repo: RepositoryRef) -> RepositoryFacts:
        if repo.url != URL:
            raise ForgeNotFound(f"{repo.url} is not there", status=404)
        if not isinstance(repo.credential, AppInstallation):
            self._server.check(repo.credential.secret.reveal())
        return RepositoryFacts(1, MAIN, f"{URL}.git")

    async def _carry(self, verb: Verb, name: str, work: Callable[[], T]) -> T:
        write = 0
        if verb in {"create", "patch", "delete"}:
            self._writes += 1
            write = self._writes
        call = Call(f"{self._identity}@forge", verb, FORGE, None, name, write)
        try:
            return await self._done(call, work)
        except Unanswered as error:
            raise Silent(str(error), may_have_happened=True) from None
        except TooManyRequests as error:
            retry_at = self._server.now() + timedelta(seconds=error.retry_after or 1.0)
            raise RateLimited("slow down", retry_at=retry_at, status=429) from None
        except ApiError as error:
            # As of the real client: an error of the server says nothing of what was done.
            raise Unavailable(str(error), may_have_happened=write > 0, status=error.status) from None

    async def _done(self, call: Call, work: Callable[[], T]) -> T:
        try:
            await self._network.before(call)
        except Late as late:
            asyncio.get_running_loop().call_later(late.seconds, _quietly, work)
            await asyncio.sleep(min(late.seconds, CALL_SECONDS))
            raise Unanswered("no answer in time") from None
        self._server.requests += 1
        trouble = self._server.trouble
        if trouble is not ForgeTrouble.HANGS:
            self._server.hung_since = None
        else:
            self._server.hung_since = self._server.hung_since or self._server.now()
            await asyncio.sleep(_HANG_SECONDS)
        try:
            if trouble is not None:
                raise trouble.error()
            result = work()
        except ForgeError:
            await self._network.after(call, None)
            raise
        await self._network.after(call, None)
        return result


def _quietly(work: Callable[[], object]) -> None:
    # The caller that a refusal would be for is gone.
    with suppress(ForgeError):
        work()
