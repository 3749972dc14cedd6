"""What the plans of a Sandbox and of what lost its Sandbox read."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.origin import Origin
from codecourier.core.project.network_policy import PolicyView
from codecourier.core.sandbox.pod_view import PodView
from codecourier.core.sandbox.tokens import TokenSecret
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.core.shared.worlds import World
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox

__all__ = ["SandboxWorld", "StrayWorld"]


@dataclass(frozen=True)
class SandboxWorld(World):
    """A Sandbox, what belongs to it and what it refers to."""

    sandbox: Sandbox
    run: Run | None
    """Its Run, if one with the right UID is there."""

    origin: Origin | None
    """What made the Run; None where a person made it."""

    project: Project | None
    pod: PodView | None
    secret: TokenSecret | None
    settings: PodSettings
    policy: PolicyView | None = None
    """The NetworkPolicy of the namespace's sandbox pods."""

    api_server: tuple[str, ...] = ()
    """The API server's addresses."""


@dataclass(frozen=True)
class StrayWorld(World):
    """What was made for a Sandbox that is not known."""

    namespace: str
    sandbox: str
    sandbox_uid: str
    """Name and UID of that Sandbox."""

    pod: PodView | None
    secret: TokenSecret | None
