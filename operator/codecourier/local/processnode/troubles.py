"""What goes wrong on real nodes, on demand: for tests of what the operator makes of it.

Images that never come or cannot be started are named in `image.py`. The rest is asked for by annotations of a pod,
which may be set while it runs. Pure.
"""

from __future__ import annotations

from enum import StrEnum

from codecourier.kube.api import Json

__all__ = ["LOGS", "OUT_OF_MEMORY", "SANDBOX", "OutOfMemory", "has_dead_sandbox", "has_lost_logs", "out_of_memory_of"]

LOGS = "processnode.codecourier.dev/logs"
"""Annotation: the API server does not reach the pod's logs while this is `unreachable`."""

OUT_OF_MEMORY = "processnode.codecourier.dev/out-of-memory"
"""Annotation: how a container ends that reaches its memory limit, one of `OutOfMemory`."""

SANDBOX = "processnode.codecourier.dev/sandbox"
"""Annotation: the pod's sandbox dies once this is `dead`."""


class OutOfMemory(StrEnum):
    """Whom the kernel kills, and whether the container can read of it."""

    CONTAINER = "container"
    """All processes, as with cgroup v2 by default."""

    PROCESS = "process"
    """The largest process, as with cgroup v1, or with `singleProcessOOMKill` of the kubelet."""

    UNCOUNTED = "process-uncounted"
    """The largest process, and the container sees no count of it, as in some sandboxes of other runtimes."""


def out_of_memory_of(pod: Json) -> OutOfMemory:
    """Return how the pod's containers end that reach their memory limit."""
    return OutOfMemory((pod["metadata"].get("annotations") or {}).get(OUT_OF_MEMORY, OutOfMemory.CONTAINER))


def has_dead_sandbox(pod: Json) -> bool:
    """Tell whether the pod's sandbox is to die."""
    return (pod["metadata"].get("annotations") or {}).get(SANDBOX) == "dead"


def has_lost_logs(pod: Json) -> bool:
    """Tell whether the API server is not to reach the pod's logs."""
    return (pod["metadata"].get("annotations") or {}).get(LOGS) == "unreachable"
