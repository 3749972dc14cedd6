"""A pod's status as the kubelet writes it, from the state of its containers, but without conditions of its own. Pure.

Phases: Pending → Running once every init container has ended well and a main container has started → Succeeded or
Failed. A final phase is written only when no process is left, so that its readers may rely on that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from codecourier.kube.api import Json
from codecourier.local.processnode.objects import all_containers, format_time

__all__ = [
    "LOST",
    "Ending",
    "KnownContainer",
    "Running",
    "Terminated",
    "Waiting",
    "build_status",
    "is_different",
    "refused_status",
    "waiting_reason",
]

_MESSAGE_BYTES = 4096
_POD_MESSAGE_BYTES = 12 * 1024

_LOOPBACK = "127.0.0.1"
_FINAL = {"Succeeded", "Failed"}


@dataclass(frozen=True)
class Waiting:
    """A container that has not started."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Running:
    """A container that runs."""

    started: datetime


@dataclass(frozen=True)
class Terminated:
    """A container that has ended."""

    exit_code: int
    reason: str
    message: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    container_id: str = ""


State = Waiting | Running | Terminated

LOST = Terminated(137, "ContainerStatusUnknown", "The container could not be located when the pod was terminated")
"""What the kubelet reports of a container whose end it did not see."""


@dataclass(frozen=True)
class KnownContainer:
    """What is known of one container."""

    state: State
    container_id: str = ""
    """Empty before it started."""


@dataclass(frozen=True)
class Ending:
    """Why the node ended a pod, where that is the pod's own reason."""

    reason: str
    message: str
    condition: Json | None = field(default=None, hash=False)
    """A further condition of the pod."""


def build_status(
    pod: Json,
    views: Mapping[str, KnownContainer],
    ending: Ending | None,
    start_time: datetime,
    *,
    is_settled: bool,
) -> Json:
    """Return the pod's status.

    Parameters
    ----------
    pod
        The pod.
    views
        What is known of each container by name; one that is missing waits.
    ending
        Why the node ended the pod; with an empty reason, because it was deleted.
    start_time
        When the node first saw the pod.
    is_settled
        Whether every process is gone; before that no final phase is written.
    """
    waiting = Waiting(waiting_reason(pod))
    known = {item["name"]: views.get(item["name"], KnownContainer(waiting)) for item in all_containers(pod)}
    if ending and is_settled:
        known = _located(pod, known)
    phase = _phase(pod, known)
    if not is_settled:
        phase = _phase_before_end(pod, known, phase)
    elif ending and (ending.reason or phase not in _FINAL):
        phase = "Failed"
    status: Json = {
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": phase,
        "hostIP": _LOOPBACK,
        "hostIPs": [{"ip": _LOOPBACK}],
        "startTime": format_time(start_time),
        "containerStatuses": _container_statuses(pod["spec"]["containers"], known, phase, _limit(pod)),
    }
    if any(view.container_id for view in known.values()):
        status["podIP"] = _LOOPBACK
        status["podIPs"] = [{"ip": _LOOPBACK}]
    if inits := pod["spec"].get("initContainers"):
        status["initContainerStatuses"] = _container_statuses(inits, known, phase, _limit(pod))
    if ending and ending.reason and is_settled:
        status |= {"reason": ending.reason, "message": ending.message}
        status |= {"conditions": [ending.condition]} if ending.condition else {}
    return status


def refused_status(reason: str, message: str, start_time: datetime) -> Json:
    """Return the status of a pod that the node does not begin."""
    return {"phase": "Failed", "reason": reason, "message": message, "startTime": format_time(start_time)}


def waiting_reason(pod: Json) -> str:
    """Return what a container of this pod waits for before its turn has come."""
    return "PodInitializing" if pod["spec"].get("initContainers") else "ContainerCreating"


def is_different(current: Json, wanted: Json) -> bool:
    """Tell whether writing `wanted` would change anything in the pod's `current` status."""
    if any(item not in current.get("conditions", []) for item in wanted.get("conditions", [])):
        return True
    return any(current.get(name) != value for name, value in wanted.items() if name != "conditions")


def _limit(pod: Json) -> int:
    return min(_MESSAGE_BYTES, _POD_MESSAGE_BYTES // len(list(all_containers(pod))))


def _is_initialized(view: KnownContainer) -> bool:
    return isinstance(view.state, Terminated) and view.state.exit_code == 0


def _phase(pod: Json, known: Mapping[str, KnownContainer]) -> str:
    for item in pod["spec"].get("initContainers", []):
        state = known[item["name"]].state
        if not (isinstance(state, Terminated) and state.exit_code == 0):
            return "Failed" if isinstance(state, Terminated) else "Pending"
    states = [known[item["name"]].state for item in pod["spec"]["containers"]]
    codes = [state.exit_code for state in states if isinstance(state, Terminated)]
    if len(codes) == len(states):
        return "Failed" if any(codes) else "Succeeded"
    return "Pending" if any(isinstance(state, Waiting) for state in states) else "Running"


def _phase_before_end(pod: Json, known: Mapping[str, KnownContainer], phase: str) -> str:
    """Hold a final phase back while processes may be left."""
    if phase not in _FINAL:
        return phase
    return "Running" if any(known[item["name"]].container_id for item in pod["spec"]["containers"]) else "Pending"


def _located(pod: Json, known: Mapping[str, KnownContainer]) -> dict[str, KnownContainer]:
    """Take the main containers of a pod that had begun for lost where their end was not seen, as the kubelet does."""
    result = dict(known)
    if all(_is_initialized(known[item["name"]]) for item in pod["spec"].get("initContainers", [])):
        for item in pod["spec"]["containers"]:
            view = known[item["name"]]
            if not isinstance(view.state, Terminated):
                result[item["name"]] = replace(view, state=LOST)
    return result


def _container_statuses(items: list[Json], known: Mapping[str, KnownContainer], phase: str, limit: int) -> list[Json]:
    return [_container_status(item, known[item["name"]], phase, limit) for item in items]


def _container_status(item: Json, view: KnownContainer, phase: str, limit: int) -> Json:
    is_running = isinstance(view.state, Running)
    status: Json = {
        "name": item["name"],
        "image": item["image"],
        "imageID": item["image"] if view.container_id else "",
        "restartCount": 0,
        # An init container that has done its work counts as ready.
        "ready": (is_running or _is_initialized(view)) and phase not in _FINAL,
        "started": is_running,
        "state": _state(view.state, limit),
        "lastState": {},
    }
    return status | ({"containerID": view.container_id} if view.container_id else {})


def _state(state: State, limit: int) -> Json:
    if isinstance(state, Waiting):
        return {"waiting": {"reason": state.reason} | ({"message": state.message} if state.message else {})}
    if isinstance(state, Running):
        return {"running": {"startedAt": format_time(state.started)}}
    content: Json = {"exitCode": state.exit_code, "reason": state.reason}
    message = state.message.encode()[:limit].decode(errors="ignore")
    content |= {"message": message} if message else {}
    content |= {"containerID": state.container_id} if state.container_id else {}
    # The API server shows a missing time as null; the kubelet then writes none either.
    content["startedAt"] = format_time(state.started) if state.started else None
    content["finishedAt"] = format_time(state.finished) if state.finished else None
    return {"terminated": content}
