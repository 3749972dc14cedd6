"""Asks repositories' hosts for callers: within a bounded time, with the rules of the operator for credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar

from codecourier.apiserver.refusal import Detail, Refusal, bad_request
from codecourier.apiserver.served import Served
from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.naming import PROJECT_NAME
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.repositories import find_access, find_named_repository
from codecourier.github.api import Forge, Operation
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import ForgeError, HostNotAllowed, RateLimited, Silent, Unavailable
from codecourier.github.graphql import CursorUnknown
from codecourier.github.operations.branch import BranchNotFound
from codecourier.github.transport import Wait
from codecourier.hosts.credentials import AppIdentity, Credentials, UnknownNamespaceError
from codecourier.hosts.gate import Gate
from codecourier.kinds.sources import PROJECT_SOURCE
from codecourier.kube.api import KubeApi
from codecourier.resources.project import Repository

__all__ = ["WAIT", "HostParts", "Hosts"]

R = TypeVar("R")

WAIT = Wait(connect_seconds=3, read_seconds=8, operation_seconds=10)
"""How long a host may take: its caller waits, unlike a plan of the operator."""

_TURN_SECONDS = 5.0
"""How long a request waits for its turn at a host that others ask, too."""

_SECRET_SECONDS = 5.0
"""How long the cluster may take to show a Secret."""

_RETRY_SECONDS = 5.0
_MOST_RETRY_SECONDS = 3600.0
"""A window of GitHub's rate limits."""


class _NoForge:
    """Stands for hosts where none may be asked."""

    async def do(self, repo: RepositoryRef, _operation: Operation[R]) -> R:
        """See `Forge.do`."""
        raise HostNotAllowed(f"this server asks no hosts, so not that of {repo.url}")


@dataclass(frozen=True)
class HostParts:
    """What repositories' hosts are asked with; by default none is asked."""

    forge: Forge = field(default_factory=_NoForge)
    allowed: frozenset[str] = frozenset()
    """The only hosts that may be asked."""

    app: AppIdentity | None = None
    """The GitHub App; None: Projects that use one cannot be served."""


class Hosts:
    """Asks repositories' hosts.

    Parameters
    ----------
    parts
        What they are asked with.
    api
        Where Secrets are read, each time anew.
    served
        Has Projects and Namespaces.
    now
        The wall clock, in UTC.
    """

    def __init__(self, parts: HostParts, api: KubeApi, served: Served, now: Callable[[], datetime]) -> None:
        self._served = served
        self._now = now
        self._credentials = Credentials(api, served.store, parts.allowed, parts.app, reader="the API server")
        self._gate = Gate(parts.forge, now, lambda: True, _TURN_SECONDS)

    def find(self, namespace: str, url: str | None) -> RepositoryAccess:
        """Return how a repository of a project is reached.

        Parameters
        ----------
        namespace
            The project.
        url
            Address of the repository, in any spelling; None: the project's default one.

        Raises
        ------
        Refusal
            400 for a repository that is none of the project's, 409 if the project is not set up for requests.
        """
        project = self._served.find(PROJECT_SOURCE, namespace, PROJECT_NAME)
        wanted = None if url is None else url.rstrip("/")
        known = None if project is None else find_named_repository(project, wanted)
        found = find_access(project, namespace, known.url if isinstance(known, Repository) else wanted)
        if not isinstance(found, Problem):
            return found
        if found.reason is Reason.REPOSITORY_NOT_ALLOWED:
            message = "The project has no such repository. Name one of those that its Project lists."
            raise bad_request(Detail(field="githubRepoUrl", message=message))
        raise Refusal(HTTPStatus.CONFLICT, found.message)

    async def ask(self, access: RepositoryAccess, operation: Operation[R]) -> R:
        """Carry out an operation at a repository's host.

        Raises
        ------
        Refusal
            404 for what is not there, 409 for what the host or the credential does not allow, 503 if the host does not
            answer in time or its rate limit is used up.
        """
        repo = await self._credential(access)
        try:
            return await self._gate.do(access.namespace, repo, operation)
        except ForgeError as error:
            raise self._refusal_of(error) from None

    async def _credential(self, access: RepositoryAccess) -> RepositoryRef:
        try:
            async with asyncio.timeout(_SECRET_SECONDS):
                found = await self._credentials.find(access)
        except UnknownNamespaceError:
            raise _unavailable("The server does not know the Namespace of the project yet.", 1) from None
        except TimeoutError:
            raise _unavailable("The cluster's API server does not show the Secret now.", 1) from None
        if isinstance(found, Problem):
            raise Refusal(HTTPStatus.CONFLICT, found.message)
        return found

    def _refusal_of(self, error: ForgeError) -> Refusal:
        said = error.message.removesuffix("; it is tried again").rstrip(".")
        message = f"{said[:1].upper()}{said[1:]}."
        match error:
            case RateLimited():
                return _unavailable(message, self._seconds_until(error.retry_at))
            case Silent() if error.retry_at is not None:
                return _unavailable(message, self._seconds_until(error.retry_at))
            case Unavailable():
                return _unavailable(message, _RETRY_SECONDS)
            case BranchNotFound():
                return Refusal(HTTPStatus.NOT_FOUND, "There is no such branch in the repository.")
            case CursorUnknown():
                problem = "The cursor is not the nextCursor of an earlier answer. Begin without one."
                return bad_request(Detail(field="cursor", message=problem))
        return Refusal(HTTPStatus.CONFLICT, message)

    def _seconds_until(self, time: datetime) -> float:
        return min(max((time - self._now()).total_seconds(), 1.0), _MOST_RETRY_SECONDS)


def _unavailable(message: str, retry_after: float) -> Refusal:
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"{message} Try again.", retry_after=retry_after)
