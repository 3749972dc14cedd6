"""What plans do outside our own objects: tokens, pull requests, their merges, and comments.

Each effect can be done twice without harm, and its result is never assumed: the next plan checks.
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from codecourier.cache.store import Store
from codecourier.controller.finalizers import release
from codecourier.controller.merge_requests import MergeRequests
from codecourier.controller.problems import (
    problem_of_forge,
    problem_of_progress,
    problem_of_refusal,
    problem_of_silence,
    problem_of_taken_name,
)
from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.intents import (
    ClosePullRequest,
    CreateBranch,
    Effect,
    LeaveQueue,
    MergePullRequest,
    Merging,
    MintTokens,
    OpenPullRequest,
    Retarget,
    RevokeTokens,
    WriteComment,
)
from codecourier.core.shared.naming import (
    ANNOTATION_REPOSITORY,
    ANNOTATION_TOKEN_EXPIRY,
    FINALIZER_TOKENS,
    LABEL_MANAGED,
)
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.github.api import Operation
from codecourier.github.credentials import InstallationToken, RepositoryRef
from codecourier.github.errors import ForgeError, Unavailable
from codecourier.github.operations.close_pull_request import ClosePullRequest as ClosePullRequestAtHost
from codecourier.github.operations.create_branch import CreateBranch as CreateBranchAtHost
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.merge_pull_request import MergePullRequest as MergeAtHost
from codecourier.github.operations.merge_queue import LeaveQueue as LeaveQueueAtHost
from codecourier.github.operations.mint_token_pair import MintTokenPair, TokenPair
from codecourier.github.operations.revoke_token import RevokeToken
from codecourier.github.operations.stacked_pulls import RetargetPullRequest
from codecourier.github.operations.write_issue_comment import WriteIssueComment
from codecourier.github.secret import Secret
from codecourier.hosts.credentials import Credentials, decode_key
from codecourier.hosts.gate import Gate
from codecourier.hosts.secret_reads import MOST_CALLS
from codecourier.kube.api import SECRETS, Json, KubeApi
from codecourier.kube.errors import AlreadyExists, ApiError, Conflict, NotFound, ServerError, Unanswered

__all__ = ["Effects"]

R = TypeVar("R")

_PRESENT = ("read", "write")
"""Keys of the tokens that a pod's steps use."""

_MOST_REMEMBERED = 4096
"""How many Secrets are remembered that the API server has refused, and how many merges that hosts work on."""

_OF_HOSTS = OpenPullRequest | CreateBranch | WriteComment | Merging
"""Effects that need no Secret of ours."""

_PREVIOUS = ("previous-read", "previous-write")
"""Keys of the tokens that they replaced, which pods may still use; revoked with the others, or at the next rotation."""


