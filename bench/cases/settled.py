"""When an object has come to rest."""

from __future__ import annotations

from codecourier.kube.api import Json

__all__ = ["has_pod_ended", "is_begun", "is_project_ready", "is_queued", "is_run_over", "is_running"]

_FINISHED = frozenset({"Completed", "Failed", "Cancelled"})


def _status(obj: Json) -> Json:
    status: Json = obj.get("status") or {}
    return status


def has_pod_ended(pod: Json) -> bool:
    """Return whether a pod has done its work."""
    return _status(pod).get("phase") == "Succeeded"


def is_begun(obj: Json) -> bool:
    """Return whether the operator has reported an object's generation as observed."""
    return bool(_status(obj).get("observedGeneration", -1) >= 1)


def is_project_ready(project: Json) -> bool:
    """Return whether a Project's repositories were reached."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in _status(project).get("conditions") or ())


def is_queued(run: Json) -> bool:
    """Return whether a Run waits for admission."""
    return _status(run).get("phase") == "Queued"


def is_running(sandbox: Json) -> bool:
    """Return whether a Sandbox's pod runs."""
    return _status(sandbox).get("phase") == "Running"


def is_run_over(run: Json) -> bool:
    """Return whether a Run has ended and has all its Notifications."""
    status = _status(run)
    return status.get("phase") in _FINISHED and not status.get("unnotified")
