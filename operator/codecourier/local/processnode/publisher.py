"""Write a pod's status: never twice the same, never two writes at once, the newest state when several pile up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from codecourier.kube.api import PODS, Json, KubeApi
from codecourier.kube.cache import key_of
from codecourier.kube.errors import Conflict, KubeError, NotFound
from codecourier.local.processnode.objects import STRATEGIC_PATCH, uid_of
from codecourier.local.processnode.status import is_different

__all__ = ["Publisher"]

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5


class Publisher:
    """Keeps the pod's status in the API server up to date.

    Parameters
    ----------
    kube
        The API server.
    read_pod
        Returns the newest known object, None once the pod is gone.
    build
        Builds the status to write.
    wrote
        Takes the object that the server answered with; None says that the pod is gone.
    """

    def __init__(
        self,
        kube: KubeApi,
        read_pod: Callable[[], Json | None],
        build: Callable[[], Json],
        wrote: Callable[[Json | None], None],
    ) -> None:
        self._kube = kube
        self._read_pod = read_pod
        self._build = build
        self._wrote = wrote
        self._dirty = asyncio.Event()
        self._lock = asyncio.Lock()

    def mark(self) -> None:
        """Report that the status may have changed."""
        self._dirty.set()

    async def run(self) -> None:
        """Write whenever a change was reported, until cancelled."""
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
        body = {"metadata": {"uid": uid_of(pod)}, "status": status}
        try:
            answer = await self._kube.patch(
                PODS, namespace, name, body, content_type=STRATEGIC_PATCH, subresource="status"
            )
        except (NotFound, Conflict):
            # A conflict is about the UID: another pod has the name now.
            self._wrote(None)
        except KubeError as error:
            _LOG.info("status of pod %s/%s was not written, trying again: %s", namespace, name, error)
            return False
        else:
            self._wrote(answer)
        return True
