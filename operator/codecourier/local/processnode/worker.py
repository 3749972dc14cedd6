"""One pod from the moment it is bound to this node until its object and its folder are gone.

Steps: volumes → init containers in order, sidecars among them staying → main containers → stop the sidecars → final
status → volumes removed → (once deletion is asked for) the object deleted with grace period 0 → folder removed.
Deletion, the pod's deadline and a full volume cut the first steps short. Each step looks at what is there before it
acts, so that a restarted node goes through the same ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from codecourier.local.processnode import stopping
from codecourier.local.processnode.api import NETWORK_ERRORS, Api, ApiError
from codecourier.local.processnode.container import Container
from codecourier.local.processnode.environment import references_of
from codecourier.local.processnode.errors import VolumeError
from codecourier.local.processnode.events import Events
from codecourier.local.processnode.launch.spec import LaunchSpec
from codecourier.local.processnode.launching import Host, build_launch_spec
from codecourier.local.processnode.lookups import Lookups
from codecourier.local.processnode.objects import (
    Json,
    all_containers,
    ignored_fields,
    is_sidecar,
    is_terminal,
    key_of,
    parse_time,
    uid_of,
)
from codecourier.local.processnode.orphans import discard
from codecourier.local.processnode.payload import volume_references
from codecourier.local.processnode.publisher import Publisher
from codecourier.local.processnode.run import ContainerRun, Surroundings
from codecourier.local.processnode.settings import Settings
from codecourier.local.processnode.signalling import Signal
from codecourier.local.processnode.status import Ending, build_status, waiting_reason
from codecourier.local.processnode.volumes import PodVolumes
from codecourier.local.processnode.watchdogs import watch_disk, watch_memory

__all__ = ["PodWorker", "Services"]

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 10.0
_NETWORK_RETRY_SECONDS = 0.5
_GONE = {404, 409}
_DELETED = Ending("", "")
_DEADLINE = Ending("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


@dataclass(frozen=True)
class Services:
    """What all pods share."""

    api: Api
    lookups: Lookups
    events: Events
    settings: Settings
    host: Host


class PodWorker:
    """Runs one pod.

    Parameters
    ----------
    pod
        The object, bound to this node.
    services
        What all pods share.
    """

    def __init__(self, pod: Json, services: Services) -> None:
        self.pod = pod
        self.folder = services.settings.pods_dir / uid_of(pod)
        self._services = services
        self._is_gone = False
        self._eviction: Ending | None = None
        self._ending: Ending | None = None
        self._is_settled = is_terminal(pod)
        self._changed = Signal()
        status = pod.get("status", {})
        self._start_time = parse_time(status["startTime"]) if "startTime" in status else datetime.now(tz=UTC)
        self._publisher = Publisher(services.api, self._existing_pod, self._build_status, self._wrote)
        self._volumes = PodVolumes(
            self.folder / "volumes",
            services.api,
            services.lookups,
            services.host.allocatable,
            uses_groups=services.settings.isolates,
        )
        self.runs = {run.name: run for run in self._make_runs()}
        self._background: set[asyncio.Task[None]] = set()

    def update(self, pod: Json) -> None:
        """Take in a newer state of the object; an older one is passed over."""
        if int(pod["metadata"]["resourceVersion"]) >= int(self.pod["metadata"]["resourceVersion"]):
            self.pod = pod
            self._changed.notify()

    def remove(self) -> None:
        """Take in that the object is gone."""
        self._is_gone = True
        self._changed.notify()

    def log_path(self, container: str, *, previous: bool) -> Path | None:
        """Return the log of a container's latest start, or of the one before; None where there was none."""
        starts = self.folder / "containers" / container
        numbers = sorted(int(path.name) for path in starts.iterdir()) if starts.is_dir() else []
        index = 2 if previous else 1
        return Container(starts / str(numbers[-index])).log_path if len(numbers) >= index else None

    async def run(self) -> None:
        """Do all that the pod needs, until it is gone."""
        self._services.lookups.subscribe(self._references(), self._object_changed)
        self._in_background(self._publisher.run())
        try:
            self._recover()
            if is_terminal(self.pod):
                await self._stop_containers()
            else:
                await self._live()
            await self._finish()
        finally:
            self._services.lookups.unsubscribe(self._object_changed)
            for task in self._background:
                task.cancel()

    def _recover(self) -> None:
        statuses = self.pod.get("status", {})
        known = [*statuses.get("initContainerStatuses", []), *statuses.get("containerStatuses", [])]
        for run in self.runs.values():
            run.recover(next((item for item in known if item["name"] == run.name), None))

    async def _live(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        life = asyncio.create_task(self._run_containers())
        stop = asyncio.create_task(self._wait_for_stop())
        dogs = [
            asyncio.create_task(watch_disk(self, self._volumes.paths(self.pod))),
            asyncio.create_task(watch_memory(self.runs)),
        ]
        try:
            await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
            self._ending = _result(life, stop)
        finally:
            for task in (life, stop, *dogs):
                task.cancel()
            await asyncio.gather(life, stop, *dogs, return_exceptions=True)
        await self._stop_containers()
        self._is_settled = True

    async def _run_containers(self) -> None:
        self._publisher.mark()
        if ignored := ignored_fields(self.pod):
            await self._services.events.warn(
                self.pod, "Ignored", f"the process node does nothing about: {', '.join(ignored)}"
            )
        await self._set_up_volumes()
        async with asyncio.TaskGroup() as sidecars:
            staying = []
            for item in self.pod["spec"].get("initContainers", []):
                run = self.runs[item["name"]]
                if is_sidecar(item):
                    staying.append(sidecars.create_task(run.run()))
                    await run.has_started.wait()
                elif not await run.run():
                    break
            else:
                await asyncio.gather(*(self._run_main(self.runs[item["name"]]) for item in self._mains()))
            for task in staying:
                task.cancel()

    async def _run_main(self, run: ContainerRun) -> None:
        await run.run()
        if any(self.runs[item["name"]].is_running for item in self._mains()):
            self._publisher.mark()

    def _mains(self) -> list[Json]:
        mains: list[Json] = self.pod["spec"]["containers"]
        return mains

    async def _set_up_volumes(self) -> None:
        while True:
            try:
                await self._volumes.set_up(self.pod)
            except VolumeError as error:
                await self._services.events.warn(self.pod, "FailedMount", str(error))
                await self._changed.wait(_RETRY_SECONDS)
            except (ApiError, *NETWORK_ERRORS):
                await asyncio.sleep(_NETWORK_RETRY_SECONDS)
            else:
                return

    async def _wait_for_stop(self) -> Ending:
        while True:
            # Before the node's own last word a final phase is somebody else's, as the pod garbage collector's.
            if self._is_gone or "deletionTimestamp" in self.pod["metadata"] or is_terminal(self.pod):
                return _DELETED
            if self._eviction:
                await self._services.events.warn(self.pod, "Evicted", self._eviction.message)
                return self._eviction
            left = None
            if (seconds := self.pod["spec"].get("activeDeadlineSeconds")) is not None:
                left = seconds - (datetime.now(tz=UTC) - self._start_time).total_seconds()
                if left <= 0:
                    return _DEADLINE
            await self._changed.wait(left)

    def evict(self, ending: Ending) -> None:
        """End the pod because of what it used up."""
        self._eviction = ending
        self._changed.notify()

    async def _stop_containers(self) -> None:
        mains = [self.runs[item["name"]] for item in all_containers(self.pod) if not is_sidecar(item)]
        sidecars = [self.runs[item["name"]] for item in all_containers(self.pod) if is_sidecar(item)]
        deadline = stopping.Deadline(self._grace_seconds, self._changed)
        await asyncio.gather(*(stopping.stop(run.current, deadline) for run in mains if run.current))
        for run in reversed(sidecars):
            if run.current:
                await stopping.stop(run.current, deadline)
        for run in self.runs.values():
            run.settle()

    def _grace_seconds(self) -> float:
        if self._eviction:
            return 1
        wanted = self.pod["metadata"].get("deletionGracePeriodSeconds")
        if wanted is None:
            wanted = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
        return max(1.0, float(wanted))

    async def _finish(self) -> None:
        if not is_terminal(self.pod):
            await self._publisher.flush()
        await self._volumes.tear_down()
        while not self._is_gone:
            metadata = self.pod["metadata"]
            if "deletionTimestamp" in metadata and metadata.get("deletionGracePeriodSeconds") != 0:
                await self._delete()
            else:
                await self._changed.wait(None)
        await asyncio.to_thread(discard, self.folder)
        self._services.events.forget(uid_of(self.pod))

    async def _delete(self) -> None:
        namespace, name = key_of(self.pod)
        body: Json = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": uid_of(self.pod)},
        }
        try:
            answer = await self._services.api.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", body)
        except ApiError as error:
            if error.status in _GONE:
                self.remove()
                return
            _LOG.warning("pod %s/%s could not be deleted: %s", namespace, name, error)
            await self._changed.wait(_NETWORK_RETRY_SECONDS)
        except NETWORK_ERRORS:
            await self._changed.wait(_NETWORK_RETRY_SECONDS)
        else:
            # A finalizer keeps the object, with grace period 0.
            if answer.get("kind") == "Pod" and answer["metadata"].get("finalizers"):
                self.update(answer)
            else:
                self.remove()

    def _make_runs(self) -> list[ContainerRun]:
        namespace, name = key_of(self.pod)
        around = Surroundings(
            pod_label=f"{name}_{namespace}({uid_of(self.pod)})",
            restart_policy=self.pod["spec"].get("restartPolicy", "Always"),
            waiting_reason=waiting_reason(self.pod),
            build_spec=self._build_spec,
            publish=self._publisher.mark,
            warn=lambda reason, message: self._services.events.warn(self.pod, reason, message),
            changed=self._changed,
        )
        inits = {item["name"] for item in self.pod["spec"].get("initContainers", [])}
        folder = self.folder / "containers"
        return [
            ContainerRun(item, folder / item["name"], around, is_init=item["name"] in inits)
            for item in all_containers(self.pod)
        ]

    async def _build_spec(self, item: Json, container: Container) -> LaunchSpec:
        services = self._services
        references = await services.lookups.get(key_of(self.pod)[0], sorted(references_of(item)))
        volumes = self._volumes.paths(self.pod)
        return build_launch_spec(self.pod, item, container, volumes, references, services.settings, services.host)

    def _build_status(self) -> Json:
        views = {name: run.view for name, run in self.runs.items()}
        return build_status(
            self.pod, views, self._ending, self._start_time, datetime.now(tz=UTC), is_settled=self._is_settled
        )

    def _existing_pod(self) -> Json | None:
        return None if self._is_gone else self.pod

    def _wrote(self, pod: Json | None) -> None:
        if pod is None:
            self.remove()
        else:
            self.update(pod)

    def _references(self) -> list[tuple[str, str, str]]:
        wanted = [
            reference for volume in self.pod["spec"].get("volumes", []) for reference in volume_references(volume)
        ]
        wanted += [reference for item in all_containers(self.pod) for reference in references_of(item)]
        return [(kind, key_of(self.pod)[0], name) for kind, name in wanted]

    def _object_changed(self) -> None:
        self._changed.notify()
        if not self._is_settled:
            self._in_background(self._refresh_volumes())

    async def _refresh_volumes(self) -> None:
        try:
            await self._volumes.set_up(self.pod)
        except (VolumeError, ApiError, *NETWORK_ERRORS) as error:
            # What was written before stays, as with the kubelet.
            _LOG.info("volumes of pod %s/%s were not brought up to date: %s", *key_of(self.pod), error)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _result(life: asyncio.Task[None], stop: asyncio.Task[Ending]) -> Ending | None:
    if life.done():
        if error := life.exception():
            _LOG.error("a pod could not be run", exc_info=error)
            return Ending("ProcessNodeError", f"the process node failed: {error!r}")
        return None
    return stop.result()
