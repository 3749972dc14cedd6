"""Nodes that run sandbox pods: scheduler, mishaps, and what Kubernetes does about lost nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from random import Random

from codecourier.kube.api import PODS
from tests.simulation.apiserver import ApiServer
from tests.simulation.kubelets import Kubelets
from tests.simulation.steps import AgentStart
from tests.simulation.stored import Change

__all__ = ["Nodes"]

_LOST_AFTER_SECONDS = 40.0
_TOLERATED_SECONDS = 60.0
_FULL_SECONDS = 5.0
"""How often the scheduler looks whether there is room."""


class Nodes:
    """All nodes of the cluster. Make it inside the running loop.

    Parameters
    ----------
    server
        The API server.
    kubelets
        The nodes' kubelets.
    random
        Source of the delays.
    note
        Is told what happens, for the trace.
    names
        The nodes.
    """

    def __init__(
        self,
        server: ApiServer,
        kubelets: Kubelets,
        *,
        random: Random,
        note: Callable[[str], None],
        names: Iterable[str] = ("node-a", "node-b"),
    ) -> None:
        self.is_full = False
        """Whether no node has room for another pod."""

        self._server, self._kubelets, self._random, self._note = server, kubelets, random, note
        self._names = tuple(names)
        server.store.listeners.append(self._changed)

    @property
    def starts(self) -> Sequence[AgentStart]:
        """The agents that were started, in this order."""
        return self._kubelets.starts

    @property
    def starting(self) -> list[Callable[[AgentStart], None]]:
        """Called at once for every agent that starts."""
        return self._kubelets.starting

    def is_alive(self, pod_uid: str) -> bool:
        """Tell whether processes of a pod run, whatever the API server thinks."""
        pod = self._kubelets.pods.get(pod_uid)
        return pod is not None and not pod.is_ended

    def living(self) -> list[str]:
        """Return the UIDs of pods whose processes run."""
        return [pod.uid for pod in self._kubelets.living()]

    def kill_container(self) -> None:
        """Kill the container that runs in some pod."""
        running = [pod for pod in self._kubelets.living() if pod.current is not None]
        if running:
            pod = self._random.choice(running)
            self._note(f"{pod.node}: {pod.current} of {pod.name} is killed")
            self._kubelets.stop(pod, "", "")

    def evict(self) -> None:
        """Evict some pod because its node is under pressure."""
        self._end_some("Evicted", "The node was low on resource: memory.")

    def expire(self) -> None:
        """End some pod at its deadline."""
        self._end_some("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")

    def _end_some(self, reason: str, message: str) -> None:
        running = [pod for pod in self._kubelets.living() if pod.node not in self._kubelets.cut]
        if running:
            pod = self._random.choice(running)
            self._note(f"{pod.node}: {pod.name}: {reason}")
            self._kubelets.stop(pod, reason, message)

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
        for pod in list(self._kubelets.pods.values()):
            if pod.uid not in known and pod.node not in self._kubelets.cut:
                self._kubelets.stop(pod, "", "")
            elif pod.uid in known:
                self._kubelets.sync(pod)
                self._kubelets.hear(pod)
        for stored in known.values():
            if stored.metadata["uid"] not in self._kubelets.pods:
                identity = (PODS, stored.metadata["namespace"], stored.metadata["name"])
                self._changed(Change("ADDED", self._server.store.version, identity, None, stored))

    def lose(self) -> None:
        """Let a node with a pod lose its power for good, without Kubernetes noticing."""
        node = self._silence("lost")
        for pod in [pod for pod in self._kubelets.pods.values() if pod.node == node]:
            self._kubelets.stop(pod, "", "")

    def silence_all(self) -> None:
        """Cut all nodes with a pod off for good."""
        for node in sorted({pod.node for pod in self._kubelets.living()} - self._kubelets.cut):
            self._note(f"{node}: cut off for good")
            self._kubelets.cut.add(node)
            asyncio.get_running_loop().call_later(_LOST_AFTER_SECONDS + _TOLERATED_SECONDS, self._evict_from, node)
        self.is_full = len(self._kubelets.cut) == len(self._names)

    def _silence(self, how: str) -> str | None:
        nodes = sorted({pod.node for pod in self._kubelets.living()} - self._kubelets.cut)
        if not nodes or len(self._kubelets.cut) + 1 >= len(self._names):
            return None
        node = self._random.choice(nodes)
        self._note(f"{node}: {how}")
        self._kubelets.cut.add(node)
        return node

    def _heal(self, node: str) -> None:
        self._note(f"{node}: back")
        self._kubelets.cut.discard(node)
        for pod in [pod for pod in self._kubelets.pods.values() if pod.node == node]:
            self._kubelets.sync(pod)
            self._kubelets.hear(pod)

    def _evict_from(self, node: str) -> None:
        if node not in self._kubelets.cut:
            return
        for stored in self._server.store.list(PODS):
            if stored.obj["spec"].get("nodeName") == node and "deletionTimestamp" not in stored.metadata:
                self._server.store.delete(PODS, stored.metadata["namespace"], stored.metadata["name"])

    def _changed(self, change: Change) -> None:
        if change.identity[0] != PODS:
            return
        metadata, spec = change.new.metadata, change.new.obj["spec"]
        pod = self._kubelets.pods.get(metadata["uid"])
        if change.type == "DELETED":
            if pod is not None and pod.node not in self._kubelets.cut:
                self._kubelets.stop(pod, "", "")
        elif "nodeName" not in spec:
            if change.type == "ADDED":
                self._later(self._bind, change)
        elif pod is None:
            if "deletionTimestamp" not in metadata:
                self._kubelets.admit(change.new)
        elif "deletionTimestamp" in metadata:
            self._kubelets.hear(pod)

    def _later(self, work: Callable[[Change], None], change: Change) -> None:
        asyncio.get_running_loop().call_later(self._random.random(), work, change)

    def _bind(self, change: Change) -> None:
        _, namespace, name = change.identity
        stored = self._server.store.find(change.identity)
        if stored is None or stored.metadata["uid"] != change.new.metadata["uid"]:
            return
        if "deletionTimestamp" in stored.metadata:
            return
        free = [node for node in self._names if node not in self._kubelets.cut]
        if self.is_full:
            asyncio.get_running_loop().call_later(_FULL_SECONDS, self._bind, change)
            return
        node = self._random.choice(free)
        self._server.edit(PODS, namespace, name, lambda pod: pod["spec"].update(nodeName=node))
