"""Which Learnings an attempt is given: chosen when it starts, the same for all its tries, read as they are then."""

from __future__ import annotations

import json
from dataclasses import replace

from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import BranchHeadAsk, BranchHeadFact, Facts
from codecourier.core.shared.intents import CreatePod, Plan
from codecourier.core.shared.learnings import LearningList
from codecourier.core.shared.naming import ANNOTATION_TASK
from codecourier.core.shared.reasons import Reason
from codecourier.resources.learning import Learning
from codecourier.resources.run import Run, RunPhase, Try
from codecourier.resources.sandbox import SandboxPhase
from codecourier.resources.workflow import Workflow
from tests.support.learnings import make_learning
from tests.support.plans import plan_run, plan_sandbox
from tests.support.runs import admitting, run_status_of
from tests.support.sandboxes import SECRET, running_run, world
from tests.support.worlds import ACCESS, BASE, NOW, make_revision, make_run, make_workflow, queued

FACTS = Facts({BranchHeadAsk(ACCESS, "main"): BranchHeadFact(BASE)})
OLD, NEW = make_learning("old", "Run make db first.", age_hours=2), make_learning("new", "Keep it small.")


def start(run: Run, *known: Learning, workflow: Workflow | None = None, try_number: int = 1) -> Plan:
    """Plan for a Run that has a place for a try."""
    revision = make_revision(workflow)
    project = admitting(run, try_number)
    named = workflow or make_workflow()
    facts = RunWorld(run, project, named, None, revision=revision, learnings=LearningList(known), facts=FACTS)
    return plan_run(facts, NOW)


def prompt_of(run: Run, *known: Learning) -> str:
    """Return the prompt of the pod that is made for a Run's first try."""
    (create,) = plan_sandbox(world(run=run, secret=SECRET, learnings=LearningList(known)), NOW).creates
    assert isinstance(create, CreatePod)
    prompt = json.loads(create.manifest["metadata"]["annotations"][ANNOTATION_TASK])["prompt"]
    assert isinstance(prompt, str)
    return prompt


def given(*names: str) -> Run:
    """Return a Run whose first try is under way and whose attempt was given Learnings."""
    run = running_run()
    return run.updated(status=run.status.updated(learnings=names))


def test_an_attempt_names_what_it_is_given_before_its_sandbox_is_made() -> None:
    plan = start(make_run(base_branch="main"), OLD, NEW, make_learning("proposed", accepted=False))
    status = run_status_of(plan)
    assert (status.phase, status.learnings) == (RunPhase.RUNNING, ("new", "old"))


def test_an_attempt_is_given_the_lessons_of_its_workflow() -> None:
    of_workflow = make_learning("mine", repository_url=None, workflow="scripted")
    of_another = make_learning("another", repository_url=None, workflow="other")
    assert run_status_of(start(make_run(base_branch="main"), of_workflow, of_another)).learnings == ("mine",)


def test_all_tries_of_an_attempt_are_given_the_same() -> None:
    tries = (Try(number=1, sandbox="fix-1", phase=SandboxPhase.FAILED),)
    fields = {"base_branch": "main", "base_commit": BASE, "branch": "work", "retry_time": NOW, "tries": tries}
    for names in ((), ("old",)):
        run = queued(make_run(base_branch="main"), learnings=names, **fields)
        assert run_status_of(start(run, OLD, NEW, try_number=2)).learnings == names


def test_no_run_fails_because_of_a_lesson() -> None:
    run = make_run(base_branch="main", prompt="é" * 32_768)
    large = make_workflow(prompt_template="{{ prompt }}{{ prompt }}")
    plan = start(run, OLD, workflow=large)
    assert (run_status_of(plan).phase, run_status_of(plan).learnings) == (RunPhase.RUNNING, ())
    (event,) = (event for event in plan.events if event.reason == Reason.LEARNINGS_LEFT_OUT)
    assert event.message.startswith("1 accepted lesson(s) are left out: no task can be built with them: prompt")


def test_agents_read_lessons_before_their_prompt() -> None:
    assert prompt_of(given(), OLD) == "Fix it."
    prompt = prompt_of(given("new", "old"), OLD, NEW)
    end = "These are all the lessons. The task follows."
    assert prompt.endswith(f"\n\n- Keep it small.\n- Run make db first.\n\n{end}\n\nFix it.")


def test_what_was_taken_back_since_is_left_out_and_a_correction_counts() -> None:
    corrected = OLD.updated(spec=OLD.spec.updated(text="Run make database first."))
    assert "- Run make database first." in prompt_of(given("new", "old"), corrected)
    for gone in (
        make_learning("old", accepted=False),
        make_learning("old", is_trashed=True),
        make_learning("old", repository_url="https://forge.test/example/another"),
    ):
        assert prompt_of(given("old"), gone) == "Fix it."


def test_corrections_cannot_make_a_task_too_large() -> None:
    many = tuple(make_learning(f"l{n}", "é" * 512) for n in range(20))
    names = tuple(item.name for item in many)
    assert prompt_of(given(*names), *many).count("- é") == 8
    run = given("old")
    workflow = make_workflow(prompt_template="{{ prompt }}{{ prompt }}").spec
    status = run.status.updated(workflow=workflow, workflow_revision=None)
    full = run.updated(spec=run.spec.updated(prompt="é" * 32_768), status=status)
    assert prompt_of(full, OLD) == "é" * 65_536


def test_a_new_attempt_chooses_again() -> None:
    run = queued(make_run(base_branch="main"), phase=RunPhase.FAILED, learnings=("old",))
    run = run.updated(spec=run.spec.updated(attempt=2))
    again = replace(RunWorld(run, admitting(run), make_workflow(), None), learnings=LearningList((NEW,)))
    assert run_status_of(plan_run(again, NOW)).learnings == ()
