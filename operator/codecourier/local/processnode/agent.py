"""The pods of this node: a worker for each."""

from __future__ import annotations

import asyncio
import logging

from codecourier.local.processnode import orphans
from codecourier.local.processnode.objects import Json, key_of, uid_of
from codecourier.local.processnode.worker import PodWorker, Services

__all__ = ["Agent"]

_LOG = logging.getLogger(__name__)


class Agent:
    """Told which pods are bound to this node, keeps a worker for each.

    Parameters
    ----------
    services
        What all pods share.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._workers: dict[str, PodWorker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_listed = False

    def replace(self, items: list[Json]) -> None:
        """Take this list for all pods of this node."""
        known = {uid_of(item) for item in items}
        if not self._has_listed:
            self._has_listed = True
            if unknown := orphans.unknown_pods(self._services.settings.pods_dir, known):
                _LOG.info("removing what is left of %d pods that are gone", len(unknown))
                self._keep(asyncio.create_task(asyncio.to_thread(orphans.remove_pods, unknown)))
        for uid, worker in self._workers.items():
            if uid not in known:
                worker.remove()
        for item in items:
            self._update(item)

    def apply(self, kind: str, item: Json) -> None:
        """Take in a change of one pod."""
        if kind != "DELETED":
            self._update(item)
        elif worker := self._workers.get(uid_of(item)):
            worker.update(item)
            worker.remove()

    def find(self, namespace: str, name: str) -> PodWorker | None:
        """Return the worker of a pod, None if there is no such pod here; of two with one name the newer one."""
        found = [worker for worker in self._workers.values() if key_of(worker.pod) == (namespace, name)]
        return max(found, key=lambda worker: str(worker.pod["metadata"]["creationTimestamp"]), default=None)

    async def close(self) -> None:
        """Leave all pods as they are and stop looking after them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _update(self, item: Json) -> None:
        uid = uid_of(item)
        if worker := self._workers.get(uid):
            worker.update(item)
            return
        worker = self._workers[uid] = PodWorker(item, self._services)
        self._keep(asyncio.create_task(self._look_after(uid, worker), name=f"pod {uid}"))

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
