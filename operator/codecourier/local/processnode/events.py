"""Kubernetes Events for what a person should see in `kubectl describe pod`."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from codecourier.local.processnode.api import NETWORK_ERRORS, Api, ApiError
from codecourier.local.processnode.objects import Json, format_time, key_of, uid_of

__all__ = ["Events"]

_LOG = logging.getLogger(__name__)
_MESSAGE_CHARACTERS = 1024


class Events:
    """Writes warnings about pods, each once.

    Parameters
    ----------
    api
        The API server.
    node_name
        Who says it.
    """

    def __init__(self, api: Api, node_name: str) -> None:
        self._api = api
        self._node_name = node_name
        self._said: dict[str, set[tuple[str, str]]] = {}

    async def warn(self, pod: Json, reason: str, message: str) -> None:
        """Write a warning unless it was written before; a failure to do so is only logged."""
        said = self._said.setdefault(uid_of(pod), set())
        if (reason, message) in said:
            return
        said.add((reason, message))
        namespace, name = key_of(pod)
        now = format_time(datetime.now(tz=UTC))
        body = {
            "metadata": {"generateName": f"{name[:200]}.", "namespace": namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": namespace,
                "name": name,
                "uid": uid_of(pod),
            },
            "type": "Warning",
            "reason": reason,
            "message": message[:_MESSAGE_CHARACTERS],
            "source": {"component": "kubelet", "host": self._node_name},
            "reportingComponent": "kubelet",
            "reportingInstance": self._node_name,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._api.request("POST", f"/api/v1/namespaces/{namespace}/events", body)
        except (ApiError, *NETWORK_ERRORS) as error:
            _LOG.info("event %s of pod %s/%s was not written: %s", reason, namespace, name, error)

    def forget(self, uid: str) -> None:
        """Drop what was said about a pod that is gone."""
        self._said.pop(uid, None)
