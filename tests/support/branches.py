"""A host of repositories that answers what a test chooses, and a project that has two of them there."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from codecourier.apiserver.hosts import HostParts
from codecourier.core.shared.naming import LABEL_REPOSITORY_CREDENTIAL
from codecourier.github.api import Operation
from codecourier.github.credentials import RepositoryRef
from codecourier.github.operations.branch import BranchFacts
from codecourier.hosts.credentials import AppIdentity
from codecourier.kinds.api_resources import PROJECTS
from codecourier.kube.api import SECRETS, Json
from tests.simulation.clock import EPOCH
from tests.support.rest_app import NAMESPACE, RestApp, play_rest

__all__ = ["OTHER", "SECRET", "SHA", "URL", "Forge", "branch", "play", "set_up"]

URL, OTHER = "https://github.com/org/repo", "https://github.com/org/other"
HOSTS = frozenset({"github.com"})
SHA = "a" * 40
SECRET: Json = {"type": "Opaque", "data": {"token": base64.b64encode(b"the-token\n").decode()}}


@dataclass
class Forge:
    """A host that gives the same answer to all operations."""

    answer: Any = None
    seconds: float = 0.0
    asked: list[tuple[RepositoryRef, Operation[Any]]] = field(default_factory=list)

    async def do(self, repo: RepositoryRef, operation: Operation[Any]) -> Any:
        """Note and answer an operation, in its own time."""
        self.asked.append((repo, operation))
        await asyncio.sleep(self.seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def branch(name: str, **changes: Any) -> BranchFacts:
    """Return what a host says of a branch."""
    facts: dict[str, Any] = {"sha": SHA, "author": "alice", "committed_at": EPOCH, "is_protected": False}
    return BranchFacts(name=name, **{**facts, "is_default": False, **changes})


async def set_up(rest: RestApp, **labels: str) -> None:
    """Make a Project of two repositories, with the Secret of both."""
    repositories = [{"url": url, "isDefault": url == URL, "credentialRef": {"name": "forge"}} for url in (URL, OTHER)]
    await rest.make(PROJECTS, "default", {"repositories": repositories})
    metadata = {"name": "forge", "namespace": NAMESPACE, "labels": {LABEL_REPOSITORY_CREDENTIAL: "true", **labels}}
    await rest.api.create(SECRETS, {"metadata": metadata, **SECRET})
    await rest.settle()


def play(scenario: Callable[[RestApp], Awaitable[None]], forge: Forge, app: AppIdentity | None = None) -> None:
    """Run a scenario with a host and perhaps an App."""
    play_rest(scenario, HostParts(forge, HOSTS, app))
