"""Answers what plans ask about the world outside the caches."""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from codecourier.controller.failures import FailureReader
from codecourier.controller.issues import IssueReader
from codecourier.controller.merges import MergeReader
from codecourier.controller.problems import problem_of_forge
from codecourier.core.shared.consent import find_agent_fault
from codecourier.core.shared.facts import (
    AgentSecretsAsk,
    AgentSecretsFact,
    Ask,
    BranchHeadAsk,
    BranchHeadFact,
    IssueAsk,
    LogAsk,
    LogFact,
    ObjectAsk,
    ObjectFact,
    OwnCommentsAsk,
    Problem,
    PullRequestFact,
    PullRequestsAsk,
    PullRequestsFact,
    RepositoryAccess,
    RepositoryAsk,
    RepositoryFact,
    RevisionAsk,
    RevisionFact,
    UnreadableSecret,
)
from codecourier.core.shared.failure_facts import FailedChecksAsk
from codecourier.core.shared.merge_facts import (
    ApprovalAsk,
    CommitAsk,
    DependantsAsk,
    GateAsk,
    MergeMethodsAsk,
    MergePullAsk,
    QueueAsk,
    WorkflowRightAsk,
)
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.revisions import view_revision
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError, RateLimited
from codecourier.github.operations.find_pull_requests import FindPullRequests
from codecourier.github.operations.get_branch_head import GetBranchHead
from codecourier.github.operations.get_pull_request import PullRequestNotFound
from codecourier.github.operations.get_repository import GetRepository, RepositoryFacts
from codecourier.github.operations.issue import IssueNotFound, IssuesForbidden
from codecourier.github.operations.read_gate import ChecksForbidden
from codecourier.hosts.credentials import Credentials, decode_key, metadata_of
from codecourier.hosts.gate import Gate
from codecourier.kinds.registry import Registry
from codecourier.kube.api import CONTROLLER_REVISIONS, SECRETS, Json, KubeApi
from codecourier.kube.errors import ApiError, Forbidden, ServerError, TooManyRequests, Unanswered
from codecourier.kube.errors import NotFound as KubeNotFound
from codecourier.text import marker

__all__ = ["Observer"]

R = TypeVar("R")

PROBLEM_SECONDS = 5.0
"""How long to wait before retrying a repository that was not reached."""

LOG_SECONDS = 60.0
"""How long to retry a log that a busy server or a silent node does not deliver; then it counts as lost."""

LOG_CALL_SECONDS = 10.0
"""How long one request for a log may take."""

_LOG_LIMIT_BYTES = 1024 * 1024
_LOG_TAIL_LINES = 200
_MOST_MISSED = 1024
_MOST_REPOSITORIES = 4096
_MOST_JUDGED = 4096

_OF_HOSTS = (
    *(RepositoryAsk, BranchHeadAsk, PullRequestsAsk, IssueAsk, OwnCommentsAsk),
    *(MergePullAsk, ApprovalAsk, GateAsk, CommitAsk, QueueAsk, DependantsAsk, MergeMethodsAsk, WorkflowRightAsk),
    FailedChecksAsk,
)
"""Questions that a repository's host answers."""

_REACHED = (RateLimited, IssueNotFound, IssuesForbidden, PullRequestNotFound, ChecksForbidden)
"""Errors that do not say that the repository cannot be reached."""


@dataclass(frozen=True)
class _Reached:
    """What is remembered of a repository."""

    time: float
    fact: RepositoryFact | Problem
    facts: RepositoryFacts | None
    """What its host said, for a request that costs nothing if that is still so; None where it was not reached."""


