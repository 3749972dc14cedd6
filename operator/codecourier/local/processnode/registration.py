"""The Node object and its heartbeat."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from codecourier.local.processnode.api import NETWORK_ERRORS, STRATEGIC_PATCH, Api, ApiError
from codecourier.local.processnode.objects import Json, format_time

__all__ = ["Registration", "node_labels", "read_allocatable"]

_LOG = logging.getLogger(__name__)
_LEASE_SECONDS = 40
_RENEW_SECONDS = 10
_STATUS_EVERY = 6
"""The Node's status is written with every sixth renewal of the Lease."""
_RETRY_SECONDS = 0.5
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_MERGE_PATCH = "application/merge-patch+json"
_NOT_FOUND = 404
_CONFLICT = 409
_PODS = 1000


def node_labels(node_name: str) -> dict[str, str]:
    """Return the labels that the kubelet gives to its node."""
    machines = {"x86_64": "amd64", "aarch64": "arm64"}
    return {
        "kubernetes.io/hostname": node_name,
        "kubernetes.io/os": "darwin" if sys.platform == "darwin" else "linux",
        "kubernetes.io/arch": machines.get(platform.machine(), platform.machine()),
        "codecourier.dev/process-node": "true",
    }


def read_allocatable(state_dir: Path) -> dict[str, str]:
    """Return what this machine has."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory // 1024}Ki",
        "ephemeral-storage": str(shutil.disk_usage(state_dir).total),
        "pods": str(_PODS),
    }


class Registration:
    """Registers the node and keeps it alive.

    Parameters
    ----------
    api
        The API server.
    node_name
        The Node's name.
    port
        Of the log endpoint.
    allocatable
        What the node has.
    """

    def __init__(self, api: Api, node_name: str, port: int, allocatable: dict[str, str]) -> None:
        self._api = api
        self._node_name = node_name
        self._port = port
        self._allocatable = allocatable
        self._uid = ""

    async def run(self) -> None:
        """Register and send heartbeats until cancelled."""
        beat = 0
        while True:
            await self._api.wait_online()
            try:
                if beat % _STATUS_EVERY == 0:
                    await self._register()
                await self._renew()
                beat += 1
            except (ApiError, *NETWORK_ERRORS) as error:
                _LOG.info("heartbeat failed, trying again: %s", error)
                beat = 0
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await self._api.wait_cut(_RENEW_SECONDS)
                beat = beat if self._api.is_online else 0

    async def _register(self) -> None:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self._node_name, "labels": node_labels(self._node_name)},
        }
        try:
            await self._api.request("POST", "/api/v1/nodes", node)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
        path = f"/api/v1/nodes/{self._node_name}"
        if not self._uid:
            patch = {"metadata": {"labels": node_labels(self._node_name)}}
            await self._api.request("PATCH", path, patch, content_type=_MERGE_PATCH)
        answer = await self._api.request(
            "PATCH", f"{path}/status", {"status": self._status()}, content_type=STRATEGIC_PATCH
        )
        self._uid = answer["metadata"]["uid"]

    async def _renew(self) -> None:
        now = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self._node_name, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": now}
        try:
            await self._api.request("PATCH", f"{_LEASES}/{self._node_name}", {"spec": spec}, content_type=_MERGE_PATCH)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            owner = {"apiVersion": "v1", "kind": "Node", "name": self._node_name, "uid": self._uid}
            metadata = {"name": self._node_name, "namespace": "kube-node-lease", "ownerReferences": [owner]}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            await self._api.request("POST", _LEASES, lease)

    def _status(self) -> Json:
        now = format_time(datetime.now(tz=UTC))
        kernel = platform.release()
        labels = node_labels(self._node_name)
        return {
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": self._node_name},
            ],
            "capacity": self._allocatable,
            "allocatable": self._allocatable,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "conditions": [
                _condition("Ready", "True", "KubeletReady", "the process node runs containers as local processes", now),
                _condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "not measured", now),
                _condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "not measured", now),
                _condition("PIDPressure", "False", "KubeletHasSufficientPID", "not measured", now),
            ],
            "nodeInfo": {
                "architecture": labels["kubernetes.io/arch"],
                "operatingSystem": labels["kubernetes.io/os"],
                "kernelVersion": kernel,
                "osImage": platform.platform(),
                "containerRuntimeVersion": "processnode://1",
                "kubeletVersion": "processnode",
                "kubeProxyVersion": "",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
            },
        }


def _condition(kind: str, status: str, reason: str, message: str, now: str) -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": now}
