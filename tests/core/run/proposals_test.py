"""What the agent of a try proposes is made once, as records before the status that says that the try is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from codecourier.core.run.proposals import UNDECIDED_MAX_COUNT, WAIT_LIMIT
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Failures, Plan
from codecourier.core.shared.learnings import LearningList, name_lesson
from codecourier.core.shared.naming import LABEL_RUN_UID
from codecourier.core.shared.reasons import Reason
from codecourier.resources.learning import Learning
from codecourier.resources.run import RunPhase
from codecourier.resources.sandbox import PublishState, Sandbox, SandboxPhase, SandboxResult
from tests.support.learnings import make_learning
from tests.support.plans import plan_run
from tests.support.runs import admitting, ended, run_status_of, running
from tests.support.worlds import NOW, URL, make_workflow

DB, FAST = "Run make db first.", "make test-fast is enough."
QUOTA = Problem(Reason.QUOTA_EXCEEDED, "The quota refuses it.", since=NOW, is_refusal=True, refused_since=NOW)


def proposing(*texts: str, phase: SandboxPhase = SandboxPhase.COMPLETED, state: PublishState | None = None) -> Sandbox:
    reason = Reason.COMPLETED if phase is SandboxPhase.COMPLETED else Reason.AGENT_FAILED
    sandbox = ended(running(), phase, reason, state or PublishState.NO_CHANGE)
    assert isinstance(sandbox.status.result, SandboxResult)
    return sandbox.updated(status=sandbox.status.updated(result=sandbox.status.result.updated(learnings=texts)))


def world(sandbox: Sandbox, *known: Learning, cancelled: bool = False) -> RunWorld:
    run = running()
    run = run.updated(spec=run.spec.updated(cancelled=cancelled))
    return RunWorld(run, admitting(run), make_workflow(), None, (sandbox,), learnings=LearningList(known))


def made(plan: Plan) -> list[Learning]:
    return [create.resource for create in plan.records if isinstance(create.resource, Learning)]


def test_a_try_proposes_before_the_status_that_ends_it() -> None:
    plan = plan_run(world(proposing(DB, FAST)), NOW)
    assert run_status_of(plan).phase is RunPhase.COMPLETED
    first, second = made(plan)
    assert (first.spec.text, second.spec.text) == (DB, FAST)
    assert (first.spec.repository_url, first.spec.accepted, first.name) == (URL, False, name_lesson(URL, DB))
    assert first.spec.run is not None
    assert (first.spec.run.name, first.metadata.labels) == ("fix", {LABEL_RUN_UID: "uid-fix"})


@pytest.mark.parametrize(
    ("sandbox", "cancelled", "phase"),
    [
        (proposing(DB, state=PublishState.PUSHED), False, RunPhase.RUNNING),
        (proposing(DB, phase=SandboxPhase.FAILED), False, RunPhase.FAILED),
        (proposing(DB, state=PublishState.PUSHED), True, RunPhase.CANCELLED),
    ],
    ids=["pushed", "failed", "cancelled"],
)
def test_every_end_of_a_try_has_lessons(sandbox: Sandbox, phase: RunPhase, *, cancelled: bool) -> None:
    plan = plan_run(world(sandbox, cancelled=cancelled), NOW)
    assert (run_status_of(plan).phase, len(made(plan))) == (phase, 1)


def test_the_same_lesson_is_proposed_once_whatever_was_decided() -> None:
    assert len(made(plan_run(world(proposing(DB, f" {DB.upper()}", FAST)), NOW))) == 2
    for accepted, trashed in ((False, False), (True, False), (False, True)):
        known = make_learning(name_lesson(URL, DB), accepted=accepted, is_trashed=trashed, proposed=True)
        assert [item.spec.text for item in made(plan_run(world(proposing(DB, FAST), known), NOW))] == [FAST]


def test_a_lesson_that_people_wrote_or_corrected_is_not_proposed_to_them() -> None:
    written, corrected = make_learning("written", DB), make_learning(name_lesson(URL, "Make db!"), FAST, proposed=True)
    assert made(plan_run(world(proposing(DB, FAST.lower()), written, corrected), NOW)) == []
    elsewhere = make_learning("elsewhere", DB, repository_url=f"{URL}2")
    assert len(made(plan_run(world(proposing(DB), elsewhere), NOW))) == 1


def test_a_try_that_proposes_nothing_makes_nothing() -> None:
    assert made(plan_run(world(proposing()), NOW)) == []


def test_nothing_is_proposed_in_a_namespace_that_goes() -> None:
    assert made(plan_run(replace(world(proposing(DB)), is_namespace_ending=True), NOW)) == []


def test_proposals_that_wait_for_people_are_bounded() -> None:
    waiting = [make_learning(f"l{n}", accepted=False, proposed=True) for n in range(UNDECIDED_MAX_COUNT - 1)]
    others = (
        make_learning("accepted", "Something else.", proposed=True),
        make_learning("draft", accepted=False),
        make_learning("elsewhere", accepted=False, proposed=True, repository_url=f"{URL}2"),
    )
    plan = plan_run(world(proposing(DB, FAST), *waiting, *others), NOW)
    assert [item.spec.text for item in made(plan)] == [DB]
    (event,) = (event for event in plan.events if event.reason == Reason.LEARNINGS_LEFT_OUT)
    assert event.message.startswith("1 lesson(s) that the agent proposed are left out: 200 of the repository")
    trashed = make_learning("trashed", accepted=False, proposed=True, is_trashed=True)
    assert made(plan_run(world(proposing(DB), *waiting, trashed), NOW)) == []


def test_an_end_does_not_wait_for_a_lesson_that_a_quota_refuses() -> None:
    known = world(proposing(DB, FAST))
    wanted = [create for create in plan_run(known, NOW).records if isinstance(create.resource, Learning)]
    plan = plan_run(replace(known, failures=Failures({wanted[0]: QUOTA})), NOW)
    assert (run_status_of(plan).phase, made(plan)) == (RunPhase.COMPLETED, [])
    assert any(QUOTA.message in event.message and event.is_warning for event in plan.events)


def test_several_lessons_that_fail_are_waited_for_no_longer_than_one() -> None:
    known = world(proposing(DB, FAST))
    first, second = (create for create in plan_run(known, NOW).records if isinstance(create.resource, Learning))
    early = Problem(Reason.CREATION_REFUSED, "It says 500.", since=NOW)
    late = replace(early, since=NOW + WAIT_LIMIT / 2)
    for failures in ({first: early, second: late}, {first: late, second: early}):
        failing = replace(known, failures=Failures(failures))
        assert len(made(plan_run(failing, NOW + WAIT_LIMIT * 0.9))) == 2
        assert made(plan_run(failing, NOW + WAIT_LIMIT)) == []


def test_a_lesson_that_a_webhook_denies_takes_no_other_with_it() -> None:
    known = world(proposing(DB, FAST, "Keep it small."))
    first, second, third = (create for create in plan_run(known, NOW).records if isinstance(create.resource, Learning))
    denied = Problem(Reason.CREATION_REFUSED, "The webhook denied the request.", since=NOW, is_final=True)
    plan = plan_run(replace(known, failures=Failures({second: denied})), NOW)
    assert made(plan) == [first.resource, third.resource]
    (event,) = (event for event in plan.events if event.reason == Reason.LEARNINGS_LEFT_OUT)
    assert event.message.startswith("1 lesson(s) that the agent proposed are left out: The webhook denied")


def test_another_object_under_the_name_of_a_lesson_is_neither_adopted_nor_overlooked() -> None:
    taken = make_learning(name_lesson(URL, DB), FAST, repository_url=f"{URL}2")
    known = world(proposing(DB), taken)
    (wanted,) = (create for create in plan_run(known, NOW).records if isinstance(create.resource, Learning))
    problem = Problem(Reason.CREATION_REFUSED, "An object that is not the operator's has this name.", since=NOW)
    plan = plan_run(replace(known, failures=Failures({wanted: problem})), NOW + WAIT_LIMIT)
    assert (run_status_of(plan).phase, made(plan)) == (RunPhase.COMPLETED, [])
    assert any(problem.message in event.message for event in plan.events)


def test_both_reasons_to_leave_lessons_out_are_said() -> None:
    waiting = [make_learning(f"l{n}", accepted=False, proposed=True) for n in range(UNDECIDED_MAX_COUNT - 1)]
    known = world(proposing(DB, FAST), *waiting)
    (wanted,) = (create for create in plan_run(known, NOW).records if isinstance(create.resource, Learning))
    plan = plan_run(replace(known, failures=Failures({wanted: QUOTA})), NOW)
    texts = [event.message for event in plan.events if event.reason == Reason.LEARNINGS_LEFT_OUT]
    assert [text.split(": ")[1][:9] for text in texts] == ["200 of th", "The quota"]


def test_an_end_waits_for_a_lesson_while_an_error_of_the_server_may_pass() -> None:
    known = world(proposing(DB))
    (wanted,) = (create for create in plan_run(known, NOW).records if isinstance(create.resource, Learning))
    failing = replace(known, failures=Failures({wanted: Problem(Reason.CREATION_REFUSED, "It says 500.", since=NOW)}))
    waiting = plan_run(failing, NOW + WAIT_LIMIT - timedelta(seconds=1))
    assert wanted in waiting.records
    assert waiting.look_again == NOW + WAIT_LIMIT, "the pause before the next attempt may be longer"
    assert made(plan_run(failing, NOW + WAIT_LIMIT)) == []
