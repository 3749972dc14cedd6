"""How long a stop or a deletion may take (invariant 12)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from codecourier.core.shared.naming import ANNOTATION_STOP_NOW
from codecourier.kinds.api_resources import SPRINT_CHAINS
from codecourier.kinds.registry import Registry
from codecourier.kube.api import Json
from tests.simulation.stored import Change

__all__ = ["BOUND_SECONDS", "Endings", "is_held"]

BOUND_SECONDS = 30 * 60.0
"""How long anything that people stop or delete may take to end, in virtual seconds.

Only a SprintChain that is deleted without the annotation to stop at once may take longer: as long as the timeouts of
its Workflow let its active sprint run.
"""

_OURS = "codecourier.dev/"


def is_held(metadata: Json) -> bool:
    """Tell whether the operator holds an object; what others hold, such as a silent node, is not its doing."""
    return any(finalizer.startswith(_OURS) for finalizer in metadata.get("finalizers") or ())


class Endings:
    """Sees what people stop or delete, and how long it takes.

    Parameters
    ----------
    registry
        The kinds that are played.
    """

    def __init__(self, registry: Registry) -> None:
        self._kinds = {kind.resource: kind for kind in registry.kinds if kind.is_unfinished is not None}
        self._asked: dict[str, tuple[str, float]] = {}
        """What has to end, by UID: its name and since when."""

    def changed(self, change: Change) -> None:
        """Note what a change asks for or brings to its end."""
        resource, namespace, name = change.identity
        if resource not in self._kinds:
            return
        uid = change.new.metadata["uid"]
        if change.type == "DELETED" or not self._has_to_end(change):
            self._asked.pop(uid, None)
        else:
            time = asyncio.get_running_loop().time()
            self._asked.setdefault(uid, (f"{resource.kind} {namespace}/{name}", time))

    def restored(self) -> None:
        """Count anew: what was asked or ended since the backup is lost."""
        self._asked.clear()

    def overdue(self) -> Iterator[str]:
        """Yield what has to end and has not for too long."""
        now = asyncio.get_running_loop().time()
        for text, since in self._asked.values():
            if now > since + BOUND_SECONDS:
                yield f"{text} was stopped or deleted {now - since:.0f} s ago and is not over"

    def _has_to_end(self, change: Change) -> bool:
        obj, metadata = change.new.obj, change.new.metadata
        if "deletionTimestamp" in metadata:
            annotations = metadata.get("annotations") or {}
            is_patient = change.identity[0] == SPRINT_CHAINS and annotations.get(ANNOTATION_STOP_NOW) != "true"
            return is_held(metadata) and not is_patient
        is_unfinished = self._kinds[change.identity[0]].is_unfinished
        return bool(obj["spec"].get("cancelled")) and is_unfinished is not None and is_unfinished(obj)