class Effects:
    """Carries out the effects of plans.

    Parameters
    ----------
    api
        The API server, for the Secrets that hold tokens.
    store
        Where our own writes are noted.
    gate
        The way to the repositories' hosts.
    credentials
        Finds the credential of a repository.
    ca_certificate
        Certificate authority of the repositories' host, PEM; None for the public ones.
    """

    def __init__(
        self, api: KubeApi, store: Store, gate: Gate, credentials: Credentials, ca_certificate: str | None
    ) -> None:
        self._api = api
        self._store = store
        self._gate = gate
        self._credentials = credentials
        self._ca_certificate = ca_certificate
        self._calls = asyncio.Semaphore(MOST_CALLS)
        self._without_secret: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._requests = MergeRequests()

        self._actions: dict[type, Callable[[Any], Awaitable[Problem | None]]] = {
            MintTokens: self._mint,
            RevokeTokens: self._revoke,
            OpenPullRequest: self._open,
            CreateBranch: self._create_branch,
            WriteComment: self._comment,
            MergePullRequest: self._merge,
            LeaveQueue: self._leave_queue,
            ClosePullRequest: self._close,
            Retarget: self._retarget,
        }

    async def do(self, effect: Effect) -> Problem | None:
        """Carry out an effect; return why it failed, or None."""
        return await self._actions[type(effect)](effect)

    def problem_of_silence(self, effect: Effect) -> Problem | None:
        """Return the problem when the API server does not answer for the Secret of an effect; None: it has none."""
        if isinstance(effect, _OF_HOSTS):
            return None
        return problem_of_silence(SECRETS, _secret_named(effect))

    async def credential_of(self, effect: Effect) -> str | None:
        """Return the version of the credential that an effect uses now; None for one that uses no repository's."""
        repository = None if isinstance(effect, RevokeTokens) else effect.repository
        return await self._credentials.version(repository) if isinstance(repository, RepositoryAccess) else None

    async def _mint(self, effect: MintTokens) -> Problem | None:
        repository = await self._credentials.find(effect.repository)
        if isinstance(repository, Problem):
            return repository
        if (refusal := await self._refusal(effect, repository.url)) is not None:
            return refusal
        old = await self._read(effect.namespace, effect.secret) if effect.replaces is not None else None
        try:
            tokens = await self._gate.do(effect.namespace, repository, MintTokenPair(effect.with_workflows))
        except ForgeError as error:
            return problem_of_forge(error, repository.url)
        try:
            written = await self._write(effect, repository.url, tokens, old)
        except Unanswered:
            self._note_without_secret(effect)
            raise
        except ApiError as error:
            # The server refused them for certain, so no pod will use them. After a server error, or without an answer,
            # they may be in use.
            if tokens.expires_at is not None and not isinstance(error, ServerError):
                await self._end_all(effect.namespace, repository.url, (tokens.read, tokens.write))
            if isinstance(error, AlreadyExists) and await self._is_known(effect):
                return None
            return self._refused(effect, error)
        self._store.cache(SECRETS).note_write(written)
        if old is not None:
            await self._end_all(effect.namespace, repository.url, _tokens(old, _PREVIOUS))
        return None

    async def _refusal(self, effect: MintTokens, url: str) -> Problem | None:
        """Return why the Secret is still refused, where it was; so that no token is minted only to be revoked."""
        if (effect.namespace, effect.secret) not in self._without_secret:
            return None
        nothing = TokenPair(Secret(""), Secret(""), None)
        try:
            await self._api.create(SECRETS, self._secret(effect, url, nothing), is_dry_run=True)
        except ApiError as error:
            if not isinstance(error, AlreadyExists) or not await self._is_known(effect):
                return self._refused(effect, error)
        self._without_secret.pop((effect.namespace, effect.secret), None)
        return None

    def _refused(self, effect: MintTokens, error: ApiError) -> Problem:
        """Return the problem of a refused Secret; raise errors that are none."""
        body = _secret_named(effect)
        if isinstance(error, AlreadyExists):
            problem: Problem | None = problem_of_taken_name(SECRETS, body)
        else:
            problem = problem_of_refusal(error, SECRETS, body)
        if problem is None:
            raise error
        self._note_without_secret(effect)
        return problem

    def _note_without_secret(self, effect: MintTokens) -> None:
        if effect.replaces is None:
            self._without_secret[effect.namespace, effect.secret] = None
            if len(self._without_secret) > _MOST_REMEMBERED:
                self._without_secret.popitem(last=False)

    async def _is_known(self, effect: MintTokens) -> bool:
        """Note a Secret that an unanswered call created; return whether it is the owner's."""
        found = await self._read(effect.namespace, effect.secret)
        if found is None or (found["metadata"].get("labels") or {}).get(effect.owner_label) != effect.owner.uid:
            return False
        self._store.cache(SECRETS).note_write(found)
        return True

    async def _write(self, effect: MintTokens, url: str, tokens: TokenPair, old: Json | None) -> Json:
        body = self._secret(effect, url, tokens)
        if old is not None:
            # The kubelet updates the files of a running pod a minute or two later; until then a push uses these.
            present = old.get("data") or {}
            body["data"] |= {f"previous-{key}": present[key] for key in _PRESENT if key in present}
        if effect.replaces is None:
            async with self._calls:
                return await self._api.create(SECRETS, body)
        body["metadata"]["resourceVersion"] = effect.replaces
        async with self._calls:
            return await self._api.replace(SECRETS, body)

    def _secret(self, effect: MintTokens, url: str, tokens: TokenPair) -> Json:
        annotations = {ANNOTATION_REPOSITORY: url}
        finalizers: list[str] = []
        if tokens.expires_at is not None:
            annotations[ANNOTATION_TOKEN_EXPIRY] = tokens.expires_at.isoformat()
            finalizers.append(FINALIZER_TOKENS)
        data = {"read": tokens.read.reveal(), "write": tokens.write.reveal()}
        if self._ca_certificate is not None:
            data["ca.crt"] = self._ca_certificate
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {
                "name": effect.secret,
                "namespace": effect.namespace,
                "labels": {LABEL_MANAGED: "true", effect.owner_label: effect.owner.uid},
                "annotations": annotations,
                "finalizers": finalizers,
                "ownerReferences": [effect.owner.to_json()],
            },
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }

    async def _end_all(self, namespace: str, url: str, tokens: tuple[Secret, ...]) -> Problem | None:
        """Revoke tokens of an App; return the first problem."""
        problem: Problem | None = None
        for token in tokens:
            try:
                await self._gate.do(namespace, RepositoryRef(url, InstallationToken(token)), RevokeToken())
            except ForgeError as error:
                problem = problem or problem_of_forge(error, url)
        return problem

    async def _revoke(self, effect: RevokeTokens) -> Problem | None:
        try:
            return await self._end_tokens(effect)
        except ApiError as error:
            # As every failing revocation, a Secret that may not be read, changed or deleted delays an end for a while.
            problem = problem_of_refusal(error, SECRETS, _secret_named(effect))
            if problem is None:
                raise
            return replace(problem, is_final=False)

    async def _end_tokens(self, effect: RevokeTokens) -> Problem | None:
        if await self._delete_personal(effect):
            return None
        secret = await self._read(effect.namespace, effect.secret)
        if secret is None:
            self._forget(effect)
            return None
        if not effect.is_forced:
            problem = await self._revoke_all(secret)
            if problem is not None:
                return problem
        await self._let_go(secret)
        return None

    async def _delete_personal(self, effect: RevokeTokens) -> bool:
        """Delete a Secret of which the cache shows that there is nothing to revoke; return whether it is gone."""
        known = self._store.raw(SECRETS, effect.namespace, effect.secret)
        if known is None:
            return False
        metadata = known["metadata"]
        if metadata.get("deletionTimestamp") or metadata.get("finalizers"):
            return False
        if ANNOTATION_TOKEN_EXPIRY in (metadata.get("annotations") or {}):
            return False
        uid, version = metadata["uid"], metadata["resourceVersion"]
        try:
            async with self._calls:
                # A later version may hold tokens that have to be revoked.
                await self._api.delete(SECRETS, effect.namespace, effect.secret, uid=uid, resource_version=version)
        except (Conflict, NotFound):
            return False
        self._store.cache(SECRETS).note_delete(effect.namespace, effect.secret, uid)
        return True

    def _forget(self, effect: RevokeTokens) -> None:
        # Until the watch reports the deletion, the plan would repeat this without a pause.
        known = self._store.raw(SECRETS, effect.namespace, effect.secret)
        if known is not None:
            self._store.cache(SECRETS).note_delete(effect.namespace, effect.secret, known["metadata"]["uid"])

    async def _revoke_all(self, secret: Json) -> Problem | None:
        # This needs neither Project nor App: both can be gone by now, as in a namespace that is being deleted.
        annotations = secret["metadata"].get("annotations") or {}
        if ANNOTATION_TOKEN_EXPIRY not in annotations:
            return None  # a personal token, which only its owner can revoke
        namespace, url = secret["metadata"]["namespace"], annotations.get(ANNOTATION_REPOSITORY)
        if url is None:
            detail = f"a user has taken the annotation {ANNOTATION_REPOSITORY} off; its tokens expire within an hour."
            name = f"the tokens of Secret {secret['metadata']['name']}"
            reason = Reason.CREDENTIALS_MISSING
            return Problem(reason, sentence(reason, repository=name, detail=detail))
        return await self._end_all(namespace, url, _tokens(secret))

    async def _let_go(self, secret: Json) -> None:
        await release(self._api, self._store, SECRETS, secret, FINALIZER_TOKENS)
        metadata = secret["metadata"]
        if metadata.get("deletionTimestamp"):
            return
        namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
        with suppress(NotFound):
            await self._api.delete(SECRETS, namespace, name, uid=uid)
        self._store.cache(SECRETS).note_delete(namespace, name, uid)

    async def _read(self, namespace: str, name: str) -> Json | None:
        try:
            async with self._calls:
                return await self._api.get(SECRETS, namespace, name)
        except NotFound:
            return None

    async def _ask_host(
        self, access: RepositoryAccess | Problem, operation: Operation[R], branch: str = "", number: int = 0
    ) -> R | Problem:
        """Carry out an operation at a repository's host; a problem names the branch or the number."""
        if isinstance(access, Problem):
            return replace(access, is_refusal=True)
        repository = await self._credentials.find(access)
        if isinstance(repository, Problem):
            return replace(repository, is_refusal=True)
        try:
            return await self._gate.do(access.namespace, repository, operation)
        except ForgeError as error:
            is_refusal = not (isinstance(error, Unavailable) and error.may_have_happened)
            return replace(problem_of_forge(error, repository.url, branch, number), is_refusal=is_refusal)

    async def _open(self, effect: OpenPullRequest) -> Problem | None:
        operation = CreatePullRequest(effect.title, effect.body, effect.head, effect.base, effect.is_draft)
        return _problem(await self._ask_host(effect.repository, operation, effect.head))

    async def _create_branch(self, effect: CreateBranch) -> Problem | None:
        operation = CreateBranchAtHost(effect.branch, effect.commit, effect.with_workflows)
        return _problem(await self._ask_host(effect.repository, operation, effect.branch))

    async def _comment(self, effect: WriteComment) -> Problem | None:
        operation = WriteIssueComment(effect.number, effect.body, effect.comment)
        return _problem(await self._ask_host(effect.repository, operation, number=effect.number))

    async def _merge(self, effect: MergePullRequest) -> Problem | None:
        access, known = effect.repository, self._requests.find(effect)
        operation = MergeAtHost(
            effect.number, effect.head, effect.strategy, effect.has_queue, known, effect.with_workflows
        )
        answer = await self._ask_host(access, operation, number=effect.number)
        if isinstance(access, Problem):
            return _problem(answer)
        if isinstance(answer, Problem):
            self._requests.note_problem(effect, answer)
            return answer
        self._requests.note(effect, answer.request)
        return problem_of_progress(answer.progress, access.url, effect.number)

    async def _retarget(self, effect: Retarget) -> Problem | None:
        operation = RetargetPullRequest(effect.number, effect.base)
        return _problem(await self._ask_host(effect.repository, operation, number=effect.number))

    async def _close(self, effect: ClosePullRequest) -> Problem | None:
        operation = ClosePullRequestAtHost(effect.number, effect.head)
        return _problem(await self._ask_host(effect.repository, operation, number=effect.number))

    async def _leave_queue(self, effect: LeaveQueue) -> Problem | None:
        return _problem(await self._ask_host(effect.repository, LeaveQueueAtHost(effect.number), number=effect.number))


def _problem(outcome: object) -> Problem | None:
    return outcome if isinstance(outcome, Problem) else None


def _secret_named(effect: MintTokens | RevokeTokens) -> Json:
    return {"metadata": {"name": effect.secret, "namespace": effect.namespace}}


def _tokens(secret: Json, keys: tuple[str, ...] = (*_PRESENT, *_PREVIOUS)) -> tuple[Secret, ...]:
    values = {decode_key(secret, key) for key in keys} - {""}
    return tuple(Secret(value) for value in sorted(values))
