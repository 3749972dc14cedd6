"""When a further Run continues a pull request whose checks have failed, and when none does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from codecourier.core.origin import AbsentOrigin
from codecourier.core.run.follow_up import PENDING_LIMIT, RETRY
from codecourier.core.run.origin import RunOrigin
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.creations import ARRIVAL_LIMIT, START_LIMIT
from codecourier.core.shared.facts import Facts, ObjectAsk, ObjectFact, Problem
from codecourier.core.shared.failure_facts import FailedCheck, FailedChecksAsk, FailedChecksFact
from codecourier.core.shared.following import PullRequestLifeFact
from codecourier.core.shared.intents import Create, Failures, Plan
from codecourier.core.shared.naming import branch_name
from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.follow_up import FollowUpPhase, FollowUpPolicy, FollowUpTask
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.project import Project
from codecourier.resources.run import Origin, Run, RunPhase, RunStatus
from codecourier.resources.sandbox import PublishState, SandboxPhase
from tests.support import runs
from tests.support.opened import ASK, LATER, MINUTE, OPEN, after, check, checked, opened
from tests.support.plans import plan_run
from tests.support.runs import HEAD, admitting, run_status_of, running
from tests.support.worlds import ACCESS, BASE, NOW, make_project, make_revision, make_workflow

SECOND, THIRD = "c" * 40, "d" * 40
RED = checked(check("test", "FAILURE"), minutes=2)
SAYS = FailedChecksFact((FailedCheck("test", "total: got 3, want 4"),))
QUOTA = Problem(Reason.QUOTA_EXCEEDED, "The quota refuses it.", is_refusal=True)


def project(limit: int = 3, *, is_on: bool = True) -> Project:
    made = make_project()
    return made.updated(spec=made.spec.updated(follow_up=FollowUpPolicy(on_failed_checks=is_on, limit=limit)))


def red() -> Run:
    """Return a finished Run whose pull request has a failed check, as its status has it."""
    return after(opened(), OPEN, RED)


def plan_for(
    run: Run,
    *children: Run,
    head: str = HEAD,
    says: FailedChecksFact | Problem | None = SAYS,
    now: datetime = LATER,
    settings: Project | None = None,
    **changes: Any,
) -> Plan:
    answers: dict[Any, object] = {} if says is None else {FailedChecksAsk(ACCESS, head): says}
    world = RunWorld(run, settings or project(), make_workflow(), None, facts=Facts(answers), follow_ups=children)
    return plan_run(replace(world, **changes), now)


def follow_ups_of(plan: Plan) -> list[Run]:
    made = (create.resource for create in plan.creates if isinstance(create, Create))
    return [found for found in made if isinstance(found, Run)]


def claimed(run: Run, **kwargs: Any) -> tuple[Run, Run]:
    """Return the Run with a follow-up in its ledger, and that follow-up as the API server has made it."""
    plan = plan_for(run, **kwargs)
    (child,) = follow_ups_of(plan)
    number = len(run_status_of(plan).follow_ups)
    made = child.updated(metadata=child.metadata.updated(uid=f"uid-child-{number}"))
    return run.updated(status=run_status_of(plan)), made


def ended(child: Run, phase: RunPhase, pushed: str | None) -> Run:
    head = pushed or child.spec.base_commit
    status = RunStatus(
        phase=phase, attempt=1, base_commit=child.spec.base_commit, head_commit=head, message="So it was."
    )
    return child.updated(status=status)


def continued(run: Run, phase: RunPhase, pushed: str | None, **kwargs: Any) -> tuple[Run, Run]:
    """Return the Run after a follow-up of it has ended, and that follow-up."""
    with_claim, child = claimed(run, **kwargs)
    over = ended(child, phase, pushed)
    return with_claim.updated(status=run_status_of(plan_for(with_claim, over))), over


def seen(run: Run, fact: PullRequestLifeFact) -> Run:
    plan = plan_run(RunWorld(run, project(), make_workflow(), None, facts=Facts({ASK: fact})), LATER)
    return run.updated(status=run_status_of(plan))


def stop_of(plan: Plan) -> tuple[str, list[NotificationType]]:
    said = run_status_of(plan).condition("FollowedUp")
    assert said is not None
    assert said.status == "False"
    made = (create.resource for create in plan.creates if isinstance(create, Create))
    return said.reason, [found.spec.type for found in made if isinstance(found, Notification)]


def test_nothing_is_followed_up_and_nothing_asked_unless_the_project_says_so() -> None:
    plan = plan_for(red(), says=None, settings=project(is_on=False))
    assert replace(plan, follow=None) == Plan()


def test_a_failed_check_is_claimed_and_its_run_continues_the_branch_from_the_head() -> None:
    run = red()
    assert plan_for(run, says=None).asks == (FailedChecksAsk(ACCESS, HEAD),)
    plan = plan_for(run)
    (entry,), (child,) = run_status_of(plan).follow_ups, follow_ups_of(plan)
    assert (entry.number, entry.run, entry.head_commit, entry.phase.value) == (1, child.name, HEAD, "Running")
    spec = child.spec
    assert (spec.prompt, spec.base_commit, spec.workflow_ref) == (run.spec.prompt, HEAD, run.spec.workflow_ref)
    assert spec.origin is not None
    assert (spec.origin.kind, spec.origin.uid, spec.origin.index) == ("Run", run.uid, 1)
    assert "> total: got 3, want 4" in (spec.context or "")
    assert [event.reason for event in plan.events] == ["FollowingUp"]


def test_checks_that_have_begun_anew_since_the_last_look_are_no_failure() -> None:
    run = red()
    plan = plan_for(run, says=FailedChecksFact(()))
    assert (plan.creates, plan.events) == ((), ())
    assert plan.look_again is not None


def test_what_is_new_is_written_before_anything_is_asked() -> None:
    world = RunWorld(after(opened(), OPEN), project(), make_workflow(), None, facts=Facts({ASK: RED}))
    plan = plan_run(world, RED.seen_time)
    assert (plan.asks, plan.creates) == ((), ())
    assert run_status_of(plan).pull_request is not None


def test_a_failure_waits_for_the_checks_that_have_not_ended_but_not_for_ever() -> None:
    fact = checked(check("test", "FAILURE"), check("lint", None), minutes=2)
    run = after(opened(), OPEN, fact)
    until = fact.seen_time + PENDING_LIMIT
    waiting = plan_for(run, says=None, now=until - MINUTE)
    assert (waiting.asks, waiting.status, waiting.look_again) == ((), None, until)
    assert len(follow_ups_of(plan_for(run, now=until))) == 1


@pytest.mark.parametrize(
    "fact",
    [
        replace(RED, state=PullRequestState.CLOSED, close_time=LATER - MINUTE),
        replace(RED, state=PullRequestState.MERGED, merge_time=LATER, close_time=LATER),
        replace(RED, is_draft=True),
        checked(check("test", "SUCCESS"), minutes=2),
        checked(check("test", "SUCCESS", required=True), check("flaky", "FAILURE"), minutes=2),
        checked(check("test", None), minutes=2),
    ],
)
def test_no_other_pull_request_is_continued(fact: PullRequestLifeFact) -> None:
    plan = plan_for(after(opened(), OPEN, fact), says=None)
    assert (plan.asks, plan.creates) == ((), ())


def test_a_cancelled_or_deleted_run_is_not_continued() -> None:
    run = red()
    cancelled = run.updated(spec=run.spec.updated(cancelled=True))
    deleted = run.updated(metadata=run.metadata.updated(deletion_timestamp=LATER))
    for stopped in (cancelled, deleted):
        plan = plan_for(stopped, says=None)
        assert (plan.asks, plan.creates) == ((), ())


def test_a_claimed_follow_up_is_made_once_and_waited_for() -> None:
    run, child = claimed(red())
    assert follow_ups_of(plan_for(run)) == [child.updated(metadata=child.metadata.updated(uid=""))]
    plan = plan_for(run, child, says=None)
    assert (plan.creates, plan.status, plan.asks) == ((), None, ())


def test_a_pushed_commit_is_the_head_that_counts_from_then_on() -> None:
    run, child = continued(red(), RunPhase.COMPLETED, SECOND)
    (entry,) = run.status.follow_ups
    assert (entry.phase, entry.pushed_commit) == (FollowUpPhase.COMPLETED, SECOND)
    stale = plan_for(run, child, says=None)
    assert (stale.asks, stale.creates, stale.status) == ((), (), None), "the host still shows the earlier head"
    fresh = seen(run, replace(RED, head_commit=SECOND, seen_time=LATER))
    other = FailedChecksFact((FailedCheck("test", "an import is missing"),))
    again = plan_for(fresh, child, head=SECOND, says=other)
    assert [run_.spec.base_commit for run_ in follow_ups_of(again)] == [SECOND]


@pytest.mark.parametrize("text", ["total: got 3, want 4", "total: got  12, want 9\n"])
def test_the_same_failure_twice_is_not_followed_up_whatever_its_numbers(text: str) -> None:
    run, child = continued(red(), RunPhase.COMPLETED, SECOND)
    fresh = seen(run, replace(RED, head_commit=SECOND, seen_time=LATER))
    plan = plan_for(fresh, child, head=SECOND, says=FailedChecksFact((FailedCheck("test", text),)))
    assert stop_of(plan) == ("SameFailure", [NotificationType.FOLLOW_UP_STOPPED])
    stopped = fresh.updated(status=run_status_of(plan).updated(unnotified=()))
    quiet = plan_for(stopped, child, says=None)
    assert (quiet.asks, quiet.status, quiet.creates) == ((), None, ())


def test_the_limit_counts_and_a_higher_one_goes_on() -> None:
    run, child = continued(red(), RunPhase.COMPLETED, SECOND)
    fresh = seen(run, replace(RED, head_commit=SECOND, seen_time=LATER))
    plan = plan_for(fresh, child, says=None, settings=project(1))
    assert stop_of(plan) == ("FollowUpLimit", [NotificationType.FOLLOW_UP_STOPPED])
    stopped = fresh.updated(status=run_status_of(plan).updated(unnotified=()))
    other = FailedChecksFact((FailedCheck("lint", "unused"),))
    assert len(follow_ups_of(plan_for(stopped, child, head=SECOND, says=other, settings=project(2)))) == 1


def test_a_head_of_a_user_is_left_to_that_user() -> None:
    run = after(opened(), OPEN, replace(RED, head_commit=THIRD))
    assert stop_of(plan_for(run, says=None)) == ("TakenOver", [NotificationType.FOLLOW_UP_STOPPED])


@pytest.mark.parametrize(
    ("phase", "pushed"), [(RunPhase.FAILED, None), (RunPhase.CANCELLED, None), (RunPhase.COMPLETED, None)]
)
def test_a_follow_up_that_did_not_help_is_the_last_one(phase: RunPhase, pushed: str | None) -> None:
    run, child = continued(red(), phase, pushed)
    assert stop_of(plan_for(run, child, says=None)) == ("FollowUpFailed", [NotificationType.FOLLOW_UP_STOPPED])


def test_a_host_that_does_not_say_what_failed_is_asked_again_later() -> None:
    problem = Problem(Reason.CHECKS_FORBIDDEN, "The credential may not read checks.")
    plan = plan_for(red(), says=problem)
    said = run_status_of(plan).condition("FollowedUp")
    assert said is not None
    assert (said.status, said.reason, plan.look_again) == ("Unknown", "ChecksForbidden", LATER + RETRY)
    assert not run_status_of(plan).follow_ups


def test_a_refused_follow_up_is_tried_for_a_while_and_then_given_up() -> None:
    run, child = claimed(red())
    create = Create(child.updated(metadata=child.metadata.updated(uid="")))
    refusal = replace(QUOTA, since=LATER, refused_since=LATER, tried=LATER)
    refused = plan_for(run, failures=Failures({create: refusal}), now=LATER + MINUTE)
    said = run_status_of(refused).condition("FollowedUp")
    assert said is not None
    assert (said.reason, follow_ups_of(refused)) == ("QuotaExceeded", [create.resource])
    absent = {ObjectAsk("Run", run.namespace, child.name): ObjectFact(None, None)}
    facts = Facts({FailedChecksAsk(ACCESS, HEAD): SAYS, **absent})
    given_up = plan_for(run, failures=Failures({create: refusal}), now=LATER + START_LIMIT, facts=facts)
    assert [(e.phase.value, e.reason) for e in run_status_of(given_up).follow_ups] == [("Failed", "QuotaExceeded")]


def test_a_claim_that_is_not_wanted_any_more_ends_once_its_run_cannot_arrive() -> None:
    run, child = claimed(red())
    settings = project(is_on=False)
    early = plan_for(run, says=None, settings=settings)
    assert (early.creates, early.look_again) == ((), LATER + ARRIVAL_LIMIT)
    ask = ObjectAsk("Run", run.namespace, child.name)
    late = plan_for(run, says=None, settings=settings, now=LATER + ARRIVAL_LIMIT)
    assert late.asks == (ask,)
    facts = Facts({ask: ObjectFact(None, None)})
    over = plan_for(run, settings=settings, now=LATER + ARRIVAL_LIMIT, facts=facts)
    assert [entry.phase.value for entry in run_status_of(over).follow_ups] == ["Cancelled"]


def test_a_follow_up_stops_with_its_run_its_pull_request_and_without_a_claim() -> None:
    run, child = claimed(red())
    assert not RunOrigin(run).is_stopping(child)
    assert not RunOrigin(run).has_recorded(child)
    made = run.status.pull_request
    assert made is not None
    stopping = [
        run.updated(metadata=run.metadata.updated(deletion_timestamp=LATER)),
        run.updated(spec=run.spec.updated(cancelled=True)),
        run.updated(status=run.status.updated(pull_request=made.updated(state=PullRequestState.MERGED))),
        run.updated(status=run.status.updated(follow_ups=())),
    ]
    assert all(RunOrigin(stopped).is_stopping(child) for stopped in stopping)
    assert len({RunOrigin(stopped).stop_sentence for stopped in stopping}) == len(stopping)


def test_a_deleted_run_stays_until_its_follow_up_is_over() -> None:
    run, child = claimed(red())
    deleted = run.updated(metadata=run.metadata.updated(deletion_timestamp=LATER))
    assert not plan_for(deleted, child, says=None).release_finalizer
    assert plan_for(deleted, ended(child, RunPhase.CANCELLED, None), says=None).release_finalizer
    absent = Facts({ObjectAsk("Run", run.namespace, child.name): ObjectFact(None, None)})
    assert not plan_for(deleted, says=None, now=LATER + ARRIVAL_LIMIT - timedelta(seconds=1)).release_finalizer
    assert plan_for(deleted, facts=absent, now=LATER + ARRIVAL_LIMIT).release_finalizer


def test_another_attempt_begins_without_follow_ups() -> None:
    run, child = claimed(red())
    again = run.updated(spec=run.spec.updated(attempt=2))
    status = run_status_of(plan_for(again, child, says=None))
    assert (status.follow_ups, status.condition("FollowedUp")) == ((), None)


def test_a_follow_up_pushes_to_the_branch_of_its_run_which_names_alone_decide() -> None:
    run, child = claimed(red())
    world = RunWorld(child, admitting(child), make_workflow(), RunOrigin(run), revision=make_revision())
    started = run_status_of(plan_run(world, LATER))
    assert (started.phase, started.branch) == (RunPhase.RUNNING, branch_name(run.name, run.uid, 1))
    assert (started.base_commit, started.base_branch) == (HEAD, run.status.base_branch)


@pytest.mark.parametrize(
    ("state", "reason", "head"),
    [(PublishState.PUSHED, "Completed", HEAD), (PublishState.NO_CHANGE, "NothingToChange", BASE)],
)
def test_a_follow_up_opens_no_pull_request(state: PublishState, reason: str, head: str) -> None:
    follow_up = {
        "origin": Origin(kind="Run", name="first", uid="uid-first", index=1),
        "follow_up": FollowUpTask(attempt=1),
    }
    run = running()
    run = run.updated(spec=run.spec.updated(**follow_up))
    sandbox = runs.ended(run, SandboxPhase.COMPLETED, None, state)
    origin = AbsentOrigin("Run", "first", "uid-first", reports_ends=False)
    plan = plan_run(RunWorld(run, admitting(run), make_workflow(), origin, (sandbox,)), NOW)
    status = run_status_of(plan)
    said = status.condition("Succeeded")
    assert status.pull_request is not None
    assert said is not None
    assert (status.phase.value, status.pull_request.phase.value, said.reason) == ("Completed", "Skipped", reason)
    assert status.head_commit == head
