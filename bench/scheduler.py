"""Replaces the scheduler, which a cluster without nodes does not run: binds every sandbox pod to kwok's node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

from bench.kwok import NODE_NAME
from codecourier.core.shared.naming import LABEL_MANAGED
from codecourier.kube.access import Access
from codecourier.kube.api import PODS, Json, KubeApi, Resource
from codecourier.kube.cache import Cache
from codecourier.kube.client import AiohttpKube
from codecourier.kube.errors import Conflict, NotFound
from codecourier.kube.informer import Informer

__all__ = ["running_scheduler"]

_BINDINGS = Resource("", "v1", "bindings", "Binding")


@asynccontextmanager
async def running_scheduler(access: Access) -> AsyncIterator[None]:
    """Bind pods while the context lasts; each costs one write, as with the real scheduler."""
    async with AiohttpKube(access, user_agent="bench-scheduler") as api, asyncio.TaskGroup() as group:
        cache = Cache(PODS)

        def take(_resource: Resource, old: Json | None, new: Json | None) -> None:
            if old is None and new is not None and "nodeName" not in new["spec"]:
                group.create_task(_bind(api, new))

        cache.subscribe(take)
        informer = Informer(api, cache, random=Random(), label_selector=f"{LABEL_MANAGED}=true")
        task = group.create_task(informer.run())
        try:
            yield
        finally:
            task.cancel()


async def _bind(api: KubeApi, pod: Json) -> None:
    metadata = pod["metadata"]
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NODE_NAME},
    }
    # A pod that was deleted meanwhile needs no node.
    with suppress(Conflict, NotFound):
        await api.create(_BINDINGS, binding)
