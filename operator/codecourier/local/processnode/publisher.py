"""Write a pod's status: never twice the same, never two writes at once, the newest state when several pile up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from codecourier.local.processnode.api import NETWORK_ERRORS, STRATEGIC_PATCH, Api, ApiError
from codecourier.local.processnode.objects import Json, key_of, uid_of
from codecourier.local.processnode.status import is_different

__all__ = ["Publisher"]

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5
_NOT_FOUND = 404
_CONFLICT = 409


class Publisher:
    """Keeps the pod's status in the API server up to date.

    Parameters
    ----------
    api
        The API server.
    read_pod
        Returns the newest known object, None once the pod is gone.
    build
        Builds the status to write.
    wrote
        Told the object that the server answered with; None says that the pod is gone.
    """

    def __init__(
        self,
        api: Api,
        read_pod: Callable[[], Json | None],
        build: Callable[[], Json],
        wrote: Callable[[Json | None], None],
    ) -> None:
        self._api = api
        self._read_pod = read_pod
        self._build = build
        self._wrote = wrote
        self._dirty = asyncio.Event()
        self._lock = asyncio.Lock()

    def mark(self) -> None:
        """Say that the status may have changed."""
        self._dirty.set()

    async def run(self) -> None:
        """Write whenever something was marked, until cancelled."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write the present status and return once the server has it or the pod is gone."""
        async with self._lock:
            is_written = await self._write()
            while not is_written:
                await asyncio.sleep(_RETRY_SECONDS)
                is_written = await self._write()

    async def _write(self) -> bool:
        pod = self._read_pod()
        if pod is None:
            return True
        status = self._build()
        if not is_different(pod.get("status", {}), status):
            return True
        namespace, name = key_of(pod)
        body = {"metadata": {"uid": uid_of(pod)}, "status": _with_removals(pod.get("status", {}), status)}
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        try:
            self._wrote(await self._api.request("PATCH", path, body, content_type=STRATEGIC_PATCH))
        except ApiError as error:
            if error.status in {_NOT_FOUND, _CONFLICT}:
                # A conflict is about the UID: another pod has the name now.
                self._wrote(None)
                return True
            _LOG.warning("status of pod %s/%s was refused: %s", namespace, name, error)
            return False
        except NETWORK_ERRORS as error:
            _LOG.info("status of pod %s/%s not written, trying again: %s", namespace, name, error)
            return False
        return True


def _with_removals(current: Json, wanted: Json) -> Json:
    """Name the fields of conditions that are to go: a strategic merge keeps what it is not told of."""
    conditions = {item["type"]: item for item in current.get("conditions", [])}
    merged = [{**dict.fromkeys(conditions.get(item["type"], {})), **item} for item in wanted["conditions"]]
    return {**wanted, "conditions": merged}
