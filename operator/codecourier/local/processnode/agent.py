"""The pods of this node: a worker for each."""

from __future__ import annotations

import asyncio
import logging

from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import Cache, key_of
from codecourier.local.processnode import orphans
from codecourier.local.processnode.objects import uid_of
from codecourier.local.processnode.worker import PodWorker, Services

__all__ = ["Agent"]

_LOG = logging.getLogger(__name__)


class Agent:
    """Follows the pods that are bound to this node and keeps a worker for each."""

    def __init__(self, services: Services, pods: Cache, secrets: Cache) -> None:
        self._services = services
        self._workers: dict[str, PodWorker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        pods.subscribe(self._pod_changed)
        secrets.subscribe(self._secret_changed)

    def remove_unknown(self, pods: Cache) -> None:
        """Remove what an earlier node process left of pods that are gone; call it once the pods were listed."""
        known = {uid_of(pod) for pod in pods}
        if unknown := orphans.unknown_pods(self._services.settings.pods_dir, known):
            _LOG.info("removing what is left of %d pods that are gone", len(unknown))
            self._keep(asyncio.create_task(asyncio.to_thread(orphans.remove_pods, unknown)))

    def find(self, namespace: str, name: str) -> PodWorker | None:
        """Return the worker of a pod, None if there is no such pod here; of two with one name the newer one."""
        found = [worker for worker in self._workers.values() if key_of(worker.pod) == (namespace, name)]
        return max(found, key=lambda worker: str(worker.pod["metadata"]["creationTimestamp"]), default=None)

    async def close(self) -> None:
        """Leave all pods as they are and stop looking after them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _pod_changed(self, _resource: Resource, old: Json | None, new: Json | None) -> None:
        if old is not None and (new is None or uid_of(new) != uid_of(old)) and (gone := self._workers.get(uid_of(old))):
            gone.remove()
        if new is None or new["spec"].get("nodeName") != self._services.settings.node_name:
            return
        uid = uid_of(new)
        if worker := self._workers.get(uid):
            worker.update(new)
            return
        worker = self._workers[uid] = PodWorker(new, self._services)
        self._keep(asyncio.create_task(self._look_after(uid, worker), name=f"pod {uid}"))

    def _secret_changed(self, _resource: Resource, old: Json | None, new: Json | None) -> None:
        if secret := new or old:
            for worker in self._workers.values():
                worker.secret_changed(*key_of(secret))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_after(self, uid: str, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 - logged with its trace
            # One pod's trouble is not the others'; its object stays as it is, for a person to look at.
            _LOG.exception("gave up on pod %s/%s", *key_of(worker.pod))
        else:
            del self._workers[uid]
