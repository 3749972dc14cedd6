"""A container of a pod, from waiting to its end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from codecourier.kube.api import Json
from codecourier.kube.errors import KubeError
from codecourier.local.processnode.container import Container, Exit, StartError
from codecourier.local.processnode.content import ContentError
from codecourier.local.processnode.image import why_not_started, why_waiting
from codecourier.local.processnode.launch.spec import LaunchSpec
from codecourier.local.processnode.status import (
    LOST,
    KnownContainer,
    Running,
    Terminated,
    Waiting,
)
from codecourier.local.processnode.stopping import Signal

__all__ = ["ContainerRun", "Surroundings"]

_MESSAGE_BYTES = 4096
_RETRY_SECONDS = 10.0
_NETWORK_RETRY_SECONDS = 0.5
_START_FAILED = 128
_OUT_OF_MEMORY = "OOMKilled"
_EPOCH = datetime.fromtimestamp(0, tz=UTC)
"""What containerd gives as the start of a container that never started."""


@dataclass(frozen=True)
class Surroundings:
    """What a container's run needs of its pod."""

    pod_uid: str

    waiting_reason: str
    """Of a container whose turn has not come."""

    build_spec: Callable[[Json, Container], Awaitable[LaunchSpec]]
    """Returns how to start a container; raises ContentError while something is missing."""

    publish: Callable[[], None]
    """Reports that the pod's status changed."""

    changed: Signal
    """Wakes a container that waits for something missing."""


class ContainerRun:
    """Starts a container and knows its state."""

    def __init__(self, item: Json, folder: Path, around: Surroundings) -> None:
        self.item = item
        self.container = Container(folder)
        self.view = KnownContainer(Waiting(around.waiting_reason))
        self._around = around
        name = f"{around.pod_uid}/{item['name']}"
        self._container_id = f"processnode://{hashlib.sha256(name.encode()).hexdigest()}"

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.item["name"])

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return isinstance(self.view.state, Running)

    def recover(self, status: Json | None) -> None:
        """Take up what an earlier node process left; a container that it had started and that left no trace is lost."""
        if self.container.is_running():
            self._has_started()
        elif self.container.folder.is_dir():
            self._take_end(self.container.end())
        elif status and status.get("containerID"):
            self.view = KnownContainer(LOST, self._container_id)

    async def run(self) -> bool:
        """Run until the container has ended; return whether the pod goes on to its next step.

        To the kubelet a container has failed that lacked memory, whatever its exit code.
        """
        if isinstance(self.view.state, Waiting):
            await self._start()
        if self.is_running:
            self._take_end(await self.container.wait())
        state = self.view.state
        return isinstance(state, Terminated) and state.exit_code == 0 and state.reason != _OUT_OF_MEMORY

    @property
    def has_failed(self) -> bool:
        """Whether it has ended with another exit code than 0."""
        return isinstance(self.view.state, Terminated) and self.view.state.exit_code != 0

    def settle(self) -> None:
        """Take in the end of a container that was stopped from outside."""
        is_over = isinstance(self.view.state, Terminated) or self.container.is_running()
        if not is_over and self.container.folder.is_dir():
            self._take_end(self.container.end())

    async def _start(self) -> None:
        if waiting := why_waiting(self.item["image"]):
            self._wait(*waiting)
            await asyncio.Event().wait()
        if error := why_not_started(self.item["image"], self.item["command"]):
            self._take_end(Exit(_START_FAILED, datetime.now(tz=UTC), error))
            return
        spec = await self._build()
        # Known before anything is awaited, so that the pod's end finds it.
        self.container.prepare()
        try:
            await self.container.start(spec)
        except StartError:
            self._take_end(self.container.end())
        else:
            self._has_started()
            self._around.publish()

    async def _build(self) -> LaunchSpec:
        while True:
            try:
                return await self._around.build_spec(self.item, self.container)
            except ContentError as error:
                self._wait("CreateContainerConfigError", str(error))
                await self._around.changed.wait(_RETRY_SECONDS)
            except KubeError:
                await asyncio.sleep(_NETWORK_RETRY_SECONDS)

    def _wait(self, reason: str, message: str) -> None:
        self.view = KnownContainer(Waiting(reason, message))
        self._around.publish()

    def _has_started(self) -> None:
        self.view = KnownContainer(Running(self.container.started or datetime.now(tz=UTC)), self._container_id)

    def _take_end(self, ended: Exit) -> None:
        if ended.error:
            state = Terminated(_START_FAILED, "StartError", ended.error, _EPOCH, ended.finished)
        elif ended.code is None:
            state = LOST
        else:
            reason = _OUT_OF_MEMORY if ended.out_of_memory else "Error" if ended.code else "Completed"
            started = self.container.started
            state = Terminated(ended.code, reason, self._termination_message(), started, ended.finished)
        self.view = KnownContainer(replace(state, container_id=self._container_id), self._container_id)

    def _termination_message(self) -> str:
        try:
            return self.container.termination_path.read_bytes()[-_MESSAGE_BYTES:].decode(errors="replace")
        except FileNotFoundError:
            return ""
