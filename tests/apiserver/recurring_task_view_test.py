"""RecurringTasks as JSON and back, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.views.recurring_task import (
    TaskChange,
    TaskCreation,
    build_task_spec,
    change_task,
    toggle_task,
    view_created_task,
    view_task,
)
from codecourier.apiserver.words import WORDS
from codecourier.core.shared.naming import ANNOTATION_UNPAUSE
from codecourier.kube.api import Json
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.recurring_task import Frequency, RecurringTask, RecurringTaskStatus
from codecourier.zones import zone_names

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY: Json = {
    "title": "Daily audit",
    "prompt": "Look.",
    "frequency": "daily",
    "targetWorkflowId": "wf_build",
    "timezone": "America/Chicago",
    "scheduledHour": 8,
    "scheduledMinute": 0,
}


def task_of(spec: Json, status: Json | None = None, **metadata: Any) -> RecurringTask:
    """Return an object with a spec, as the cluster would show it."""
    meta = ObjectMeta(name="audit", namespace="shop", uid="uid", **{"creation_timestamp": NOW, **metadata})
    found = RecurringTask.model_validate({"spec": spec, "status": status or {}})
    return found.updated(metadata=meta)


def created(**body: Any) -> RecurringTask:
    """Return what a creation makes."""
    return task_of(build_task_spec(TaskCreation.model_validate({**BODY, **body}), NOW))


def changed(task: RecurringTask, body: Json) -> RecurringTask:
    """Return a task after a change, as a merge patch makes it."""
    patch = change_task(task, TaskChange.model_validate(body), NOW)
    spec = {**task.spec.to_json(), **patch.get("spec", {})}
    return task_of({field: value for field, value in spec.items() if value is not None})


def shown(task: RecurringTask) -> Json:
    """Return a task as JSON."""
    return view_task(task, NOW).model_dump(mode="json", by_alias=True)


def test_a_new_task_has_its_next_run_before_the_operator_has_seen_it() -> None:
    task = created()
    assert view_created_task(task, NOW).model_dump(mode="json", by_alias=True) == {
        "id": "rt_audit",
        "isActive": True,
        "nextRunAt": "2026-03-01T14:00:00Z",
    }
    assert task.spec.to_json()["startDate"] == "2026-03-01"


bodies = st.fixed_dictionaries(
    {
        "title": st.text(st.characters(codec="utf-8"), min_size=1, max_size=200),
        "prompt": st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=100),
        "frequency": st.sampled_from([*WORDS[Frequency]]),
        "targetWorkflowId": st.sampled_from(["wf_build", "build", "wf_a.b-c"]),
        "timezone": st.sampled_from(sorted(zone_names())),
        "scheduledHour": st.integers(0, 23),
        "scheduledMinute": st.integers(0, 59),
        "description": st.none() | st.text(st.characters(codec="utf-8"), max_size=100),
    }
)


@given(bodies)
def test_what_was_written_is_shown_and_what_was_shown_changes_nothing(body: Json) -> None:
    task = created(**body)
    json = shown(task)
    same = body.keys() - {"targetWorkflowId"}
    assert {name: json[name] for name in same} == {name: body[name] for name in same}
    assert json["targetWorkflowId"].removeprefix("wf_") == body["targetWorkflowId"].removeprefix("wf_")
    assert change_task(task, TaskChange.model_validate(json), NOW) == {}


@given(bodies, bodies)
def test_a_change_makes_what_a_creation_would_have_made(first: Json, second: Json) -> None:
    task = changed(created(**first), second)
    wanted = created(**second)
    # A schedule that stays keeps its rhythm, so only another one has the start date of a new task.
    schedule = ("frequency", "timezone", "scheduledHour", "scheduledMinute")
    if any(first[name] != second[name] for name in schedule):
        assert task.spec == wanted.spec
    assert shown(task) == shown(wanted)


@pytest.mark.parametrize(
    ("body", "patch"),
    [
        ({"title": "Else"}, {"spec": {"title": "Else"}}),
        ({"description": None}, {}),
        ({"scheduledHour": 8}, {}),
        ({"scheduledHour": 5}, {"spec": {"hour": 5, "startDate": "2026-03-02"}}),
        ({"targetWorkflowId": "test"}, {"spec": {"workflowRef": {"name": "test"}}}),
        ({"isActive": True}, {}),
        ({"isActive": False, "title": "Else"}, {"spec": {"title": "Else", "suspend": True}}),
        ({"id": "rt_other", "nextRunAt": None, "missedSlots": 7}, {}),
        ({}, {}),
    ],
)
def test_a_change_writes_only_what_is_new(body: Json, patch: Json) -> None:
    assert change_task(created(), TaskChange.model_validate(body), NOW) == patch


def test_a_schedule_without_a_weekday_loses_the_one_that_was_pinned() -> None:
    weekly = task_of({**created(frequency="weekly").spec.to_json(), "dayOfWeek": 3})
    patch = change_task(weekly, TaskChange.model_validate({"frequency": "monthly"}), NOW)
    assert patch["spec"] == {"frequency": "Monthly", "dayOfWeek": None, "startDate": "2026-03-01"}
    kept = change_task(weekly, TaskChange.model_validate({"frequency": "biweekly"}), NOW)
    # The first Wednesday.
    assert kept["spec"] == {"frequency": "Biweekly", "startDate": "2026-03-04"}


@pytest.mark.parametrize("name", ["title", "prompt", "frequency", "targetWorkflowId", "timezone", "isActive"])
def test_null_where_it_means_nothing_is_a_problem(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TaskChange.model_validate({name: None})
    assert [problem["loc"] for problem in refused.value.errors()] == [(name,)]


PAUSED = {"pausedTime": "2026-02-01T00:00:00Z", "pausedGeneration": 4, "phase": "Paused", "message": "5 runs failed."}


@pytest.mark.parametrize(
    ("spec", "status", "generation", "annotations", "active"),
    [
        ({}, {}, 1, {}, True),
        ({"suspend": True}, {}, 1, {}, False),
        ({}, PAUSED, 4, {}, False),
        ({}, PAUSED, 5, {}, True),
        ({}, PAUSED, 4, {ANNOTATION_UNPAUSE: "now"}, True),
        ({}, {**PAUSED, "handledUnpause": "now"}, 4, {ANNOTATION_UNPAUSE: "now"}, False),
        ({"suspend": True}, PAUSED, 5, {}, False),
    ],
)
def test_a_task_is_active_unless_it_is_suspended_or_paused(
    spec: Json, status: Json, generation: int, annotations: Mapping[str, str], *, active: bool
) -> None:
    observed = {**status, "observedGeneration": 4}
    task = task_of({**created().spec.to_json(), **spec}, observed, generation=generation, annotations=dict(annotations))
    json = shown(task)
    assert json["isActive"] is active
    assert (json["nextRunAt"] is not None) is active
    # What makes it active is one write, after which there is nothing left to do.
    patch = toggle_task(task, True, NOW)
    assert bool(patch) is not active
    assert bool(toggle_task(task, False, NOW)) is not task.spec.suspend


def test_a_paused_task_says_why_and_unpauses_by_a_toggle() -> None:
    task = task_of(created().spec.to_json(), {**PAUSED, "observedGeneration": 4}, generation=4)
    assert shown(task)["pausedReason"] == "5 runs failed."
    assert toggle_task(task, True, NOW) == {"metadata": {"annotations": {ANNOTATION_UNPAUSE: NOW.isoformat()}}}


def test_the_operator_knows_best_when_a_task_runs_next() -> None:
    late = NOW + timedelta(days=3, seconds=7)
    status = {"observedGeneration": 1, "phase": "Active", "nextRunTime": late.isoformat()}
    assert shown(task_of(created().spec.to_json(), status))["nextRunAt"] == "2026-03-04T12:00:07Z"
    stale = task_of(created().spec.to_json(), status, generation=2)
    assert shown(stale)["nextRunAt"] == "2026-03-01T14:00:00Z"


def test_what_became_of_slots_is_shown() -> None:
    record = {"slot": NOW.isoformat(), "reason": "Due", "message": "It was due.", "time": NOW.isoformat()}
    history = [
        {**record, "disposition": "Skipped", "slot": (NOW + timedelta(days=1)).isoformat()},
        {**record, "disposition": "Fired", "run": "audit-1"},
    ]
    status = RecurringTaskStatus.model_validate({"history": history, "totals": {"missed": 2}, "lastRunTime": NOW})
    json = shown(created().updated(status=status))
    assert (json["lastRunId"], json["lastRunAt"], json["missedSlots"]) == ("r_audit-1", "2026-03-01T12:00:00Z", 2)


def test_a_task_that_kubectl_made_without_a_title_is_shown_with_its_name() -> None:
    spec = created().spec.to_json()
    del spec["title"]
    task = task_of(spec)
    assert shown(task)["title"] == "audit"
    assert change_task(task, TaskChange.model_validate(shown(task)), NOW) == {}


def test_a_zone_that_only_the_cluster_knows_has_to_be_changed_with_the_schedule() -> None:
    task = task_of({**created().spec.to_json(), "timeZone": "Moon/Base"})
    assert shown(task)["nextRunAt"] is None
    with pytest.raises(Refusal) as refused:
        change_task(task, TaskChange.model_validate({"scheduledHour": 1}), NOW)
    assert [detail.field for detail in refused.value.details] == ["timezone"]
    assert changed(task, {"scheduledHour": 1, "timezone": "UTC"}).spec.hour == 1
