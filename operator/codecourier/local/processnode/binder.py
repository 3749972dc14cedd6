"""Stands in for the default scheduler: binds every pod of its own that has no node to this one."""

from __future__ import annotations

import asyncio
import logging

from codecourier.kube.api import PODS, Json, KubeApi, Resource
from codecourier.kube.cache import Cache, key_of
from codecourier.kube.errors import Conflict, KubeError, NotFound
from codecourier.local.processnode.objects import STRATEGIC_PATCH, uid_of

__all__ = ["Binder", "unmet_selector"]

_LOG = logging.getLogger(__name__)
_BINDINGS = Resource("", "v1", "bindings", "Binding")
_AT_ONCE = 8
_SCHEDULER = "default-scheduler"
"""As the API server names the scheduler of pods that name none; a pod of another scheduler is left to that one."""

_RETRY_SECONDS = 0.5
_TRIES = 20


class Binder:
    """Binds the pods of a cache."""

    def __init__(self, kube: KubeApi, pods: Cache, node_name: str, labels: dict[str, str]) -> None:
        self._kube = kube
        self._node_name = node_name
        self._labels = labels
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        pods.subscribe(self._pod_changed)

    def _pod_changed(self, _resource: Resource, _old: Json | None, pod: Json | None) -> None:
        if pod is None or "deletionTimestamp" in pod["metadata"] or pod["spec"].get("nodeName"):
            return
        if pod["spec"].get("schedulerName", _SCHEDULER) != _SCHEDULER:
            return
        uid = uid_of(pod)
        if uid not in self._under_way:
            task = self._under_way[uid] = asyncio.create_task(self._place(pod))
            task.add_done_callback(lambda _task: self._under_way.pop(uid, None))

    async def _place(self, pod: Json) -> None:
        async with self._slots:
            for _ in range(_TRIES):
                try:
                    await self._write(pod)
                except (Conflict, NotFound):
                    return
                except KubeError as error:
                    _LOG.info("pod %s/%s was not bound, trying again: %s", *key_of(pod), error)
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    return

    async def _write(self, pod: Json) -> None:
        namespace, name = key_of(pod)
        if unmet := unmet_selector(pod, self._labels):
            condition = _unschedulable(unmet)
            if all(item.get("message") != condition["message"] for item in pod["status"].get("conditions", [])):
                body = {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [condition]}}
                await self._kube.patch(PODS, namespace, name, body, content_type=STRATEGIC_PATCH, subresource="status")
            return
        target = {"apiVersion": "v1", "kind": "Node", "name": self._node_name}
        metadata = {"name": name, "namespace": namespace, "uid": uid_of(pod)}
        await self._kube.create(_BINDINGS, {"metadata": metadata, "target": target})


def unmet_selector(pod: Json, labels: dict[str, str]) -> str:
    """Return the first entry of the pod's nodeSelector that the node lacks; empty if there is none."""
    for name, value in sorted((pod["spec"].get("nodeSelector") or {}).items()):
        if labels.get(name) != value:
            return f"{name}={value}"
    return ""


def _unschedulable(unmet: str) -> Json:
    message = f"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector ({unmet})."
    return {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
