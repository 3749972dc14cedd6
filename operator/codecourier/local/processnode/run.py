"""One container of a pod through all its starts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from codecourier.local.processnode import logs
from codecourier.local.processnode.api import NETWORK_ERRORS, ApiError
from codecourier.local.processnode.container import Container, Exit
from codecourier.local.processnode.errors import ConfigurationError, StartError
from codecourier.local.processnode.image import UNPULLABLE_IMAGE
from codecourier.local.processnode.launch.spec import LaunchSpec
from codecourier.local.processnode.objects import Json, is_sidecar
from codecourier.local.processnode.signalling import Signal
from codecourier.local.processnode.status import (
    UNKNOWN_EXIT_CODE,
    ContainerView,
    Running,
    Terminated,
    Waiting,
    container_from_status,
)

__all__ = ["ContainerRun", "Surroundings"]

_MESSAGE_BYTES = 4096
_RETRY_SECONDS = 10.0
_NETWORK_RETRY_SECONDS = 0.5
_FIRST_BACK_OFF_SECONDS = 10
_LAST_BACK_OFF_SECONDS = 300
_START_FAILED = 128
_FALLBACK = "FallbackToLogsOnError"


@dataclass(frozen=True)
class Surroundings:
    """What a container's run needs of its pod."""

    pod_label: str
    """Name, namespace and UID, as the kubelet writes them into messages."""

    restart_policy: str

    waiting_reason: str
    """Of a container whose turn has not come."""

    build_spec: Callable[[Json, Container], Awaitable[LaunchSpec]]
    """Returns how to start a container; raises ConfigurationError while something is missing."""

    publish: Callable[[], None]
    """Says that the pod's status changed."""

    warn: Callable[[str, str], Awaitable[None]]
    """Writes an event with a reason and a message."""

    changed: Signal
    """Wakes whoever waits for something missing."""


class ContainerRun:
    """Starts a container, again where its policy says so, and knows its state.

    Parameters
    ----------
    item
        The container's entry in the pod's spec.
    folder
        Has a folder for each start.
    around
        What it needs of its pod.
    is_init
        Whether it is an init container.
    """

    def __init__(self, item: Json, folder: Path, around: Surroundings, *, is_init: bool) -> None:
        self.item = item
        self.has_started = asyncio.Event()
        self.view = ContainerView(Waiting(around.waiting_reason))
        self.current: Container | None = None
        self._folder = folder
        self._around = around
        self._is_init = is_init

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.item["name"])

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return isinstance(self.view.state, Running)

    def recover(self, status: Json | None) -> None:
        """Take up what an earlier node process left, or else what it wrote into the pod's status."""
        starts = sorted(int(path.name) for path in self._folder.iterdir()) if self._folder.is_dir() else []
        if starts:
            self.current = Container(self._folder / str(starts[-1]))
            if self.current.is_running():
                started = self.current.started or datetime.now(tz=UTC)
                self.view = ContainerView(Running(started), None, starts[-1], self._container_id())
                self.has_started.set()
            else:
                self._take_end(self.current.end())
        elif status and (status.get("containerID") or "terminated" in status.get("state", {})):
            self.view = container_from_status(status)

    async def run(self) -> bool:
        """Run until the container has ended for good; return whether that was well."""
        while True:
            if isinstance(self.view.state, Running) and self.current:
                self._take_end(await self.current.wait())
            if isinstance(self.view.state, Terminated):
                if not self._restarts(self.view.state):
                    return self.view.state.exit_code == 0
                await self._back_off(self.view.state)
            await self._start()

    def settle(self) -> None:
        """Take in the end of a container that was stopped from outside."""
        if self.current and not isinstance(self.view.state, Terminated) and not self.current.is_running():
            self._take_end(self.current.end())

    def _restarts(self, ended: Terminated) -> bool:
        if is_sidecar(self.item) or (self._around.restart_policy == "Always" and not self._is_init):
            return True
        return self._around.restart_policy != "Never" and ended.exit_code != 0

    async def _back_off(self, ended: Terminated) -> None:
        seconds = min(_FIRST_BACK_OFF_SECONDS * 2**self.view.restarts, _LAST_BACK_OFF_SECONDS)
        message = f"back-off {seconds}s restarting failed container={self.name} pod={self._around.pod_label}"
        self.view = replace(self.view, state=Waiting("CrashLoopBackOff", message), last=ended)
        self._around.publish()
        await asyncio.sleep(seconds)
        self.view = replace(self.view, restarts=self.view.restarts + 1)

    async def _start(self) -> None:
        await self._pull()
        container = Container(self._folder / str(self.view.restarts))
        spec = await self._build(container)
        container.prepare()
        # Known before anything is awaited, so that whoever stops the pod finds it.
        self.current = container
        try:
            await container.start(spec)
        except StartError:
            self._take_end(container.end())
        else:
            started = container.started or datetime.now(tz=UTC)
            self.view = replace(self.view, state=Running(started), container_id=self._container_id())
            self.has_started.set()
            self._around.publish()

    async def _build(self, container: Container) -> LaunchSpec:
        while True:
            try:
                return await self._around.build_spec(self.item, container)
            except ConfigurationError as error:
                self._wait(error.reason, str(error))
                await self._around.warn("Failed", f"Error: {error}")
                await self._around.changed.wait(_RETRY_SECONDS)
            except (ApiError, *NETWORK_ERRORS):
                await asyncio.sleep(_NETWORK_RETRY_SECONDS)

    async def _pull(self) -> None:
        image = self.item["image"]
        reason = "ErrImagePull"
        message = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": not found'
        while image.startswith(UNPULLABLE_IMAGE):
            self._wait(reason, message)
            await self._around.warn("Failed", f'Failed to pull image "{image}": not found')
            await self._around.changed.wait(_RETRY_SECONDS)
            reason, message = "ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {message}'
            if isinstance(self.view.state, Waiting) and self.view.state.reason == reason:
                message = self.view.state.message

    def _wait(self, reason: str, message: str) -> None:
        self.view = replace(self.view, state=Waiting(reason, message))
        self._around.publish()

    def _take_end(self, ended: Exit) -> None:
        container = self.current
        if container is None:
            return
        restarts = container.attempt
        if ended.error:
            state = Terminated(_START_FAILED, "StartError", ended.error, None, ended.finished, self._container_id())
        elif ended.code is None:
            message = "The container could not be located when the pod was terminated"
            state = Terminated(UNKNOWN_EXIT_CODE, "ContainerStatusUnknown", message)
        else:
            reason = "OOMKilled" if ended.out_of_memory else "Error" if ended.code else "Completed"
            message = self._termination_message(container, ended.code)
            state = Terminated(ended.code, reason, message, container.started, ended.finished, self._container_id())
        self.view = ContainerView(state, self.view.last, restarts, self._container_id())

    def _termination_message(self, container: Container, code: int) -> str:
        try:
            data = container.termination_path.read_bytes()[-_MESSAGE_BYTES:]
        except FileNotFoundError:
            data = b""
        if not data and code and self.item.get("terminationMessagePolicy") == _FALLBACK:
            return logs.last_lines(container.log_path)
        return data.decode(errors="replace")

    def _container_id(self) -> str:
        start = self.current.attempt if self.current else 0
        name = f"{self._around.pod_label}/{self.name}/{start}"
        return f"processnode://{hashlib.sha256(name.encode()).hexdigest()}"
