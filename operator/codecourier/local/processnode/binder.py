"""Stands in for the scheduler: binds every pod that has no node to this one."""

from __future__ import annotations

import asyncio
import logging

from codecourier.local.processnode.api import NETWORK_ERRORS, STRATEGIC_PATCH, Api, ApiError
from codecourier.local.processnode.objects import Json, key_of, uid_of

__all__ = ["Binder", "unmet_selector"]

_LOG = logging.getLogger(__name__)
_AT_ONCE = 8
_RETRY_SECONDS = 0.5
_TRIES = 20
_SETTLED = {404, 409}


class Binder:
    """Told which pods have no node.

    Parameters
    ----------
    api
        The API server.
    node_name
        This node.
    labels
        The node's labels, for the pods' nodeSelector.
    """

    def __init__(self, api: Api, node_name: str, labels: dict[str, str]) -> None:
        self._api = api
        self._node_name = node_name
        self._labels = labels
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def replace(self, items: list[Json]) -> None:
        """Take this list for all pods without a node."""
        for item in items:
            self._consider(item)

    def apply(self, kind: str, item: Json) -> None:
        """Take in one change."""
        if kind != "DELETED":
            self._consider(item)

    def _consider(self, pod: Json) -> None:
        spec, uid = pod["spec"], uid_of(pod)
        if spec.get("schedulerName", "default-scheduler") != "default-scheduler" or spec.get("schedulingGates"):
            return
        if "deletionTimestamp" in pod["metadata"] or spec.get("nodeName") or uid in self._under_way:
            return
        unmet = unmet_selector(pod, self._labels)
        task = asyncio.create_task(self._refuse(pod, unmet) if unmet else self._bind(pod))
        self._under_way[uid] = task
        task.add_done_callback(lambda _task: self._under_way.pop(uid, None))

    async def _bind(self, pod: Json) -> None:
        namespace, name = key_of(pod)
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": uid_of(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node_name},
        }
        await self._write("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/binding", body, "application/json")

    async def _refuse(self, pod: Json, unmet: str) -> None:
        message = f"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector ({unmet})."
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        old = pod.get("status", {}).get("conditions", [])
        if any(item["type"] == "PodScheduled" and item.get("message") == message for item in old):
            return
        namespace, name = key_of(pod)
        body = {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [condition]}}
        await self._write("PATCH", f"/api/v1/namespaces/{namespace}/pods/{name}/status", body, STRATEGIC_PATCH)

    async def _write(self, method: str, path: str, body: Json, content_type: str) -> None:
        async with self._slots:
            for _ in range(_TRIES):
                try:
                    await self._api.request(method, path, body, content_type=content_type)
                except ApiError as error:
                    if error.status in _SETTLED:
                        return
                    _LOG.warning("%s %s was refused: %s", method, path, error)
                except NETWORK_ERRORS as error:
                    _LOG.info("%s %s: no answer, trying again: %s", method, path, error)
                else:
                    return
                await asyncio.sleep(_RETRY_SECONDS)


def unmet_selector(pod: Json, labels: dict[str, str]) -> str:
    """Return the first entry of the pod's nodeSelector that the node lacks; empty if there is none."""
    for name, value in sorted((pod["spec"].get("nodeSelector") or {}).items()):
        if labels.get(name) != value:
            return f"{name}={value}"
    return ""
