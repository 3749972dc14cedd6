"""What something unfinished may still need of what is over, so that retention leaves it.

An object that this version cannot read is needed: a newer version may know what for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codecourier.cache.source import Source
from codecourier.cache.store import Store, UnreadableError
from codecourier.kinds.kept_views import is_owed
from codecourier.kinds.relation import UNFINISHED, View
from codecourier.kinds.shared import ORIGIN
from codecourier.kinds.sources import (
    ISSUE_SESSION_SOURCE,
    MERGE_JOB_SOURCE,
    RECURRING_TASK_SOURCE,
    RUN_SOURCE,
    SANDBOX_SOURCE,
    SPRINT_CHAIN_SOURCE,
)
from codecourier.kube.api import Json
from codecourier.kube.cache import key_of

__all__ = ["is_needed"]

_BY_WORKFLOW = "named by spec.workflowRef.name"
_USERS_OF_WORKFLOWS = (RUN_SOURCE, SPRINT_CHAIN_SOURCE, RECURRING_TASK_SOURCE, ISSUE_SESSION_SOURCE, MERGE_JOB_SOURCE)

_RECORDS = frozenset({"Notification", "UsageRecord"})
"""Kinds of which the caches hold a few fields only."""


def is_needed(view: View, source: Source[Any], obj: Json) -> bool:
    """Tell whether something unfinished may still do something because of an object.

    Parameters
    ----------
    view
        What is read from.
    source
        The kind of the object.
    obj
        The object, as the API server returned it.
    """
    needs = _NEEDS.get(source.resource.kind)
    if source.resource.kind not in _RECORDS and not view.store.is_readable(source, *key_of(obj)):
        return True
    return needs is not None and needs(view, obj)


def _is_run_needed(view: View, run: Json) -> bool:
    model = view.store.read(RUN_SOURCE, run)
    if any(not entry.phase.is_finished for entry in model.status.follow_ups):
        return True
    try:
        origin = ORIGIN.read(view, model)
    except UnreadableError:
        return True
    return origin is not None and origin.needs(model)


def _is_notification_needed(view: View, notification: Json) -> bool:
    """Tell whether the object that it is about is unfinished, or owes it: it would be made a second time."""
    entity = notification["spec"]["entity"]
    resource = next((kind.source.resource for kind in view.store.kinds if _names(kind.source, entity["kind"])), None)
    if resource is None:
        return False
    about = view.store.raw(resource, key_of(notification)[0], entity["name"])
    if about is None or about["metadata"]["uid"] != entity["uid"]:
        return False
    if notification["metadata"]["name"] in ((about.get("status") or {}).get("unnotified") or ()):
        return True
    return view.store.cache(resource).has_index(UNFINISHED) and not view.store.is_at_rest(resource, about)


def _names(source: Source[Any], kind: str) -> bool:
    return bool(source.resource.kind == kind and source.resource.whole == source.resource)


def _is_usage_record_needed(view: View, record: Json) -> bool:
    """Tell whether its Run is unfinished, or has not noted it: it would be made a second time."""
    spec = record["spec"]
    run = _find_run(view.store, key_of(record)[0], spec["run"], spec["runUid"])
    if run is None:
        return False
    tries = (run.get("status") or {}).get("tries") or ()
    is_noted = not any(entry["sandbox"] == record["metadata"]["name"] and is_owed(run, entry) for entry in tries)
    return not (is_noted and view.store.is_at_rest(RUN_SOURCE.resource, run))


def _is_learning_needed(view: View, learning: Json) -> bool:
    """Tell whether the Run that proposed it is unfinished: it would propose it a second time."""
    run = learning["spec"].get("run")
    return run is not None and _is_working(view.store, key_of(learning)[0], run["name"], run["uid"])


def _is_sandbox_needed(view: View, sandbox: Json) -> bool:
    reference = sandbox["spec"]["runRef"]
    is_over = view.store.is_at_rest(SANDBOX_SOURCE.resource, sandbox)
    return not is_over or _is_working(view.store, key_of(sandbox)[0], reference["name"], reference["uid"])


def _is_workflow_needed(view: View, workflow: Json) -> bool:
    """Tell whether an unfinished Run, chain or session, or a RecurringTask names it."""
    caches = (view.store.cache(source.resource) for source in _USERS_OF_WORKFLOWS)
    return any(cache.has_key(_BY_WORKFLOW, key_of(workflow)) for cache in caches)


def _is_session_needed(_view: View, session: Json) -> bool:
    """Tell whether one of its Runs is under way; a session in the trash makes no further one."""
    return any(entry["phase"] == "Running" for entry in (session.get("status") or {}).get("runs") or ())


def _is_working(store: Store, namespace: str, name: str, uid: str) -> bool:
    run = _find_run(store, namespace, name, uid)
    return run is not None and not store.is_at_rest(RUN_SOURCE.resource, run)


def _find_run(store: Store, namespace: str, name: str, uid: str) -> Json | None:
    run = store.raw(RUN_SOURCE.resource, namespace, name)
    return run if run is not None and run["metadata"]["uid"] == uid else None


_NEEDS: Mapping[str, Callable[[View, Json], bool]] = {
    "Run": _is_run_needed,
    "Notification": _is_notification_needed,
    "UsageRecord": _is_usage_record_needed,
    "Learning": _is_learning_needed,
    "Sandbox": _is_sandbox_needed,
    "Workflow": _is_workflow_needed,
    "IssueSession": _is_session_needed,
}
