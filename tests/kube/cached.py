"""Small objects for caches, and what a cache reports of them."""

from __future__ import annotations

from codecourier.kube.api import CONFIG_MAPS, Json, Resource
from codecourier.kube.cache import Cache, version_of

__all__ = ["SIDE", "Log", "obj", "versions"]

SIDE = "side"


def obj(name: str, uid: str, version: int, *, namespace: str = "shop", side: str | None = None) -> Json:
    labels = {SIDE: side} if side is not None else {}
    metadata = {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata}


class Log:
    """Notes what a cache tells."""

    def __init__(self, cache: Cache) -> None:
        self.told: list[tuple[str | None, str | None]] = []
        cache.subscribe(self._note)

    def _note(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        assert resource == CONFIG_MAPS
        versions = [part["metadata"]["resourceVersion"] if part is not None else None for part in (old, new)]
        self.told.append((versions[0], versions[1]))


def versions(cache: Cache) -> dict[str, int]:
    return {item["metadata"]["name"]: version_of(item) for item in cache}
