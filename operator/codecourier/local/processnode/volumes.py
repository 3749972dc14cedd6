"""A pod's volumes: a folder for each."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from codecourier.local.processnode.api import Api
from codecourier.local.processnode.atomic import write_files
from codecourier.local.processnode.errors import ConfigurationError, VolumeError
from codecourier.local.processnode.lookups import Lookups
from codecourier.local.processnode.objects import Json, key_of, uid_of
from codecourier.local.processnode.orphans import discard
from codecourier.local.processnode.payload import PROJECTING, build_payload, sources_of, volume_references

__all__ = ["PodVolumes"]

_SUPPORTED = {*PROJECTING, "emptyDir"}
_TOKEN_SECONDS = 3600
_RENEWED_BEFORE = timedelta(minutes=12)
"""The kubelet asks for a new token when a fifth of its life is left."""


class PodVolumes:
    """Makes, updates and removes a pod's volumes.

    Parameters
    ----------
    folder
        Holds a folder for each volume.
    api
        For service account tokens.
    lookups
        For Secrets and ConfigMaps.
    allocatable
        What the node has, for the downward API.
    uses_groups
        Whether the pod's fsGroup can be given files.
    """

    def __init__(
        self, folder: Path, api: Api, lookups: Lookups, allocatable: dict[str, str], *, uses_groups: bool
    ) -> None:
        self._folder = folder
        self._api = api
        self._lookups = lookups
        self._allocatable = allocatable
        self._uses_groups = uses_groups
        self._lock = asyncio.Lock()
        self._tokens: dict[tuple[str, str], tuple[str, datetime]] = {}

    def path(self, name: str) -> Path:
        """Return a volume's folder."""
        return self._folder / name

    def paths(self, pod: Json) -> dict[str, Path]:
        """Return all folders by the volumes' names."""
        return {volume["name"]: self.path(volume["name"]) for volume in pod["spec"].get("volumes", [])}

    async def set_up(self, pod: Json) -> None:
        """Make what is missing and bring files up to date.

        Raises
        ------
        VolumeError
            When something that a volume comes from is missing; the message says which.
        ApiError
            When the API server refuses.
        aiohttp.ClientError, TimeoutError, OSError
            When there is no answer.
        """
        async with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            for volume in pod["spec"].get("volumes", []):
                try:
                    await self._set_up(pod, volume)
                except (VolumeError, ConfigurationError) as error:
                    message = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                    raise VolumeError(message) from error

    async def tear_down(self) -> None:
        """Remove the volumes with all that is in them."""
        async with self._lock:
            await asyncio.to_thread(discard, self._folder)

    async def _set_up(self, pod: Json, volume: Json) -> None:
        kinds = set(volume) - {"name"}
        if unknown := kinds - _SUPPORTED:
            raise VolumeError(f"the process node has no volumes of the kind {', '.join(sorted(unknown))}")
        group = pod["spec"].get("securityContext", {}).get("fsGroup") if self._uses_groups else None
        folder = self.path(volume["name"])
        if "emptyDir" in kinds or not kinds:
            _make_empty(folder, group)
            return
        references = await self._lookups.get(pod["metadata"]["namespace"], sorted(volume_references(volume)))
        tokens = await self._service_account_tokens(pod, volume)
        files = build_payload(pod, volume, references, tokens, self._allocatable)
        write_files(folder, files, group)

    async def _service_account_tokens(self, pod: Json, volume: Json) -> dict[str, str]:
        tokens = {}
        for kind, source, _mode in sources_of(volume):
            if kind != "serviceAccountToken":
                continue
            key = (volume["name"], source["path"])
            token, expires = self._tokens.get(key, ("", datetime.min.replace(tzinfo=UTC)))
            if datetime.now(tz=UTC) + _RENEWED_BEFORE > expires:
                token, expires = await self._request_token(pod, source)
                self._tokens[key] = (token, expires)
            tokens[source["path"]] = token
        return tokens

    async def _request_token(self, pod: Json, source: Json) -> tuple[str, datetime]:
        namespace, name = key_of(pod)
        account = pod["spec"].get("serviceAccountName", "default")
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [source["audience"]] if source.get("audience") else [],
                "expirationSeconds": source.get("expirationSeconds", _TOKEN_SECONDS),
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid_of(pod)},
            },
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answer = (await self._api.request("POST", path, body))["status"]
        return str(answer["token"]), datetime.fromisoformat(answer["expirationTimestamp"])


def _make_empty(folder: Path, group: int | None) -> None:
    if folder.exists():
        return
    # Made under another name first: what exists under its own has the right owner, whenever the node was killed.
    unfinished = folder.with_name(folder.name + ".new")
    unfinished.mkdir(exist_ok=True)
    if group is not None:
        os.chown(unfinished, 0, group)
    unfinished.chmod(0o777 if group is None else 0o2777)
    unfinished.rename(folder)
