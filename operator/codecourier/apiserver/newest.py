"""The objects of each namespace in the order of lists, so that a page costs no more where there are many objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from codecourier.cache.ordered import Ordered
from codecourier.kube.api import Json, Resource

__all__ = ["Newest"]


class Newest:
    """Names of objects by their creation; among those of one second, the last by name counts as the newest."""

    def __init__(self) -> None:
        self._orders: defaultdict[tuple[Resource, str], Ordered[str]] = defaultdict(Ordered)

    def changed(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        """Take a change of one object, given as it was before (None: created) and after (None: gone)."""
        if old is not None and (new is None or _place(new) != _place(old)):
            self._order(resource, old).drop(_place(old))
        if new is not None:
            self._order(resource, new).put(_place(new), new["metadata"]["name"])

    def names(self, resource: Resource, namespace: str) -> Iterator[str]:
        """Yield the names of the objects of a namespace, newest first; a change ends what this may be used for."""
        return (name for _, name in self.places(resource, namespace))

    def places(
        self, resource: Resource, namespace: str, before: tuple[str, str] | None = None
    ) -> Iterator[tuple[str, str]]:
        """Yield times of creation and names, newest first; a change ends what this may be used for.

        Parameters
        ----------
        resource
            The kind.
        namespace
            The namespace.
        before
            Only what comes behind this place, which may be that of no object; None: all.
        """
        order = self._orders.get((resource, namespace))
        return iter(()) if order is None else (place for place, _ in order.backward(before))

    def _order(self, resource: Resource, obj: Json) -> Ordered[str]:
        return self._orders[resource, obj["metadata"].get("namespace", "")]


def _place(obj: Json) -> tuple[str, str]:
    metadata = obj["metadata"]
    # Kubernetes writes all of them alike, so their texts have the order of the times.
    return metadata.get("creationTimestamp") or "", metadata["name"]
