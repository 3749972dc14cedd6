"""What makes Runs: every kind of origin answers the protocol, and a Run obeys it without knowing the kind."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from codecourier.core.origin import AbsentOrigin, Origin, is_stop_requested
from codecourier.core.run.usage import build_usage_record
from codecourier.core.run.world import RunWorld
from codecourier.core.sprint_chain.origin import SprintChainOrigin
from codecourier.resources.notification import Notification
from codecourier.resources.run import Origin as OriginReference
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.sandbox import PublishState, SandboxPhase
from codecourier.resources.sprint_chain import SprintPhase, SprintStatus
from tests.support.plans import plan_run
from tests.support.runs import ended, run_status_of, running
from tests.support.worlds import NOW, make_project, make_run, make_sprint_chain

CHAIN = make_sprint_chain()
ABSENT = AbsentOrigin("SprintChain", "nightly", "uid-nightly", reports_ends=True)
ORIGINS: tuple[Origin, ...] = (SprintChainOrigin(CHAIN), ABSENT)
"""One of each kind: here mypy compares them with the protocol."""


@dataclass(frozen=True)
class FixtureOrigin:
    """An origin of a kind that the core does not know."""

    is_stop_wanted: bool = False
    has_ledger_entry: bool = True
    reports_ends: bool = False
    kind: str = "Fixture"
    name: str = "weekly"
    uid: str = "uid-weekly"
    stop_sentence: str = "Stopped because the week is over."

    def is_stopping(self, _run: Run) -> bool:
        """Tell what the test wants."""
        return self.is_stop_wanted

    def has_recorded(self, _run: Run) -> bool:
        """Tell what the test wants."""
        return self.has_ledger_entry

    def needs(self, _run: Run) -> bool:
        """Tell what the test wants."""
        return not self.has_ledger_entry


FIXTURE: Origin = FixtureOrigin()


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda origin: type(origin).__name__)
def test_an_origin_is_told_apart_by_what_its_runs_name(origin: Origin) -> None:
    assert (origin.kind, origin.name, origin.uid) == (CHAIN.kind, CHAIN.name, CHAIN.uid)
    assert origin.reports_ends
    assert origin.stop_sentence.endswith(".")


def test_a_run_stops_for_people_and_for_its_origin() -> None:
    run = make_run()
    assert not is_stop_requested(run, None)
    assert not is_stop_requested(run, ABSENT)
    assert is_stop_requested(run, FixtureOrigin(is_stop_wanted=True))
    assert is_stop_requested(make_run(cancelled=True), FIXTURE)
    assert is_stop_requested(make_run(metadata={"deletion_timestamp": NOW}), None)


def test_a_chain_stops_the_runs_that_its_status_lists() -> None:
    run, other = make_run("one"), make_run("two")
    stopping = CHAIN.updated(status=CHAIN.status.updated(stopping=(run.uid,)))
    origin = SprintChainOrigin(stopping)
    assert (origin.is_stopping(run), origin.is_stopping(other)) == (True, False)
    assert not SprintChainOrigin(CHAIN).is_stopping(run)


def test_a_chain_has_recorded_a_run_once_no_sprint_is_running_with_it() -> None:
    run = make_run("s1")
    for phase, expected in ((SprintPhase.RUNNING, False), (SprintPhase.COMPLETED, True)):
        sprint = SprintStatus(index=0, number=1, phase=phase, run=run.name)
        chain = CHAIN.updated(status=CHAIN.status.updated(sprints=(sprint,)))
        assert SprintChainOrigin(chain).has_recorded(run) is expected
        assert SprintChainOrigin(chain).has_recorded(make_run("another"))


def made(by: Origin | None, **changes: object) -> Run:
    """Return a Run that an origin, or a person, has made and that runs."""
    run = running(**changes)
    origin = None if by is None else OriginReference(kind=by.kind, name=by.name, uid=by.uid, index=0)
    return run.updated(spec=run.spec.updated(origin=origin))


def test_a_run_of_another_kind_of_origin_stops_with_its_sentence() -> None:
    run = made(FIXTURE)
    over = ended(run, SandboxPhase.CANCELLED, "Cancelled")
    world = RunWorld(run, make_project(), None, FixtureOrigin(is_stop_wanted=True), (over,))
    status = run_status_of(plan_run(world, NOW))
    assert (status.phase, status.message) == (RunPhase.CANCELLED, "Stopped because the week is over.")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, ["RunCompleted"]),
        (FixtureOrigin(reports_ends=False), ["RunCompleted"]),
        (FixtureOrigin(reports_ends=True), []),
        (replace(ABSENT, reports_ends=True), []),
        (replace(ABSENT, reports_ends=False), ["RunCompleted"]),
    ],
)
def test_a_run_reports_its_end_unless_its_origin_does(origin: Origin | None, expected: list[str]) -> None:
    run = made(origin)
    over = ended(run, SandboxPhase.COMPLETED, "Completed", PublishState.NO_CHANGE)
    plan = plan_run(RunWorld(run, make_project(), None, origin, (over,)), NOW)
    assert [r.resource.spec.type for r in plan.records if isinstance(r.resource, Notification)] == expected


def test_a_deleted_run_waits_for_the_ledger_of_its_origin() -> None:
    run = made(FIXTURE, phase=RunPhase.COMPLETED)
    run = run.updated(metadata=run.metadata.updated(deletion_timestamp=NOW))
    waiting = RunWorld(run, None, None, FixtureOrigin(has_ledger_entry=False))
    assert not plan_run(waiting, NOW).release_finalizer
    assert plan_run(replace(waiting, origin=FIXTURE), NOW).release_finalizer
    assert plan_run(replace(waiting, is_namespace_ending=True), NOW).release_finalizer


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("SprintChain", ("weekly", None)),
        ("RecurringTask", (None, "weekly")),
        ("Fixture", (None, None)),
        ("Run", (None, None)),
    ],
)
def test_a_usage_record_names_the_origin_where_it_has_a_field_for_it(
    kind: str, expected: tuple[str | None, str | None]
) -> None:
    run = made(replace(ABSENT, kind=kind, name="weekly"))
    record = build_usage_record(run, ended(run, SandboxPhase.FAILED, "AgentFailed"))
    assert (record.spec.sprint_chain, record.spec.recurring_task) == expected
    assert record.spec.run == run.name
