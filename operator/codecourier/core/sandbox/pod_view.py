"""What the core reads of a pod: its life and that of its containers, in the kubelet's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from codecourier.core.shared.naming import FINALIZER

__all__ = ["ContainerView", "PodView", "view_pod"]

_CLOCK_SKEW = timedelta(minutes=10)
"""How far the clock of a node may be behind that of the API server."""

_NOT_STARTED = frozenset({"StartError", "ContainerCannotRun", "CreateContainerError", "RunContainerError"})
"""Reasons of the end of a container whose command never ran: those of containerd and CRI-O, Docker, and the kubelet."""

_USUAL_WAITS = frozenset({"", "PodInitializing", "ContainerCreating"})
"""Reasons of containers whose turn has not come, or that are being created."""


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container."""

    name: str
    start_time: datetime | None = None
    finish_time: datetime | None = None
    exit_code: int | None = None
    """None while it has not ended."""

    reason: str = ""
    """Kubernetes' reason of its end, or of its waiting."""

    message: str = ""
    """Its termination message, or why it waits."""

    @property
    def has_started(self) -> bool:
        """Whether it ever ran."""
        return self.start_time is not None

    @property
    def is_running(self) -> bool:
        """Whether it has started and not ended."""
        return self.has_started and self.exit_code is None

    @property
    def could_not_start(self) -> bool:
        """Whether it has ended without its command ever having run."""
        return self.exit_code is not None and self.reason in _NOT_STARTED

    @property
    def is_short_of_memory(self) -> bool:
        """Whether the kernel killed a process of it for memory, whatever its exit code says."""
        return self.exit_code is not None and self.reason == "OOMKilled"


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod; containers are in the order in which they run."""

    name: str
    uid: str
    phase: str
    reason: str
    message: str
    creation_time: datetime
    deletion_time: datetime | None
    node: str
    """Name of its node; empty while it has none, and one that is deleted never gets one."""

    has_finalizer: bool
    containers: tuple[ContainerView, ...]
    waiting_for: str
    """Why its next container does not start, in Kubernetes' own words; empty when nothing is said."""

    resource_version: str = ""
    """Which of its versions this is."""

    deadline_seconds: int = 0
    """Seconds after which Kubernetes ends it; 0 where it has no such deadline."""

    grace_seconds: int = 30
    """Seconds that its containers have to end once they are asked to."""

    @property
    def is_ended(self) -> bool:
        """Whether no process of it runs: the kubelet says so, or it can never come to a node."""
        return self.phase in {"Succeeded", "Failed"} or (self.deletion_time is not None and not self.node)

    @property
    def start_time(self) -> datetime | None:
        """When its first container ran; None before."""
        times = [c.start_time for c in self.containers if c.start_time is not None]
        return min(times, default=None)

    @property
    def finish_time(self) -> datetime | None:
        """When the last container that has ended did; None before."""
        times = [c.finish_time for c in self.containers if c.finish_time is not None]
        return max(times, default=None)

    def container(self, name: str) -> ContainerView | None:
        """Return a container by name; None when the pod has none or the kubelet says nothing of it."""
        return next((c for c in self.containers if c.name == name), None)


def view_pod(pod: Mapping[str, Any]) -> PodView:
    """Read a pod's manifest as the API server gives it."""
    metadata, status = pod["metadata"], pod.get("status", {})
    creation_time = datetime.fromisoformat(metadata["creationTimestamp"])
    statuses = {c["name"]: c for key in ("initContainerStatuses", "containerStatuses") for c in status.get(key, [])}
    names = [c["name"] for key in ("initContainers", "containers") for c in pod["spec"].get(key, [])]
    containers = tuple(_view_container(name, statuses.get(name, {}), creation_time) for name in names)
    return PodView(
        name=metadata["name"],
        uid=metadata["uid"],
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        creation_time=creation_time,
        deletion_time=_time(metadata.get("deletionTimestamp")),
        node=pod["spec"].get("nodeName", ""),
        has_finalizer=FINALIZER in metadata.get("finalizers", []),
        containers=containers,
        waiting_for=_waiting_for(status, containers),
        resource_version=metadata["resourceVersion"],
        deadline_seconds=pod["spec"].get("activeDeadlineSeconds", 0),
        grace_seconds=pod["spec"].get("terminationGracePeriodSeconds", 30),
    )


def _view_container(name: str, status: Mapping[str, Any], creation_time: datetime) -> ContainerView:
    state = status.get("state", {})
    running, ended, waiting = state.get("running"), state.get("terminated"), state.get("waiting") or {}
    if ended:
        reason = ended.get("reason", "")
        started = None if reason in _NOT_STARTED else _time_after(creation_time, ended.get("startedAt"))
        return ContainerView(
            name=name,
            start_time=started,
            finish_time=_time_after(started or creation_time, ended.get("finishedAt")),
            exit_code=ended.get("exitCode", 0),
            reason=reason,
            message=ended.get("message", ""),
        )
    if running:
        return ContainerView(
            name=name, start_time=_time_after(creation_time, running.get("startedAt")) or creation_time
        )
    return ContainerView(name=name, reason=waiting.get("reason", ""), message=waiting.get("message", ""))


def _waiting_for(status: Mapping[str, Any], containers: tuple[ContainerView, ...]) -> str:
    for condition in status.get("conditions", []):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _words(condition.get("reason", ""), condition.get("message", ""))
    for container in containers:
        if container.exit_code is None and not container.has_started and container.reason not in _USUAL_WAITS:
            return _words(container.reason, container.message)
    return ""


def _words(reason: str, message: str) -> str:
    return ": ".join(part for part in (reason, message) if part)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _time_after(earliest: datetime, text: str | None) -> datetime | None:
    """Read a time by a node's clock; None for one that cannot be, such as the epoch in place of an unknown time."""
    time = _time(text)
    if time is None or time < earliest - _CLOCK_SKEW:
        return None
    return max(time, earliest)
