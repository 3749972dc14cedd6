"""What becomes of a chain that a user cancels, from each of its states, and when the wish is taken back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.origin import is_stop_requested
from codecourier.core.shared.facts import BranchHeadAsk, BranchHeadFact, Facts, Problem
from codecourier.core.shared.finishing import finish_plan
from codecourier.core.shared.intents import Create, Failures, Plan
from codecourier.core.shared.reasons import Reason
from codecourier.core.sprint_chain.origin import SprintChainOrigin
from codecourier.core.sprint_chain.plan import needs_references
from codecourier.core.sprint_chain.sprints import build_sprint_chain_notifications
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.resources.notification import NotificationType
from codecourier.resources.run import PullRequest, PullRequestPhase, Run, RunPhase, RunStatus, Try
from codecourier.resources.sprint_chain import SprintChain, SprintChainPhase, SprintChainStatus, SprintPhase
from tests.support.plans import plan_sprint_chain
from tests.support.worlds import ACCESS, BASE, NOW, URL, make_project, make_sprint_chain, make_workflow

FACTS = Facts({BranchHeadAsk(ACCESS, "main"): BranchHeadFact(BASE)})
HEAD = "b" * 40


def wished(chain: SprintChain, **wishes: object) -> SprintChain:
    """Return a chain after a user's patch."""
    metadata = chain.metadata.updated(generation=chain.metadata.generation + 1)
    return chain.updated(spec=chain.spec.updated(**wishes), metadata=metadata)


def look(chain: SprintChain, *runs: Run, failures: Failures | None = None) -> tuple[SprintChain, Plan]:
    """Plan once; return the chain with its new status, the Notifications taken as made."""
    world = SprintChainWorld(chain, make_project(), make_workflow(), runs, facts=FACTS)
    if failures is not None:
        world = replace(world, failures=failures)
    plan = finish_plan(chain, plan_sprint_chain(world, NOW), NOW)
    status = plan.status if isinstance(plan.status, SprintChainStatus) else chain.status
    return chain.updated(status=status.updated(unnotified=())), plan


def made(plan: Plan) -> tuple[Run, ...]:
    """Return the Runs that a plan makes, as the API server keeps them."""
    runs = (c.resource for c in plan.creates if isinstance(c, Create) and isinstance(c.resource, Run))
    return tuple(run.updated(metadata=run.metadata.updated(uid=f"uid-{run.metadata.name}")) for run in runs)


def at(run: Run, phase: RunPhase) -> Run:
    """Return a Run that has come so far."""
    is_done = phase is RunPhase.COMPLETED
    pull_request = PullRequest(phase=PullRequestPhase.CREATED, number=7, url=f"{URL}/pull/7") if is_done else None
    tries = (Try(number=1, sandbox="s"),) if phase not in {RunPhase.PENDING, RunPhase.QUEUED} else ()
    head, branch = (HEAD, f"b-{run.name}") if is_done else (None, None)
    status = RunStatus(phase=phase, attempt=1, tries=tries, head_commit=head, branch=branch, pull_request=pull_request)
    return run.updated(status=status)


def begun(last: int = 2, **spec: Any) -> tuple[SprintChain, Run]:
    """Return a chain whose first sprint is claimed, and its Run."""
    chain, plan = look(make_sprint_chain(last=last, **spec))
    (run,) = made(plan)
    return chain, run


def reason_of(chain: SprintChain) -> str:
    """Return why a chain is where it is."""
    condition = chain.status.condition("Succeeded")
    assert condition is not None
    return condition.reason


def told(chain: SprintChain) -> list[NotificationType]:
    """Return what a status calls for."""
    return [notification.spec.type for notification in build_sprint_chain_notifications(chain, chain.status)]


@dataclass(frozen=True)
class Case:
    """How far the active sprint is when a chain of so many sprints is cancelled, and what that makes of the chain."""

    run: RunPhase | None
    sprints: int
    phase: SprintChainPhase
    reason: Reason
    sprint: SprintPhase


