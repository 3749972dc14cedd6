"""One pod from the moment it is bound to this node until its object and its folder are gone.

Steps: volumes → init containers in order → main containers → final status → volumes removed → (once deletion is asked
for) the object deleted with grace period 0 → folder removed. Deletion, the pod's deadline and a full volume cut the
first steps short. Each step looks at what is there before it acts, so that a restarted node goes through the same ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from codecourier.kube.api import EVENTS, PODS, SECRETS, Json, KubeApi
from codecourier.kube.cache import key_of, version_of
from codecourier.kube.errors import Conflict, KubeError, NotFound
from codecourier.local.processnode import stopping
from codecourier.local.processnode.container import Container
from codecourier.local.processnode.content import ContentError, Secrets, secrets_of_container, secrets_of_volume
from codecourier.local.processnode.launch.spec import LaunchSpec
from codecourier.local.processnode.launching import build_launch_spec
from codecourier.local.processnode.limits import watch_disk, watch_memory
from codecourier.local.processnode.objects import all_containers, is_terminal, uid_of
from codecourier.local.processnode.orphans import discard
from codecourier.local.processnode.publisher import Publisher
from codecourier.local.processnode.run import ContainerRun, Surroundings
from codecourier.local.processnode.settings import NodeSettings
from codecourier.local.processnode.status import Ending, build_status, refused_status, waiting_reason
from codecourier.local.processnode.stopping import Signal
from codecourier.local.processnode.supported import REFUSED, why_refused
from codecourier.local.processnode.troubles import has_dead_sandbox, out_of_memory_of
from codecourier.local.processnode.volumes import PodVolumes

__all__ = ["PodWorker", "Services"]

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 10.0
_NETWORK_RETRY_SECONDS = 0.5
_DELETED = Ending("", "")
_DEADLINE = Ending("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
_NOTE_CHARACTERS = 1024


@dataclass(frozen=True)
class Services:
    """What all pods share."""

    kube: KubeApi
    settings: NodeSettings
    host_mounts: list[Path]
    """Mount points of this machine that belong to its programs."""


class PodWorker:
    """Runs one pod."""

    def __init__(self, pod: Json, services: Services) -> None:
        self.pod = pod
        self.folder = services.settings.pods_dir / uid_of(pod)
        self._services = services
        self._namespace, self._name = key_of(pod)
        self._refusal = why_refused(pod)
        self._is_gone = False
        self._eviction: Ending | None = None
        self._ending: Ending | None = None
        self._is_settled = is_terminal(pod)
        self._changed = Signal()
        self._noted = ""
        start = pod.get("status", {}).get("startTime")
        self._start_time = datetime.fromisoformat(start) if start else datetime.now(tz=UTC)
        self._publisher = Publisher(services.kube, self._existing_pod, self._build_status, self._wrote)
        isolates = services.settings.isolates
        self._volumes = PodVolumes(self.folder / "volumes", self._read_secrets, uses_groups=isolates)
        self.runs = {run.name: run for run in self._make_runs()}
        self._background: set[asyncio.Task[None]] = set()

    def update(self, pod: Json) -> None:
        """Take in a newer state of the object; an older one is passed over."""
        if version_of(pod) >= version_of(self.pod):
            self.pod = pod
            self._changed.notify()

    def remove(self) -> None:
        """Take in that the object is gone."""
        self._is_gone = True
        self._changed.notify()

    def secret_changed(self, namespace: str, name: str) -> None:
        """Take in that a Secret was made, changed or deleted."""
        spec = self.pod["spec"]
        if self._is_settled or self._refusal or namespace != self._namespace:
            return
        if any(name in secrets_of_volume(volume) for volume in spec.get("volumes", [])):
            self._in_background(self._refresh_volumes())
            self._changed.notify()
        if any(name in secrets_of_container(item) for item in all_containers(self.pod)):
            self._changed.notify()

    def evict(self, ending: Ending) -> None:
        """End the pod because of what it used up."""
        self._eviction = ending
        self._changed.notify()

    async def run(self) -> None:
        """Do all that the pod needs, until it is gone."""
        self._in_background(self._publisher.run())
        try:
            self._recover()
            if is_terminal(self.pod):
                await self._stop_containers()
            elif not self._refusal:
                await self._live()
            await self._finish()
        finally:
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
        watches = [
            asyncio.create_task(watch_disk(self.pod, self._volumes.paths(self.pod), self.evict)),
            asyncio.create_task(watch_memory(self.runs, lambda: out_of_memory_of(self.pod))),
            asyncio.create_task(self._watch_sandbox()),
        ]
        try:
            await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
            self._ending = _result(life, stop)
        finally:
            for task in (life, stop, *watches):
                task.cancel()
            await asyncio.gather(life, stop, *watches, return_exceptions=True)
        await self._stop_containers()
        self._is_settled = True

    async def _run_containers(self) -> None:
        self._publisher.mark()
        await self._set_up_volumes()
        for item in self.pod["spec"].get("initContainers", []):
            run = self.runs[item["name"]]
            is_well = await run.run()
            if run.has_failed:
                return
            if not is_well or has_dead_sandbox(self.pod):
                # The kubelet computes the phase from exit codes: no step failed, and yet it starts none.
                self._publisher.mark()
                await asyncio.Event().wait()
        await asyncio.gather(*(self._run_main(self.runs[item["name"]]) for item in self.pod["spec"]["containers"]))

    async def _run_main(self, run: ContainerRun) -> None:
        await run.run()
        if any(self.runs[item["name"]].is_running for item in self.pod["spec"]["containers"]):
            self._publisher.mark()

    async def _watch_sandbox(self) -> None:
        """Stop what runs once the pod's sandbox is dead."""
        while not has_dead_sandbox(self.pod):
            await self._changed.wait(None)
        await self._stop_containers()

    async def _set_up_volumes(self) -> None:
        while True:
            try:
                await self._volumes.set_up(self.pod)
            except ContentError as error:
                await self._note("FailedMount", str(error))
                await self._changed.wait(_RETRY_SECONDS)
            except KubeError:
                await asyncio.sleep(_NETWORK_RETRY_SECONDS)
            else:
                return

    async def _wait_for_stop(self) -> Ending:
        while True:
            # Before the node's own last status a final phase is another writer's, as the pod garbage collector's.
            if self._is_gone or "deletionTimestamp" in self.pod["metadata"] or is_terminal(self.pod):
                return _DELETED
            if self._eviction:
                return self._eviction
            left = None
            if (seconds := self.pod["spec"].get("activeDeadlineSeconds")) is not None:
                left = seconds - (datetime.now(tz=UTC) - self._start_time).total_seconds()
                if left <= 0:
                    return _DEADLINE
            await self._changed.wait(left)

    async def _stop_containers(self) -> None:
        deadline = stopping.Deadline(self._grace_seconds, self._changed)
        await asyncio.gather(*(stopping.stop(run.container, deadline) for run in self.runs.values()))
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

    async def _delete(self) -> None:
        try:
            left = await self._services.kube.delete(
                PODS, self._namespace, self._name, uid=uid_of(self.pod), grace_seconds=0
            )
        except (NotFound, Conflict):
            self.remove()
        except KubeError as error:
            _LOG.info("pod %s/%s was not deleted, trying again: %s", self._namespace, self._name, error)
            await self._changed.wait(_NETWORK_RETRY_SECONDS)
        else:
            # A finalizer keeps the object, with grace period 0.
            self.update(left) if left else self.remove()

    def _make_runs(self) -> list[ContainerRun]:
        around = Surroundings(
            pod_uid=uid_of(self.pod),
            waiting_reason=waiting_reason(self.pod),
            build_spec=self._build_spec,
            publish=self._publisher.mark,
            changed=self._changed,
        )
        folder = self.folder / "containers"
        return [ContainerRun(item, folder / item["name"], around) for item in all_containers(self.pod)]

    async def _build_spec(self, item: Json, container: Container) -> LaunchSpec:
        secrets = await self._read_secrets(secrets_of_container(item))
        volumes, services = self._volumes.paths(self.pod), self._services
        return build_launch_spec(self.pod, item, container, volumes, secrets, services.settings, services.host_mounts)

    async def _read_secrets(self, names: Iterable[str]) -> Secrets:
        # From the server, not the cache: a Secret may be created just before the pod that uses it.
        found: dict[str, Json | None] = {}
        for name in sorted(names):
            try:
                found[name] = await self._services.kube.get(SECRETS, self._namespace, name)
            except NotFound:
                found[name] = None
        return found

    def _build_status(self) -> Json:
        if self._refusal:
            return refused_status(REFUSED, self._refusal, self._start_time)
        views = {name: run.view for name, run in self.runs.items()}
        return build_status(self.pod, views, self._ending, self._start_time, is_settled=self._is_settled)

    def _existing_pod(self) -> Json | None:
        return None if self._is_gone else self.pod

    def _wrote(self, pod: Json | None) -> None:
        if pod is None:
            self.remove()
        else:
            self.update(pod)

    async def _refresh_volumes(self) -> None:
        try:
            await self._volumes.set_up(self.pod)
        except (ContentError, KubeError) as error:
            # The files of the version before stay, as with the kubelet.
            _LOG.info("volumes of pod %s/%s were not brought up to date: %s", self._namespace, self._name, error)

    async def _note(self, reason: str, text: str) -> None:
        """Write an Event, unless it is the same as the last one."""
        if text == self._noted:
            return
        self._noted = text
        names = {"namespace": self._namespace, "name": self._name}
        body = {
            "metadata": {"generateName": f"{self._name[:200]}-", "namespace": self._namespace},
            "eventTime": datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": "kubelet",
            "reportingInstance": self._services.settings.node_name,
            "action": reason,
            "reason": reason,
            "regarding": {"apiVersion": "v1", "kind": "Pod", **names, "uid": uid_of(self.pod)},
            "note": text[:_NOTE_CHARACTERS],
            "type": "Warning",
        }
        try:
            await self._services.kube.create(EVENTS, body)
        except KubeError as error:
            _LOG.info("event %s of pod %s/%s was not written: %s", reason, self._namespace, self._name, error)

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
