"""How the invariants read an object."""

from __future__ import annotations

from codecourier.kinds.api_resources import SPRINT_CHAINS
from codecourier.kube.api import Json
from tests.simulation.stored import Change, Stored

__all__ = ["FINISHED", "became", "is_unfinished", "key_of", "reason_of", "sprint_of", "status_of"]

FINISHED = frozenset({"Completed", "Failed", "Cancelled", "Expired"})


def status_of(stored: Stored | None) -> Json:
    """Return an object's status; an empty one where there is none."""
    return (stored.obj.get("status") if stored is not None else None) or {}


def is_unfinished(obj: Json) -> bool:
    """Tell whether a Run or chain has an attempt to do."""
    status, spec = obj.get("status") or {}, obj["spec"]
    if status.get("phase") not in FINISHED:
        return True
    if spec.get("cancelled") or spec.get("origin"):
        return False
    return bool(max(status.get("attempt", 0), status.get("cancelledAttempt", 0)) < spec.get("attempt", 1))


def reason_of(obj: Json) -> str:
    """Return the reason of an object's outcome, empty where it has none."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c["reason"] for c in conditions if c["type"] == "Succeeded"), "")


def became(change: Change, phase: str) -> bool:
    """Tell whether a change brings an object into a phase."""
    return bool(status_of(change.new).get("phase") == phase != status_of(change.old).get("phase"))


def sprint_of(run: Json) -> Json | None:
    """Return what a Run says of its SprintChain, None for one that none made."""
    origin: Json | None = run["spec"].get("origin")
    return origin if origin is not None and origin["kind"] == SPRINT_CHAINS.kind else None


def key_of(run: Json) -> str:
    """Return what a Run is called in comparisons: its name, or its origin's with its sprint or slot."""
    origin = run["spec"].get("origin")
    if origin is None:
        return str(run["metadata"]["name"])
    suffix = run["metadata"]["name"].rpartition("-")[2]
    return f"{origin['name']}/s{origin['index']}{suffix}" if "index" in origin else f"{origin['name']}/{suffix}"
