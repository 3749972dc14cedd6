"""A chain's transitions, each from a world to a plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from codecourier.core.origin import is_stop_requested
from codecourier.core.sandbox.pods import pod_deadline_seconds
from codecourier.core.shared.conditions import with_condition
from codecourier.core.shared.facts import BranchHeadAsk, BranchHeadFact, Facts, RevisionAsk, RevisionFact
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.naming import ANNOTATION_STOP_NOW
from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.core.sprint_chain.context import CONTEXT_MAX_BYTES, build_context
from codecourier.core.sprint_chain.origin import SprintChainOrigin
from codecourier.core.sprint_chain.plan import DELAY_LIMIT
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.notification import Notification
from codecourier.resources.run import PullRequest, PullRequestPhase, Run, RunPhase, RunStatus, Try
from codecourier.resources.sprint_chain import (
    SprintChain,
    SprintChainPhase,
    SprintChainStatus,
    SprintPhase,
    SprintStatus,
)
from tests.support.plans import plan_sprint_chain
from tests.support.worlds import ACCESS, BASE, NOW, URL, make_project, make_revision, make_sprint_chain, make_workflow

FACTS = Facts({BranchHeadAsk(ACCESS, "main"): BranchHeadFact(BASE)})
HEADS = ("b" * 40, "c" * 40, "d" * 40)


def world(chain: SprintChain, *runs: Run, is_namespace_ending: bool = False) -> SprintChainWorld:
    """Return the world of a chain in which all that it names is there."""
    return SprintChainWorld(
        chain, make_project(), make_workflow(), runs, is_namespace_ending=is_namespace_ending, facts=FACTS
    )


def step(chain: SprintChain, *runs: Run) -> tuple[SprintChain, tuple[Run, ...], Plan]:
    """Plan once; return the chain with its new status and the Runs that were made."""
    plan = plan_sprint_chain(world(chain, *runs), NOW)
    made = tuple(c.resource for c in plan.creates if isinstance(c, Create) and isinstance(c.resource, Run))
    status = plan.status if isinstance(plan.status, SprintChainStatus) else chain.status
    # The Notifications of the step are taken as made: they have tests of their own.
    return chain.updated(status=status.updated(unnotified=())), made, plan


def ended(run: Run, phase: RunPhase, head: str | None = None) -> Run:
    """Return a Run as its own plan would leave it."""
    pull_request = PullRequest(phase=PullRequestPhase.CREATED, number=7, url=f"{URL}/pull/7") if head else None
    status = RunStatus(
        phase=phase, head_commit=head, branch=f"b-{run.name}", pull_request=pull_request, summary="Did it."
    )
    return run.updated(metadata=run.metadata.updated(uid=f"uid-{run.name}"), status=status)


def working(run: Run, reason: Reason = Reason.RUNNING, message: str = "It works.") -> Run:
    """Return a Run whose first try was started, and that says something."""
    conditions = with_condition(
        (), ConditionType.SUCCEEDED, ConditionStatus.UNKNOWN, reason, message, now=NOW, generation=1
    )
    over = ended(run, RunPhase.RUNNING)
    tries = (Try(number=1, sandbox="s"),)
    return over.updated(status=over.status.updated(tries=tries, conditions=conditions, message=message))


def played(chain: SprintChain, count: int) -> tuple[SprintChain, Run]:
    """Return a chain after this many completed sprints, with the Run of the next one."""
    chain, (run,), _ = step(chain)
    for head in HEADS[:count]:
        chain, (run,), _ = step(chain, ended(run, RunPhase.COMPLETED, head))
    return chain, run


def test_a_chain_starts_from_the_recorded_head_of_its_base() -> None:
    chain, (run,), _ = step(make_sprint_chain())
    assert chain.status.phase is SprintChainPhase.RUNNING
    assert chain.status.base_commit == run.spec.base_commit == BASE
    assert [s.phase for s in chain.status.sprints] == [SprintPhase.RUNNING, SprintPhase.PENDING, SprintPhase.PENDING]


def test_each_sprint_starts_from_the_commit_and_branch_of_the_one_before() -> None:
    _, run = played(make_sprint_chain(), 2)
    assert run.spec.base_commit == HEADS[1]
    assert run.spec.pull_request_base == f"b-{played(make_sprint_chain(), 1)[1].name}"
    assert "sprint 3, which is number 3 of 3" in (run.spec.context or "")
    assert "- Sprint 2" in (run.spec.context or "")


@pytest.mark.parametrize("phase", [phase for phase in PullRequestPhase if phase.exists])
def test_a_sprint_builds_on_the_branch_of_a_pull_request_whatever_became_of_it(phase: PullRequestPhase) -> None:
    chain, (run,), _ = step(make_sprint_chain())
    over = ended(run, RunPhase.COMPLETED, HEADS[0])
    pull_request = PullRequest(phase=phase, number=7, url=f"{URL}/pull/7")
    _, (second,), _ = step(chain, over.updated(status=over.status.updated(pull_request=pull_request)))
    assert (second.spec.base_commit, second.spec.pull_request_base) == (HEADS[0], over.status.branch)


def test_a_sprint_without_changes_leaves_the_stack_where_it_was() -> None:
    chain, run = played(make_sprint_chain(), 1)
    skipped = ended(run, RunPhase.COMPLETED)
    skipped = skipped.updated(
        status=skipped.status.updated(head_commit=HEADS[0], pull_request=PullRequest(phase=PullRequestPhase.SKIPPED))
    )
    _, (third,), _ = step(chain, skipped)
    assert (third.spec.base_commit, third.spec.pull_request_base) == (HEADS[0], run.spec.pull_request_base)


def test_the_last_sprint_completes_the_chain() -> None:
    chain, run = played(make_sprint_chain(), 2)
    chain, _, plan = step(chain, ended(run, RunPhase.COMPLETED, HEADS[2]))
    assert chain.status.phase is SprintChainPhase.COMPLETED
    assert [n.spec.type for n in recorded(plan)] == ["SprintCompleted", "WorkflowCompleted"]
    assert chain.status.unnotified == ()


def recorded(plan: Plan) -> list[Notification]:
    """Return the Notifications that a plan makes before it writes the status."""
    return [record.resource for record in plan.records if isinstance(record.resource, Notification)]


def test_invariant_3_every_leader_reports_the_end_of_a_sprint_alike_at_any_time() -> None:
    chain, run = played(make_sprint_chain(), 2)
    over = ended(run, RunPhase.COMPLETED, HEADS[2])
    over = over.updated(status=over.status.updated(finish_time=NOW))
    deleting = chain.updated(metadata=chain.metadata.updated(deletion_timestamp=NOW))
    soon, late = (
        plan_sprint_chain(world(chain, over), NOW),
        plan_sprint_chain(world(deleting, over), NOW + timedelta(hours=1)),
    )
    assert recorded(soon) == recorded(late)


def test_invariant_3_what_is_reported_is_not_reported_again() -> None:
    chain, run = played(make_sprint_chain(), 2)
    over = ended(run, RunPhase.COMPLETED, HEADS[2])
    plan = plan_sprint_chain(world(chain, over), NOW)
    names = frozenset(n.metadata.name for n in recorded(plan))
    again = plan_sprint_chain(replace(world(chain, over), notifications=names), NOW)
    assert (recorded(again), again.status) == ([], plan.status)
    settled = chain.updated(status=again.status)
    assert plan_sprint_chain(world(settled, over), NOW) == Plan()  # and none comes back once people delete it


def test_a_cancelled_chain_claims_its_notification_and_takes_the_claim_back_once_it_is_there() -> None:
    chain = make_sprint_chain(metadata={"deletion_timestamp": NOW})
    plan = plan_sprint_chain(world(chain), NOW)
    assert isinstance(plan.status, SprintChainStatus)
    (create,) = plan.creates
    assert isinstance(create, Create)
    name = create.resource.metadata.name
    assert plan.status.unnotified == (name,)
    claimed = world(chain.updated(status=plan.status))
    assert plan_sprint_chain(claimed, NOW).creates == (create,)
    settled = plan_sprint_chain(replace(claimed, notifications=frozenset({name})), NOW).status
    assert isinstance(settled, SprintChainStatus)
    assert settled.unnotified == ()


@pytest.mark.parametrize(
    ("phase", "outcome", "reason"),
    [
        (RunPhase.FAILED, SprintChainPhase.FAILED, Reason.SPRINT_FAILED),
        (RunPhase.CANCELLED, SprintChainPhase.CANCELLED, Reason.SPRINT_CANCELLED),
    ],
)
def test_a_sprint_that_does_not_complete_ends_the_chain_likewise(
    phase: RunPhase, outcome: SprintChainPhase, reason: Reason
) -> None:
    chain, run = played(make_sprint_chain(), 1)
    chain, made, _ = step(chain, ended(run, phase))
    assert (chain.status.phase, made) == (outcome, ())
    condition = chain.status.condition("Succeeded")
    assert condition is not None
    assert condition.reason == reason


def test_invariant_7_resume_reuses_finished_sprints() -> None:
    chain, run = played(make_sprint_chain(), 1)
    chain, _, _ = step(chain, ended(run, RunPhase.FAILED))
    resumed = chain.updated(spec=chain.spec.updated(attempt=2))
    again, (second,), _ = step(resumed)
    assert again.status.sprints[0] == chain.status.sprints[0]
    assert second.spec.base_commit == HEADS[0]
    assert second.name != run.name
    assert [a.attempt for a in again.status.attempts] == [1]


def test_a_chain_made_with_resume_from_sprint_omits_what_is_before() -> None:
    chain, (run,), _ = step(make_sprint_chain(resume_from_sprint=2))
    assert [s.phase for s in chain.status.sprints] == [SprintPhase.OMITTED, SprintPhase.OMITTED, SprintPhase.RUNNING]
    assert run.spec.base_commit == BASE


def test_a_suspended_chain_lets_the_active_sprint_go_on_and_starts_no_other() -> None:
    chain, run = played(make_sprint_chain(), 0)
    chain = chain.updated(spec=chain.spec.updated(suspend=True))
    chain, made, _ = step(chain, ended(run, RunPhase.COMPLETED, HEADS[0]))
    assert (chain.status.phase, made) == (SprintChainPhase.RUNNING, ())
    chain, (second,), _ = step(chain.updated(spec=chain.spec.updated(suspend=False)))
    assert second.spec.base_commit == HEADS[0]


def test_a_deleted_chain_waits_for_its_active_sprint_then_is_cancelled() -> None:
    chain, run = played(make_sprint_chain(), 0)
    chain = chain.updated(metadata=chain.metadata.updated(deletion_timestamp=NOW))
    chain, made, plan = step(chain, working(run))
    assert (made, plan.release_finalizer, chain.status.stopping) == ((), False, ())
    chain, made, _ = step(chain, ended(run, RunPhase.COMPLETED, HEADS[0]))
    assert (chain.status.phase, made) == (SprintChainPhase.CANCELLED, ())
    assert plan_sprint_chain(world(chain), NOW).release_finalizer


def test_a_deleted_chain_waits_as_long_as_the_workflow_of_its_active_sprint_allows() -> None:
    chain, run = played(make_sprint_chain(), 0)
    chain = chain.updated(metadata=chain.metadata.updated(deletion_timestamp=NOW))
    revision = make_revision()
    status = run.status.updated(phase=RunPhase.RUNNING, attempt=1, workflow_revision=revision.name)
    known = world(chain, run.updated(metadata=run.metadata.updated(uid="uid-run"), status=status))
    ask = RevisionAsk("shop", revision.name)
    assert plan_sprint_chain(known, NOW).asks == (ask,)
    for spec, seconds in ((revision.spec, pod_deadline_seconds(make_workflow().spec)), (None, 24 * 3600)):
        plan = plan_sprint_chain(replace(known, facts=Facts({ask: RevisionFact(spec)})), NOW)
        assert plan.look_again == NOW + timedelta(seconds=seconds)


def test_a_deleted_chain_stops_its_active_sprint_where_the_annotation_asks_for_it() -> None:
    chain, run = played(make_sprint_chain(), 0)
    metadata = chain.metadata.updated(deletion_timestamp=NOW, annotations={ANNOTATION_STOP_NOW: "true"})
    running = working(run)
    chain, _, _ = step(chain.updated(metadata=metadata), running)
    assert chain.status.stopping == (running.uid,)


def deleted(chain: SprintChain) -> SprintChain:
    """Return a chain that is being deleted."""
    return chain.updated(metadata=chain.metadata.updated(deletion_timestamp=NOW))


@pytest.mark.parametrize("phase", [RunPhase.PENDING, RunPhase.QUEUED])
def test_a_deleted_chain_starts_no_agent_for_a_sprint_that_has_not_started(phase: RunPhase) -> None:
    chain, run = played(make_sprint_chain(), 0)
    waiting = ended(run, phase)
    origin = SprintChainOrigin(deleted(chain))
    assert is_stop_requested(waiting, origin)
    assert not is_stop_requested(waiting, SprintChainOrigin(chain))
    assert not is_stop_requested(working(run), origin)
    assert origin.stop_sentence == "Stopped because its SprintChain was deleted and no agent worked for it."
    chain, _, _ = step(deleted(chain), waiting)
    assert chain.status.message == "The sandbox is being stopped."
    chain, made, _ = step(chain, ended(run, RunPhase.CANCELLED))
    assert (chain.status.phase, made) == (SprintChainPhase.CANCELLED, ())


def test_a_deleted_chain_repeats_what_its_run_waits_for_and_stops_it_after_a_minute() -> None:
    chain, run = played(make_sprint_chain(), 0)
    at_work, away = working(run), working(run, Reason.CREDENTIALS_MISSING, "There is no Secret.")
    chain, _, plan = step(deleted(chain), at_work)
    assert (chain.status.message, chain.status.waiting_time) == (
        "The chain is being deleted; sprint 1 may finish first.",
        None,
    )
    assert plan.look_again is not None
    assert plan.look_again > NOW + DELAY_LIMIT
    chain, _, plan = step(chain, away)
    assert chain.status.message == (
        "The chain is being deleted; sprint 1 may finish first. Its Run waits: There is no Secret."
    )
    assert (chain.status.waiting_time, chain.status.stopping, plan.look_again) == (NOW, (), NOW + DELAY_LIMIT)
    recovered, _, _ = step(chain, at_work)
    assert recovered.status.waiting_time is None, "it has passed"
    late = plan_sprint_chain(world(chain, away), NOW + DELAY_LIMIT).status
    assert isinstance(late, SprintChainStatus)
    assert late.stopping == (away.uid,)


def test_a_chain_in_a_namespace_that_goes_away_is_let_go_at_once() -> None:
    chain = make_sprint_chain(metadata={"deletion_timestamp": NOW})
    assert plan_sprint_chain(world(chain, is_namespace_ending=True), NOW) == Plan(release_finalizer=True)


def test_a_claimed_sprint_whose_run_was_not_made_is_made() -> None:
    chain, run = played(make_sprint_chain(), 1)
    _, made, plan = step(chain)
    assert made == (run,)
    assert plan.status is None


def test_what_a_sprint_reads_is_bounded_and_newest_first() -> None:
    entries = tuple(
        SprintStatus(index=i, number=i, phase=SprintPhase.COMPLETED, branch="b", summary="ü" * 1024) for i in range(99)
    )
    text = build_context((*entries, SprintStatus(index=99, number=99)), 99)
    assert len(text.encode()) <= CONTEXT_MAX_BYTES
    assert text.index("- Sprint 98") < text.index("- Sprint 97")
    assert text.endswith("(Earlier sprints are left out.)")


def test_a_chain_that_cannot_begin_says_why_wherever_one_looks() -> None:
    plan = plan_sprint_chain(SprintChainWorld(make_sprint_chain(), make_project(), None), NOW)
    assert isinstance(plan.status, SprintChainStatus)
    for type_, status in (("Ready", "False"), ("Succeeded", "Unknown")):
        condition = plan.status.condition(type_)
        assert condition is not None
        assert (condition.status, condition.reason) == (status, Reason.WORKFLOW_NOT_FOUND)
    assert plan.events == (Event("WorkflowNotFound", plan.status.message, is_warning=True),)


def test_an_attempt_that_cannot_begin_leaves_the_outcome_of_the_last_one() -> None:
    chain, run = played(make_sprint_chain(), 1)
    chain, _, _ = step(chain, ended(run, RunPhase.FAILED))
    resumed = chain.updated(spec=chain.spec.updated(attempt=2))
    plan = plan_sprint_chain(SprintChainWorld(resumed, make_project(), None), NOW)
    assert isinstance(plan.status, SprintChainStatus)
    assert plan.status.message == chain.status.message
    assert plan.status.condition("Succeeded") == chain.status.condition("Succeeded")
    ready = plan.status.condition("Ready")
    assert ready is not None
    assert ready.reason == Reason.WORKFLOW_NOT_FOUND