CASES = [
    *(
        Case(phase, 2, SprintChainPhase.RUNNING, Reason.STOPPING, SprintPhase.RUNNING)
        for phase in (RunPhase.PENDING, RunPhase.QUEUED, RunPhase.RUNNING)
    ),
    Case(RunPhase.CANCELLED, 2, SprintChainPhase.CANCELLED, Reason.CANCELLED, SprintPhase.CANCELLED),
    Case(RunPhase.COMPLETED, 2, SprintChainPhase.CANCELLED, Reason.CANCELLED, SprintPhase.COMPLETED),
    Case(RunPhase.COMPLETED, 1, SprintChainPhase.COMPLETED, Reason.COMPLETED, SprintPhase.COMPLETED),
    Case(RunPhase.FAILED, 2, SprintChainPhase.FAILED, Reason.SPRINT_FAILED, SprintPhase.FAILED),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_running_chain_that_is_cancelled_ends_with_its_active_sprint(case: Case) -> None:
    chain, run = begun(case.sprints)
    assert case.run is not None
    after, plan = look(wished(chain, cancelled=True), at(run, case.run))
    assert (after.status.phase, reason_of(after)) == (case.phase, case.reason)
    assert after.status.sprints[0].phase is case.sprint
    assert after.status.cancelled_attempt == 1
    assert made(plan) == ()
    assert (NotificationType.CHAIN_CANCELLED in told(after)) is (case.phase is SprintChainPhase.CANCELLED)


def test_a_chain_that_is_cancelled_before_it_begins_starts_nothing_and_says_so() -> None:
    chain, plan = look(wished(make_sprint_chain(), cancelled=True))
    assert (chain.status.phase, chain.status.attempt, chain.status.sprints) == (SprintChainPhase.CANCELLED, 1, ())
    assert chain.status.message == "Stopped because spec.cancelled was set."
    assert (made(plan), told(chain)) == ((), [NotificationType.CHAIN_CANCELLED])


def test_a_cancelled_chain_needs_nothing_that_it_names() -> None:
    chain, run = begun()
    for state in (wished(make_sprint_chain(), cancelled=True), wished(chain, cancelled=True)):
        assert not needs_references(state)
    world = SprintChainWorld(wished(chain, cancelled=True), None, None, (at(run, RunPhase.CANCELLED),))
    plan = plan_sprint_chain(world, NOW)
    assert isinstance(plan.status, SprintChainStatus)
    assert plan.status.phase is SprintChainPhase.CANCELLED


def test_a_paused_chain_between_two_sprints_is_cancelled_at_once() -> None:
    chain, run = begun()
    held, _ = look(wished(chain, suspend=True), at(run, RunPhase.COMPLETED))
    assert reason_of(held) == Reason.SUSPENDED
    after, _ = look(wished(held, cancelled=True), at(run, RunPhase.COMPLETED))
    assert (after.status.phase, reason_of(after)) == (SprintChainPhase.CANCELLED, Reason.CANCELLED)
    assert [sprint.phase for sprint in after.status.sprints] == [SprintPhase.COMPLETED, SprintPhase.PENDING]


@pytest.mark.parametrize("phase", [RunPhase.PENDING, RunPhase.QUEUED, RunPhase.RUNNING])
def test_the_run_of_a_cancelled_chain_stops_once_the_status_holds_the_cancellation(phase: RunPhase) -> None:
    chain, run = begun()
    asked = wished(chain, cancelled=True)
    assert not is_stop_requested(at(run, phase), SprintChainOrigin(asked)), "the wish may still be taken back"
    stopping, _ = look(asked, at(run, phase))
    origin = SprintChainOrigin(stopping)
    assert is_stop_requested(at(run, phase), origin)
    assert origin.stop_sentence == "Stopped because its SprintChain was cancelled."


def test_a_wish_that_is_taken_back_before_it_is_seen_asks_for_nothing() -> None:
    chain, run = begun()
    after, plan = look(wished(wished(chain, cancelled=True), cancelled=False), at(run, RunPhase.RUNNING))
    assert (after.status.phase, after.status.cancelled_attempt) == (SprintChainPhase.RUNNING, 0)
    assert not is_stop_requested(at(run, RunPhase.RUNNING), SprintChainOrigin(after))
    assert plan.creates == ()


def test_a_wish_that_is_taken_back_while_the_sprint_stops_still_cancels() -> None:
    chain, run = begun()
    stopping, _ = look(wished(chain, cancelled=True), at(run, RunPhase.RUNNING))
    taken_back = wished(stopping, cancelled=False)
    again, _ = look(taken_back, at(run, RunPhase.RUNNING))
    assert is_stop_requested(at(run, RunPhase.RUNNING), SprintChainOrigin(again))
    after, _ = look(again, at(run, RunPhase.CANCELLED))
    assert (after.status.phase, reason_of(after)) == (SprintChainPhase.CANCELLED, Reason.CANCELLED)


def test_a_claimed_run_that_may_be_in_flight_is_made_to_be_stopped() -> None:
    chain, run = begun()
    cancelled = wished(chain, cancelled=True)
    after, plan = look(cancelled)
    assert [r.name for r in made(plan)] == [run.name]
    assert SprintChainOrigin(after).is_stopping(run)
    (create,) = plan.creates
    refusal = Problem(Reason.CREATION_REFUSED, "The cluster refuses it.", refused_since=NOW - timedelta(minutes=2))
    over, _ = look(after, failures=Failures({create: refusal}))
    assert (over.status.phase, over.status.sprints[0].phase) == (SprintChainPhase.CANCELLED, SprintPhase.CANCELLED)


def test_a_chain_that_is_deleted_and_cancelled_stops_at_once() -> None:
    chain, run = begun()
    cancelled = wished(chain, cancelled=True)
    both = cancelled.updated(metadata=cancelled.metadata.updated(deletion_timestamp=NOW))
    stopping, plan = look(both, at(run, RunPhase.RUNNING))
    assert (reason_of(stopping), plan.look_again) == (Reason.STOPPING, None)
    after, _ = look(stopping, at(run, RunPhase.CANCELLED))
    assert (after.status.phase, reason_of(after)) == (SprintChainPhase.CANCELLED, Reason.CANCELLED)
    assert look(after)[1].release_finalizer


def cancelled_after_one() -> SprintChain:
    """Return a chain of three sprints that was cancelled in the second."""
    chain, run = begun(3)
    chain, plan = look(chain, at(run, RunPhase.COMPLETED))
    (second,) = made(plan)
    chain, _ = look(wished(chain, cancelled=True), at(second, RunPhase.CANCELLED))
    assert chain.status.phase is SprintChainPhase.CANCELLED
    return chain


@pytest.mark.parametrize("wishes", [{}, {"attempt": 2}, {"cancelled": False}, {"suspend": True}])
def test_a_cancelled_chain_stays_so_until_a_greater_attempt_is_asked_for(wishes: dict[str, object]) -> None:
    chain = cancelled_after_one()
    after, plan = look(wished(chain, **wishes))
    assert (after.status.phase, after.status.attempt) == (SprintChainPhase.CANCELLED, 1)
    assert (plan.creates, told(after)) == ((), told(chain))


def test_an_attempt_that_was_cancelled_before_it_began_never_begins() -> None:
    chain, _ = look(wished(cancelled_after_one(), attempt=2))
    assert chain.status.cancelled_attempt == 2
    for attempt in (2, 3):
        after, plan = look(wished(chain, attempt=attempt, cancelled=False))
        assert bool(made(plan)) is (attempt == 3)
        assert after.status.attempt == (3 if attempt == 3 else 1)


def test_a_greater_attempt_resumes_a_cancelled_chain_from_its_first_unfinished_sprint() -> None:
    chain = cancelled_after_one()
    resumed, plan = look(wished(chain, cancelled=False, attempt=2))
    (run,) = made(plan)
    assert (run.spec.origin.index if run.spec.origin else None, run.spec.base_commit) == (1, HEAD)
    assert resumed.status.sprints[0] == chain.status.sprints[0]
    assert [(attempt.attempt, attempt.phase) for attempt in resumed.status.attempts] == [
        (1, SprintChainPhase.CANCELLED)
    ]
    assert not SprintChainOrigin(resumed).is_stopping(run)


def test_a_chain_that_was_cancelled_before_it_began_can_be_started() -> None:
    chain, _ = look(wished(make_sprint_chain(), cancelled=True))
    resumed, plan = look(wished(chain, cancelled=False, attempt=2))
    assert (resumed.status.phase, resumed.status.attempt, len(made(plan))) == (SprintChainPhase.RUNNING, 2, 1)


WISHES = st.fixed_dictionaries({}, optional={"cancelled": st.booleans(), "attempt": st.integers(1, 3)})
NEXT = {RunPhase.PENDING: RunPhase.QUEUED, RunPhase.QUEUED: RunPhase.RUNNING}
ENDS = (RunPhase.COMPLETED, RunPhase.FAILED)


@given(steps=st.lists(st.tuples(WISHES, st.sampled_from(ENDS)), max_size=25))
def test_invariants_3_and_4_whatever_users_wish_an_attempt_ends_once_and_is_reported_once(
    steps: list[tuple[dict[str, object], RunPhase]],
) -> None:
    chain, runs, ends = make_sprint_chain(last=2), dict[str, Run](), dict[int, tuple[object, ...]]()
    news: list[str] = []
    for wishes, end in steps:
        chain = wished(chain, **wishes) if wishes else chain
        chain, plan = look(chain, *runs.values())
        news += [c.resource.name for c in plan.creates if isinstance(c, Create) and c.resource.kind == "Notification"]
        runs |= {run.name: at(run, RunPhase.PENDING) for run in made(plan) if run.name not in runs}
        origin, status = SprintChainOrigin(chain), chain.status
        for name, run in runs.items():
            phase = NEXT.get(run.status.phase, end)
            if not run.status.phase.is_finished:
                runs[name] = at(run, RunPhase.CANCELLED if is_stop_requested(run, origin) else phase)
        if status.phase.is_finished:
            outcome = (status.phase, reason_of(chain), status.message)
            assert ends.setdefault(status.attempt, outcome) == outcome
            assert all(r.status.phase.is_finished for r in runs.values())
    assert len(news) == len(set(news))
    cancelled = [attempt for attempt, outcome in ends.items() if outcome[0] is SprintChainPhase.CANCELLED]
    assert len(cancelled) == len(news)
