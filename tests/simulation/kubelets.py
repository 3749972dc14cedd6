"""Kubelets on the virtual clock: they run the steps of sandbox pods and report what they know of them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator, Mapping
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
from tests.simulation.merge_steps import steps_of
from tests.simulation.steps import AgentStart, Behaviour, Ended, PodTrouble, SandboxSteps
from tests.simulation.stored import Stored

__all__ = ["Kubelets", "RunningPod", "Script"]

_STEP_SECONDS = {CONTAINER_AGENT: 20.0}
_DEFAULT_STEP_SECONDS = 3.0
_REFRESH_SECONDS = 95.0
"""How long a kubelet takes to bring a changed Secret into a pod that runs."""

_KILLED = 137
_EPOCH = "1970-01-01T00:00:00Z"

Script = Callable[[Task], tuple[Behaviour, PodTrouble | None]]
"""How the agent of a try behaves, and what goes wrong in its pod."""


@dataclass
class RunningPod:
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


class Kubelets:
    """The kubelets of all nodes. Make it inside the running loop.

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
    lessons
        How many lessons each agent proposes.
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
        pace: float,
        lessons: int,
    ) -> None:
        self.starts: list[AgentStart] = []
        self.starting: list[Callable[[AgentStart], None]] = []
        """Called at once for every agent that starts."""

        self.pods: dict[str, RunningPod] = {}
        """By UID."""

        self.cut: set[str] = set()
        """Nodes that neither hear nor say anything."""

        self._server, self._forge, self._random = server, forge, random
        self._now, self._script, self._note = now, script, note
        self._pace, self._lessons = pace, lessons
        self._tasks: set[asyncio.Task[None]] = set()

    def living(self) -> Iterator[RunningPod]:
        """Yield the pods whose processes run."""
        return (pod for pod in self.pods.values() if not pod.is_ended)

    def admit(self, stored: Stored) -> None:
        """Run a pod that was bound to a node."""
        metadata, spec = stored.metadata, stored.obj["spec"]
        task = Task.from_json(metadata["annotations"][ANNOTATION_TASK])
        behaviour, trouble = self._script(task)
        secret = next(v["secret"]["secretName"] for v in spec["volumes"] if v["name"] == "token-read")
        pod = RunningPod(
            metadata["namespace"],
            metadata["name"],
            metadata["uid"],
            spec["nodeName"],
            steps_of(SandboxSteps(self._forge, task, metadata["name"], behaviour, trouble, self._lessons)),
            secret,
            tuple(c["name"] for key in ("initContainers", "containers") for c in spec[key]),
        )
        self.pods[pod.uid] = pod
        pod.runner = asyncio.get_running_loop().create_task(self._run(pod))
        self._tasks.add(pod.runner)
        pod.runner.add_done_callback(self._tasks.discard)

    async def _run(self, pod: RunningPod) -> None:
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
                self.sync(pod)
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
        self.sync(pod)
        self.hear(pod)

    def _mount(self, pod: RunningPod) -> bool:
        """Take the Secret's content as it is now; tell whether there ever was any."""
        with suppress(NotFound):
            pod.mounted = self._server.store.get(SECRETS, pod.namespace, pod.secret).obj["data"]
        return bool(pod.mounted)

    async def _refresh(self, pod: RunningPod) -> None:
        """Bring what is new of the Secret into the pod, as seldom as a kubelet does."""
        while not pod.is_ended:
            await asyncio.sleep(_REFRESH_SECONDS)
            if pod.node not in self.cut:
                self._mount(pod)

    def _begin(self, pod: RunningPod, name: str) -> None:
        pod.phase, pod.current = "Running", name
        pod.states[name] = {"running": {"startedAt": self._timestamp()}}
        if name == CONTAINER_AGENT and pod.steps.behaviour is not Behaviour.NEVER_STARTED:
            self._started(pod)
        self.sync(pod)

    def _started(self, pod: RunningPod) -> None:
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

    def _end(self, pod: RunningPod, name: str, ended: Ended) -> None:
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
        self.sync(pod)

    def hear(self, pod: RunningPod) -> None:
        """Do what the API server's deletion asks for, unless the node hears nothing."""
        if pod.node in self.cut or pod.is_ending:
            return
        try:
            stored = self._server.store.get(PODS, pod.namespace, pod.name)
        except NotFound:
            self.stop(pod, "", "")
            return
        metadata = stored.metadata
        if metadata["uid"] != pod.uid or "deletionTimestamp" not in metadata:
            return
        pod.is_ending = True
        grace = 0.0 if pod.is_ended else min(metadata["deletionGracePeriodSeconds"], 15) * self._random.random()
        asyncio.get_running_loop().call_later(grace, self._terminate, pod)

    def _terminate(self, pod: RunningPod) -> None:
        pod.is_ending = False
        if pod.node in self.cut:
            return
        pod.is_ending = True
        self.stop(pod, "", "")
        try:
            self._server.store.delete(PODS, pod.namespace, pod.name, uid=pod.uid, grace_seconds=0)
        except (NotFound, Conflict):
            return

    def stop(self, pod: RunningPod, reason: str, message: str) -> None:
        """End the processes of a pod at once."""
        if pod.is_ended:
            return
        if pod.runner is not None:
            pod.runner.cancel()
        if pod.current is not None:
            self._end(pod, pod.current, Ended(_KILLED, "", "Error"))
        pod.phase, pod.reason, pod.message = "Failed", reason, message
        self.sync(pod)

    def sync(self, pod: RunningPod) -> None:
        """Tell the API server what the kubelet knows."""
        if pod.node in self.cut:
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
