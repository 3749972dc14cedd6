"""Invariant 2, over random histories: every slot has exactly one disposition, and each that fired exactly one Run."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from codecourier.core.recurring_task.anchoring import jitter_of, schedule_of
from codecourier.core.shared.naming import ANNOTATION_RUN_NOW, ANNOTATION_UNPAUSE
from codecourier.core.slots.schedule import slots_between
from codecourier.resources.recurring_task import ConcurrencyPolicy, Disposition, Frequency
from codecourier.resources.run import RunPhase
from codecourier.zones import find_zone
from tests.core.recurring_task.played import Played, make_task
from tests.support.worlds import NOW, make_project

HOUR = timedelta(hours=1)

ENDS = st.sampled_from([RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.CANCELLED])
DEEDS = st.one_of(
    st.tuples(st.just("work"), st.integers(1, 100)),
    st.tuples(st.just("sleep"), st.integers(1, 100)),
    st.tuples(st.just("end a Run"), ENDS),
    st.tuples(st.just("suspend"), st.booleans()),
    st.tuples(st.just("suspend the Project"), st.booleans()),
    st.tuples(st.just("lose the Workflow"), st.booleans()),
    st.tuples(st.just("unpause"), st.integers()),
    st.tuples(st.just("run now"), st.integers()),
    st.tuples(st.just("crash after the claim"), st.integers(1, 48)),
)
TASKS = st.fixed_dictionaries(
    {
        "frequency": st.sampled_from([Frequency.DAILY, Frequency.EVERY_OTHER_DAY]),
        "time_zone": st.sampled_from(["UTC", "Europe/Berlin", "America/Chicago"]),
        "hour": st.integers(0, 3),
        "concurrency_policy": st.sampled_from(ConcurrencyPolicy),
        "jitter_seconds": st.sampled_from([0, 900]),
        "starting_deadline_seconds": st.sampled_from([10, 600, 86_400]),
        "pause_after_failures": st.integers(0, 2),
    }
)


def do(played: Played, deed: str, value: Any) -> None:
    unfinished = [active.run for active in played.status.active if active.run in played.runs]
    if deed == "work":
        played.pass_time(played.now + value * HOUR)
    elif deed == "sleep":
        played.now += value * HOUR
    elif deed == "end a Run" and unfinished:
        played.end(unfinished[0], value)
        played.rest()
    elif deed == "suspend":
        played.change(suspend=value)
    elif deed == "suspend the Project":
        played.project = make_project(suspend=value)
    elif deed == "lose the Workflow":
        played.workflow = None if value else Played().workflow
    elif deed == "unpause":
        played.annotate(ANNOTATION_UNPAUSE, str(value))
    elif deed == "run now":
        played.annotate(ANNOTATION_RUN_NOW, str(value))
    elif deed == "crash after the claim":
        before = dict(played.runs)
        made = len(played.made)
        played.look(played.now + value * HOUR)
        played.runs, played.made = before, played.made[:made]


@settings(max_examples=200, deadline=None)
@given(TASKS, st.lists(DEEDS, max_size=25))
def test_every_slot_has_exactly_one_disposition(spec: dict[str, Any], deeds: list[tuple[str, Any]]) -> None:
    played = Played(make_task(**spec))
    played.rest()
    for deed, value in deeds:
        do(played, deed, value)
    played.workflow, played.project = Played().workflow, make_project()
    played.change(suspend=False)
    played.pass_time(played.now + 30 * HOUR)

    anchor, settled = played.status.anchor, played.status.settled_time
    zone = find_zone(spec["time_zone"])
    assert anchor is not None
    assert settled is not None
    assert zone is not None
    slots = list(slots_between(schedule_of(anchor, zone), NOW, settled))
    assert sum(played.count(disposition) for disposition in Disposition) == len(slots)
    due = list(slots_between(schedule_of(anchor, zone), settled, played.now - jitter_of(played.task)))
    assert due == [], "slots without a disposition"

    times = Counter(record.slot for record in played.status.history if not record.is_manual)
    assert set(times.values()) <= {1}
    assert len(set(played.made)) == len(played.made)
    assert len(played.made) == played.count(Disposition.FIRED) + played.status.totals.manual
    scheduled = [run.spec.scheduled_for for run in played.runs.values() if run.spec.scheduled_for is not None]
    assert len(set(scheduled)) == len(scheduled)
