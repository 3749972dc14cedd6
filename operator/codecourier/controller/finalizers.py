"""The only place that adds finalizers to objects and removes them."""

from __future__ import annotations

from codecourier.cache.store import Store
from codecourier.kube.api import Json, KubeApi, Resource
from codecourier.kube.errors import NotFound

__all__ = ["hold", "is_held", "release"]


def is_held(obj: Json, finalizer: str) -> bool:
    """Return whether an object has a finalizer."""
    return finalizer in _finalizers(obj)


async def hold(api: KubeApi, store: Store, resource: Resource, obj: Json, finalizer: str) -> None:
    """Add a finalizer to an object, given as it was read; raises as `release` does."""
    await _write(api, store, resource, obj, [*_finalizers(obj), finalizer])


async def release(api: KubeApi, store: Store, resource: Resource, obj: Json, finalizer: str) -> None:
    """Remove a finalizer from an object, given as it was read; does nothing if the object does not have it.

    Raises
    ------
    Conflict
        If the object has changed since it was read.
    """
    if is_held(obj, finalizer):
        await _write(api, store, resource, obj, [held for held in _finalizers(obj) if held != finalizer])


async def _write(api: KubeApi, store: Store, resource: Resource, obj: Json, finalizers: list[str]) -> None:
    metadata = obj["metadata"]
    body = {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "finalizers": finalizers,
        }
    }
    cache = store.cache(resource)
    try:
        written = await api.patch(resource, metadata["namespace"], metadata["name"], body)
    except NotFound:
        cache.note_delete(metadata["namespace"], metadata["name"], metadata["uid"])
        return
    if _is_removed(written["metadata"]):
        cache.note_delete(metadata["namespace"], metadata["name"], metadata["uid"])
    else:
        cache.note_write(written)


def _finalizers(obj: Json) -> list[str]:
    return list(obj["metadata"].get("finalizers") or ())


def _is_removed(metadata: Json) -> bool:
    """Return whether the object is gone after a write: a pod without finalizers may still wait for its kubelet."""
    is_deleting = metadata.get("deletionTimestamp") is not None
    return is_deleting and not metadata.get("finalizers") and not metadata.get("deletionGracePeriodSeconds")
