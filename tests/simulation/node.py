"""Nodes that run sandbox pods on the virtual clock: scheduler, kubelets, and what Kubernetes does about lost nodes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from codecourier.core.shared.naming import ANNOTATION_TASK
from codecourier.kube.api import PODS, SECRETS, Json
from codecourier.kube.errors import ApiError, Conflict, NotFound
from codecourier.task import CONTAINER_AGENT, CONTAINER_CHECKOUT, CONTAINER_PUBLISH, Task
from tests.simulation.apiserver import ApiServer
from tests.simulation.forge import ForgeServer
from tests.simulation.steps import AgentStart, Behaviour, Ended, PodTrouble, SandboxSteps
from tests.simulation.store import Change

__all__ = ["AgentStart", "Nodes", "Script"]

_STEP_SECONDS = {CONTAINER_AGENT: 20.0}
_DEFAULT_STEP_SECONDS = 3.0
_LOST_AFTER_SECONDS = 40.0
_TOLERATED_SECONDS = 60.0
_REFRESH_SECONDS = 95.0
"""How long a kubelet takes to bring a changed Secret into a pod that runs."""

_FULL_SECONDS = 5.0
"""How often the scheduler looks whether there is room."""

_KILLED = 137
_EPOCH = "1970-01-01T00:00:00Z"

Script = Callable[[Task], tuple[Behaviour, PodTrouble | None]]
"""How the agent of a try behaves, and what goes wrong in its pod."""


@dataclass
class _Pod:
    """A pod as its kubelet knows it, which may be more than the API server does."""

    namespace: str
    name: str
    uid: str
    node: str
    steps: SandboxSteps
    secret: str
    names: tuple[str, ...]
    states: dict[str, Json] = field(default_factory=dict)
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    runner: asyncio.Task[None] | None = None
    current: str | None = None
    mounted: Mapping[str, str] = field(default_factory=dict)
    """What the mounted Secret held when it was last looked at, base64."""

    is_ending: bool = False

    @property
    def is_ended(self) -> bool:
        return self.phase in {"Succeeded", "Failed"}

    def token_of(self, step: str) -> str:
        """Return the token that a step is given; empty for those that get none."""
        key = {CONTAINER_CHECKOUT: "read", CONTAINER_PUBLISH: "write"}.get(step)
        return base64.b64decode(self.mounted[key]).decode() if key is not None else ""


class Nodes:
    """All nodes of the cluster. Make it inside the running loop.

    Parameters
    ----------
    server
        The API server.
    forge
        The forge.
    random
        Source of the delays.
    now
        The wall clock.
    script
        How agents behave.
    note
        Is told what happens, for the trace.
    pace
        How long steps take, as a share of the usual.
    names
        The nodes.
    """

    def __init__(
        self,
        server: ApiServer,
        forge: ForgeServer,
        *,
        random: Random,
        now: Callable[[], datetime],
        script: Script,
        note: Callable[[str], None],
        pace: float = 1.0,
        names: Iterable[str] = ("node-a", "node-b"),
    ) -> None:
        self.starts: list[AgentStart] = []
        self.starting: list[Callable[[AgentStart], None]] = []
        """Called at once for every agent that starts."""

        self._server, self._forge, self._random = server, forge, random
        self._now, self._script, self._note = now, script, note
        self._pace = pace
        self._names = tuple(names)
        self._cut: set[str] = set()
        self.is_full = False
        """Whether no node has room for another pod."""

        self._pods: dict[str, _Pod] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        server.store.listeners.append(self._changed)

    def is_alive(self, pod_uid: str) -> bool:
        """Tell whether processes of a pod run, whatever the API server thinks."""
        pod = self._pods.get(pod_uid)
        return pod is not None and not pod.is_ended

    def living(self) -> list[str]:
        """Return the UIDs of pods whose processes run."""
        return [uid for uid, pod in self._pods.items() if not pod.is_ended]

    def kill_container(self) -> None:
        """Kill the container that runs in some pod."""
        running = [pod for pod in self._pods.values() if pod.current is not None and not pod.is_ended]
        if running:
            pod = self._random.choice(running)
            self._note(f"{pod.node}: {pod.current} of {pod.name} is killed")
            self._stop(pod, "", "")

    def evict(self) -> None:
        """Evict some pod because its node is under pressure."""
        self._end_some("Evicted", "The node was low on resource: memory.")

    def expire(self) -> None:
        """End some pod at its deadline."""
        self._end_some("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")

    def _end_some(self, reason: str, message: str) -> None:
        running = [pod for pod in self._pods.values() if not pod.is_ended and pod.node not in self._cut]
        if running:
            pod = self._random.choice(running)
            self._note(f"{pod.node}: {pod.name}: {reason}")
            self._stop(pod, reason, message)

    def cut(self, seconds: float) -> None:
        """Cut a node with a pod off for a time: its processes go on, it neither hears nor says anything."""
        node = self._silence(f"cut off for {seconds:.0f} s")
        if node is None:
            return
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, self._heal, node)
        loop.call_later(_LOST_AFTER_SECONDS + _TOLERATED_SECONDS, self._evict_from, node)

    def restored(self) -> None:
        """Compare what runs with what the API server knows again after it was restored from a backup."""
        known = {stored.metadata["uid"]: stored for stored in self._server.store.list(PODS)}
        for pod in list(self._pods.values()):
            if pod.uid not in known and pod.node not in self._cut:
                self._stop(pod, "", "")
            elif pod.uid in known:
                self._sync(pod)
                self._hear(pod)
        for stored in known.values():
            if stored.metadata["uid"] not in self._pods:
                identity = (PODS, stored.metadata["namespace"], stored.metadata["name"])
                self._changed(Change("ADDED", self._server.store.version, identity, None, stored))

    def lose(self) -> None:
        """Let a node with a pod lose its power for good, without Kubernetes noticing."""
        node = self._silence("lost")
        for pod in [pod for pod in self._pods.values() if pod.node == node]:
            self._stop(pod, "", "")

    def silence_all(self) -> None:
        """Cut all nodes with a pod off for good."""
        for node in sorted({pod.node for pod in self._pods.values() if not pod.is_ended} - self._cut):
            self._note(f"{node}: cut off for good")
            self._cut.add(node)
            asyncio.get_running_loop().call_later(_LOST_AFTER_SECONDS + _TOLERATED_SECONDS, self._evict_from, node)
        self.is_full = len(self._cut) == len(self._names)

    def _silence(self, how: str) -> str | None:
        nodes = sorted({pod.node for pod in self._pods.values() if not pod.is_ended} - self._cut)
        if not nodes or len(self._cut) + 1 >= len(self._names):
            return None
        node = self._random.choice(nodes)
        self._note(f"{node}: {how}")
        self._cut.add(node)
        return node

    def _heal(self, node: str) -> None:
        self._note(f"{node}: back")
        self._cut.discard(node)
        for pod in [pod for pod in self._pods.values() if pod.node == node]:
            self._sync(pod)
            self._hear(pod)

    def _evict_from(self, node: str) -> None:
        if node not in self._cut:
            return
        for stored in self._server.store.list(PODS):
            if stored.obj["spec"].get("nodeName") == node and "deletionTimestamp" not in stored.metadata:
                self._server.store.delete(PODS, stored.metadata["namespace"], stored.metadata["name"])

    def _changed(self, change: Change) -> None:
        if change.identity[0] != PODS:
            return
        metadata, spec = change.new.metadata, change.new.obj["spec"]
        pod = self._pods.get(metadata["uid"])
        if change.type == "DELETED":
            if pod is not None and pod.node not in self._cut:
                self._stop(pod, "", "")
        elif "nodeName" not in spec:
            if change.type == "ADDED":
                self._later(self._bind, change)
        elif pod is None:
            if "deletionTimestamp" not in metadata:
                self._admit(change)
        elif "deletionTimestamp" in metadata:
            self._hear(pod)

    def _later(self, work: Callable[[Change], None], change: Change) -> None:
        asyncio.get_running_loop().call_later(self._random.random(), work, change)

    def _bind(self, change: Change) -> None:
        _, namespace, name = change.identity
        stored = self._server.store.find(change.identity)
        if stored is None or stored.metadata["uid"] != change.new.metadata["uid"]:
            return
        if "deletionTimestamp" in stored.metadata:
            return
        free = [node for node in self._names if node not in self._cut]
        if self.is_full:
            asyncio.get_running_loop().call_later(_FULL_SECONDS, self._bind, change)
            return
        node = self._random.choice(free)
        self._server.edit(PODS, namespace, name, lambda pod: pod["spec"].update(nodeName=node))

    def _admit(self, change: Change) -> None:
        metadata, spec = change.new.metadata, change.new.obj["spec"]
        task = Task.from_json(metadata["annotations"][ANNOTATION_TASK])
        behaviour, trouble = self._script(task)
        secret = next(v["secret"]["secretName"] for v in spec["volumes"] if v["name"] == "token-read")
        pod = _Pod(
            metadata["namespace"],
            metadata["name"],
            metadata["uid"],
            spec["nodeName"],
            SandboxSteps(self._forge, task, metadata["name"], behaviour, trouble),
            secret,
            tuple(c["name"] for key in ("initContainers", "containers") for c in spec[key]),
        )
        self._pods[pod.uid] = pod
        pod.runner = asyncio.get_running_loop().create_task(self._run(pod))
        self._tasks.add(pod.runner)
        pod.runner.add_done_callback(self._tasks.discard)

    async def _run(self, pod: _Pod) -> None:
        await asyncio.sleep(self._random.random() * 2)
        while not self._mount(pod):  # noqa: ASYNC110 - virtual time; no event is set for it
            # As the kubelet does: it looks for a Secret that is not there again and again.
            await asyncio.sleep(1.0)
        refresher = asyncio.get_running_loop().create_task(self._refresh(pod))
        self._tasks.add(refresher)
        refresher.add_done_callback(self._tasks.discard)
        for name in pod.names:
            if name == CONTAINER_AGENT and pod.steps.behaviour is Behaviour.NEVER_PULLED:
                pod.states[name] = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image."}}
                self._sync(pod)
                return
            self._begin(pod, name)
            seconds = _STEP_SECONDS.get(name, _DEFAULT_STEP_SECONDS)
            await asyncio.sleep(seconds * self._pace * (0.2 + self._random.random()))
            ended = pod.steps.run(name, pod.token_of(name))
            self._server.logs[pod.namespace, pod.name, name] = pod.steps.log if name == CONTAINER_PUBLISH else ""
            self._end(pod, name, ended)
            if ended.exit_code != 0:
                break
            if ended.reason == "OOMKilled":
                # The kubelet takes the step for failed, and the phase, which it computes from exit codes, for Pending.
                return
        failed = any(state["terminated"]["exitCode"] for state in pod.states.values())
        pod.phase = "Failed" if failed else "Succeeded"
        self._sync(pod)
        self._hear(pod)

    def _mount(self, pod: _Pod) -> bool:
        """Take the Secret's content as it is now; tell whether there ever was any."""
        with suppress(NotFound):
            pod.mounted = self._server.store.get(SECRETS, pod.namespace, pod.secret).obj["data"]
        return bool(pod.mounted)

    async def _refresh(self, pod: _Pod) -> None:
        """Bring what is new of the Secret into the pod, as seldom as a kubelet does."""
        while not pod.is_ended:
            await asyncio.sleep(_REFRESH_SECONDS)
            if pod.node not in self._cut:
                self._mount(pod)

    def _begin(self, pod: _Pod, name: str) -> None:
        pod.phase, pod.current = "Running", name
        pod.states[name] = {"running": {"startedAt": self._timestamp()}}
        if name == CONTAINER_AGENT and pod.steps.behaviour is not Behaviour.NEVER_STARTED:
            self._started(pod)
        self._sync(pod)

    def _started(self, pod: _Pod) -> None:
        task = pod.steps.task
        index = task.variables.get("CODECOURIER_SPRINT_INDEX")
        start = AgentStart(
            pod.namespace,
            task.run.name,
            task.run.uid,
            task.attempt,
            task.try_number,
            pod.uid,
            task.base_commit,
            int(index) if index is not None else None,
        )
        self.starts.append(start)
        self._note(f"{pod.node}: agent of {pod.name} starts")
        for callback in self.starting:
            callback(start)

    def _end(self, pod: _Pod, name: str, ended: Ended) -> None:
        began = _EPOCH if ended.reason == "StartError" else pod.states[name]["running"]["startedAt"]
        pod.current = None
        pod.states[name] = {
            "terminated": {
                "exitCode": ended.exit_code,
                "reason": ended.reason,
                "message": ended.message,
                "startedAt": began,
                "finishedAt": self._timestamp(),
            }
        }
        self._sync(pod)

    def _hear(self, pod: _Pod) -> None:
        """Do what the API server's deletion asks for, unless the node hears nothing."""
        if pod.node in self._cut or pod.is_ending:
            return
        try:
            stored = self._server.store.get(PODS, pod.namespace, pod.name)
        except NotFound:
            self._stop(pod, "", "")
            return
        metadata = stored.metadata
        if metadata["uid"] != pod.uid or "deletionTimestamp" not in metadata:
            return
        pod.is_ending = True
        grace = 0.0 if pod.is_ended else min(metadata["deletionGracePeriodSeconds"], 15) * self._random.random()
        asyncio.get_running_loop().call_later(grace, self._terminate, pod)

    def _terminate(self, pod: _Pod) -> None:
        pod.is_ending = False
        if pod.node in self._cut:
            return
        pod.is_ending = True
        self._stop(pod, "", "")
        try:
            self._server.store.delete(PODS, pod.namespace, pod.name, uid=pod.uid, grace_seconds=0)
        except (NotFound, Conflict):
            return

    def _stop(self, pod: _Pod, reason: str, message: str) -> None:
        """End the processes of a pod at once."""
        if pod.is_ended:
            return
        if pod.runner is not None:
            pod.runner.cancel()
        if pod.current is not None:
            self._end(pod, pod.current, Ended(_KILLED, "", "Error"))
        pod.phase, pod.reason, pod.message = "Failed", reason, message
        self._sync(pod)

    def _sync(self, pod: _Pod) -> None:
        """Tell the API server what the kubelet knows."""
        if pod.node in self._cut:
            return

        def write(obj: Json) -> None:
            if obj["metadata"]["uid"] != pod.uid:
                return
            listed = [{"name": name, "state": pod.states[name]} for name in pod.names if name in pod.states]
            obj["status"] = {"phase": pod.phase, "qosClass": "BestEffort"} | {
                "initContainerStatuses": [s for s in listed if s["name"] != CONTAINER_PUBLISH],
                "containerStatuses": [s for s in listed if s["name"] == CONTAINER_PUBLISH],
            }
            obj["status"] |= {k: v for k, v in (("reason", pod.reason), ("message", pod.message)) if v}

        try:
            self._server.edit(PODS, pod.namespace, pod.name, write)
        except ApiError:
            return

    def _timestamp(self) -> str:
        return self._now().replace(microsecond=0, tzinfo=None).isoformat() + "Z"
