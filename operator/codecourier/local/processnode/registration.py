"""The Node object and its heartbeat."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from codecourier.kube.api import LEASES, NODES, Json, KubeApi
from codecourier.kube.errors import AlreadyExists, KubeError, NotFound
from codecourier.local.processnode.objects import STRATEGIC_PATCH, format_time
from codecourier.local.processnode.settings import NodeSettings

__all__ = ["Registration", "node_labels"]

_LOG = logging.getLogger(__name__)
_LEASE_SECONDS = 40
_RENEW_SECONDS = 10
_STATUS_EVERY = 6
"""The Node's status is written with every sixth renewal of the Lease."""
_RETRY_SECONDS = 0.5
_LEASE_NAMESPACE = "kube-node-lease"
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


class Registration:
    """Registers the node and keeps it alive."""

    def __init__(self, kube: KubeApi, settings: NodeSettings) -> None:
        self._kube = kube
        self._name = settings.node_name
        self._port = settings.port
        self._allocatable = _allocatable(settings.state_dir)
        self._uid = ""

    async def run(self) -> None:
        """Register and send heartbeats until cancelled."""
        beat = 0
        while True:
            try:
                if beat % _STATUS_EVERY == 0:
                    await self._register()
                await self._renew()
            except KubeError as error:
                _LOG.info("heartbeat failed, trying again: %s", error)
                beat = 0
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                beat += 1
                await asyncio.sleep(_RENEW_SECONDS)

    async def _register(self) -> None:
        metadata = {"name": self._name, "labels": node_labels(self._name)}
        with suppress(AlreadyExists):
            await self._kube.create(NODES, {"metadata": metadata})
        if not self._uid:
            await self._kube.patch(NODES, None, self._name, {"metadata": {"labels": metadata["labels"]}})
        status = {"status": self._status()}
        answer = await self._kube.patch(
            NODES, None, self._name, status, content_type=STRATEGIC_PATCH, subresource="status"
        )
        self._uid = answer["metadata"]["uid"]

    async def _renew(self) -> None:
        now = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self._name, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": now}
        try:
            await self._kube.patch(LEASES, _LEASE_NAMESPACE, self._name, {"spec": spec})
        except NotFound:
            owner = {"apiVersion": "v1", "kind": "Node", "name": self._name, "uid": self._uid}
            metadata = {"name": self._name, "namespace": _LEASE_NAMESPACE, "ownerReferences": [owner]}
            await self._kube.create(LEASES, {"metadata": metadata, "spec": spec})

    def _status(self) -> Json:
        labels = node_labels(self._name)
        unknown = dict.fromkeys(("kubeProxyVersion", "machineID", "systemUUID", "bootID"), "")
        return {
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": self._name},
            ],
            "capacity": self._allocatable,
            "allocatable": self._allocatable,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "KubeletReady",
                    "message": "the process node runs containers as local processes",
                    "lastHeartbeatTime": format_time(datetime.now(tz=UTC)),
                }
            ],
            "nodeInfo": {
                **unknown,
                "architecture": labels["kubernetes.io/arch"],
                "operatingSystem": labels["kubernetes.io/os"],
                "kernelVersion": platform.release(),
                "osImage": platform.platform(),
                "containerRuntimeVersion": "processnode://1",
                "kubeletVersion": "processnode",
            },
        }


def _allocatable(state_dir: Path) -> dict[str, str]:
    """Return what this machine has."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory // 1024}Ki",
        "ephemeral-storage": str(shutil.disk_usage(state_dir).total),
        "pods": str(_PODS),
    }