class Observer:
    """Looks things up for plans.

    Parameters
    ----------
    api
        The API server, for logs and Secrets.
    gate
        The way to the repositories' hosts.
    credentials
        Finds the credential of a repository.
    registry
        The kinds, by the names that plans use.
    """

    def __init__(self, api: KubeApi, gate: Gate, credentials: Credentials, registry: Registry) -> None:
        self._api = api
        self._registry = registry
        self._gate = gate
        self._credentials = credentials
        self._repositories: OrderedDict[RepositoryAccess, _Reached] = OrderedDict()
        self._turns: WeakValueDictionary[RepositoryAccess, asyncio.Lock] = WeakValueDictionary()
        self._missed: OrderedDict[LogAsk, float] = OrderedDict()
        self._issues = IssueReader(self.ask_host)
        self._merges = MergeReader(self.ask_host)
        self._judged: OrderedDict[tuple[str, str, str, str], UnreadableSecret | None] = OrderedDict()
        """Whether agents can read a key of a Secret, by namespace, name, key and version; it holds no value."""

        self._lookups: dict[type[Ask[Any]], Callable[[Any], Awaitable[object]]] = {
            RepositoryAsk: self._repository,
            BranchHeadAsk: self._branch_head,
            PullRequestsAsk: self._pull_requests,
            IssueAsk: self._issues.look,
            OwnCommentsAsk: self._issues.find_own,
            MergePullAsk: self._merges.look,
            GateAsk: self._merges.read_gate,
            DependantsAsk: self._merges.find_dependants,
            QueueAsk: self._merges.look_at_queue,
            CommitAsk: self._merges.read_commit,
            FailedChecksAsk: FailureReader(self.ask_host).read,
            ApprovalAsk: self._merges.find_approval,
            MergeMethodsAsk: self._merges.find_methods,
            WorkflowRightAsk: self._merges.read_workflow_right,
            ObjectAsk: self._object,
            RevisionAsk: self._revision,
            LogAsk: self._log,
            AgentSecretsAsk: self._agent_secrets,
        }

    @staticmethod
    def is_quick(ask: Ask[Any]) -> bool:
        """Return whether the API server answers by itself, so that a worker may wait for it."""
        return isinstance(ask, ObjectAsk | RevisionAsk | AgentSecretsAsk)

    def recall(self, ask: Ask[Any]) -> object | None:
        """Return the answer to a question that needs no look-up; None: look it up."""
        if not isinstance(ask, _OF_HOSTS):
            return None
        access = ask.repository
        if isinstance(access, Problem):
            return access
        if isinstance(ask, IssueAsk):
            return self._issues.recall(ask)
        known = self._repositories.get(access) if isinstance(ask, RepositoryAsk) else None
        if known is None or not isinstance(ask, RepositoryAsk):
            return None
        # Repositories that were asked for together, as at a start, are asked for again at different times.
        share = 0.8 + zlib.crc32(access.url.encode()) % 1000 / 5000
        seconds = PROBLEM_SECONDS if isinstance(known.fact, Problem) else ask.age_seconds * share
        return known.fact if asyncio.get_running_loop().time() < known.time + seconds else None

    async def answer(self, ask: Ask[Any]) -> object:
        """Return the fact that answers, or the problem that prevents it."""
        known = self.recall(ask)
        return await self._lookups[type(ask)](ask) if known is None else known

    async def _repository(self, ask: RepositoryAsk) -> RepositoryFact | Problem:
        access = ask.repository
        if isinstance(access, Problem):
            return access
        # A Project and its Runs ask in the same moment: one answer does for all.
        async with self._turns.setdefault(access, asyncio.Lock()):
            remembered = self.recall(ask)
            if isinstance(remembered, RepositoryFact | Problem):
                return remembered
            return await self._look_up(access)

    async def _look_up(self, access: RepositoryAccess) -> RepositoryFact | Problem:
        known = self._repositories.get(access)
        answer = await self.ask_host(access, GetRepository(None if known is None else known.facts))
        time = asyncio.get_running_loop().time()
        if isinstance(answer, Problem):
            reached = _Reached(time, answer, None)
        else:
            reached = _Reached(time, RepositoryFact(answer.default_branch), answer)
        self._repositories[access] = reached
        self._repositories.move_to_end(access)
        if len(self._repositories) > _MOST_REPOSITORIES:
            self._repositories.popitem(last=False)
        return reached.fact

    async def _branch_head(self, ask: BranchHeadAsk) -> BranchHeadFact | Problem:
        answer = await self.ask_host(ask.repository, GetBranchHead(ask.branch))
        return answer if isinstance(answer, Problem) else BranchHeadFact(answer)

    async def _pull_requests(self, ask: PullRequestsAsk) -> PullRequestsFact | Problem:
        operation = FindPullRequests(ask.head_branch, marker(ask.run_uid, ask.attempt))
        found = await self.ask_host(ask.repository, operation)
        if isinstance(found, Problem):
            return found
        items = (
            PullRequestFact(p.number, p.url, p.state, p.is_draft, p.created_at, p.title, p.base_branch, p.head_sha)
            for p in sorted(found, key=lambda p: p.number)
            if p.has_marker
        )
        return PullRequestsFact(tuple(items))

    async def ask_host(
        self, access: RepositoryAccess | Problem, operation: Operation[R], number: int = 0
    ) -> R | Problem:
        """Carry out an operation at a repository's host; return its outcome, or the problem that prevents it.

        Parameters
        ----------
        access
            The repository.
        operation
            What is asked.
        number
            The issue or pull request that a problem names, if it is about one.
        """
        if isinstance(access, Problem):
            return access
        repository = await self._credentials.find(access)
        if isinstance(repository, Problem):
            self._repositories.pop(access, None)
            return repository
        try:
            return await self._gate.do(access.namespace, repository, operation)
        except ForgeError as error:
            if not isinstance(error, _REACHED):
                # That it was reached is no longer true, whatever was asked: the Project asks for it again.
                self._repositories.pop(access, None)
            return problem_of_forge(error, repository.url, number=number)

    async def _object(self, ask: ObjectAsk) -> ObjectFact:
        try:
            found = await self._api.get(self._registry.resource(ask.kind), ask.namespace, ask.name)
        except KubeNotFound:
            return ObjectFact(None, None)
        metadata = found["metadata"]
        owners = tuple(owner["uid"] for owner in metadata.get("ownerReferences") or ())
        return ObjectFact(metadata["uid"], metadata["resourceVersion"], owners)

    async def _revision(self, ask: RevisionAsk) -> RevisionFact:
        try:
            found = await self._api.get(CONTROLLER_REVISIONS, ask.namespace, ask.name)
        except KubeNotFound:
            return RevisionFact(None)
        return RevisionFact(view_revision(found).spec)

    async def _log(self, ask: LogAsk) -> LogFact | Problem:
        text: str | None = None
        try:
            async with asyncio.timeout(LOG_CALL_SECONDS):
                text = await self._api.read_log(
                    ask.namespace, ask.pod, ask.container, limit_bytes=_LOG_LIMIT_BYTES, tail_lines=_LOG_TAIL_LINES
                )
        except (TimeoutError, Unanswered, ServerError, TooManyRequests):
            # The next try may get it, unless the node is gone: a silent node must not delay the report of the outcome.
            if self._may_still_come(ask):
                return Problem(Reason.LOG_DELAYED, sentence(Reason.LOG_DELAYED, pod=ask.pod, step=ask.container))
        except ApiError:
            pass  # the log is gone: the outcome stands without its details
        self._missed.pop(ask, None)
        return LogFact(text)

    def _may_still_come(self, ask: LogAsk) -> bool:
        time = asyncio.get_running_loop().time()
        since = self._missed.setdefault(ask, time)
        if len(self._missed) > _MOST_MISSED:
            self._missed.popitem(last=False)
        return time < since + LOG_SECONDS

    async def _agent_secrets(self, ask: AgentSecretsAsk) -> AgentSecretsFact:
        secrets: dict[str, Json | str] = {}
        faults = []
        versions = ask.versions or ("",) * len(ask.keys)
        for (name, key), version in zip(ask.keys, versions, strict=True):
            mark = (ask.namespace, name, key, version)
            if not version or mark not in self._judged:
                if name not in secrets:
                    secrets[name] = await self._find_secret(ask.namespace, name)
                found = secrets[name]
                mark = (*mark[:3], "" if isinstance(found, str) else found["metadata"]["resourceVersion"])
                self._remember_judgement(mark, _agent_fault(found, name, key))
            faults.append(self._judged[mark])
        return AgentSecretsFact(tuple(filter(None, faults)))

    async def _find_secret(self, namespace: str, name: str) -> Json | str:
        """Return a Secret, or why there is none, as the end of a sentence."""
        try:
            return await self._api.get(SECRETS, namespace, name)
        except KubeNotFound:
            return find_agent_fault(None, (), "") or ""
        except Forbidden:
            return "the operator's account may not read it."

    def _remember_judgement(self, mark: tuple[str, str, str, str], fault: UnreadableSecret | None) -> None:
        self._judged[mark] = fault
        self._judged.move_to_end(mark)
        if len(self._judged) > _MOST_JUDGED:
            self._judged.popitem(last=False)


def _agent_fault(secret: Json | str, name: str, key: str) -> UnreadableSecret | None:
    if isinstance(secret, str):
        return UnreadableSecret(name, key, secret)
    detail = find_agent_fault(metadata_of(secret), (secret.get("data") or {}).keys(), key)
    if detail is None and not decode_key(secret, key):
        detail = "that key has no text."
    return None if detail is None else UnreadableSecret(name, key, detail)
