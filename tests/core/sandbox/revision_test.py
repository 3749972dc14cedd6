"""A Sandbox and the revision that holds the Workflow of its attempt: needed for the pod, and for nothing after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from codecourier.core.sandbox.news import USUAL_SHORT
from codecourier.core.sandbox.plan import REVISION_GRACE
from codecourier.core.sandbox.pod_view import ContainerView, PodView
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.core.shared.facts import Facts, RevisionAsk, RevisionFact
from codecourier.core.shared.intents import MintTokens
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.core.shared.reasons import Reason
from codecourier.resources.sandbox import SandboxPhase, SandboxStatus
from codecourier.resources.workflow import START_TIMEOUT_SECONDS
from tests.support.plans import plan_sandbox
from tests.support.runs import make_sandbox, running
from tests.support.worlds import NOW, make_policy, make_project, make_revision, make_workflow

ASK = RevisionAsk("shop", make_revision().name)
LOST = Facts({ASK: RevisionFact(None)})


def world(facts: Facts, pod: PodView | None = None) -> SandboxWorld:
    """Return the world of a Sandbox whose cache lacks the revision."""
    run, project = running(), make_project()
    policy = make_policy(project)
    known = SandboxWorld(make_sandbox(run), run, None, project, pod, None, PodSettings("courier"), policy=policy)
    return replace(known, facts=facts)


def make_pod(*containers: ContainerView, phase: str = "Running", reason: str = "") -> PodView:
    """Return the pod of the Sandbox, whose deadline is 7,700 s."""
    name = make_sandbox(running()).name
    return PodView(
        name, "uid-pod", phase, reason, "", NOW, None, "node", True, containers, "", "1", deadline_seconds=7700
    )


def test_a_revision_that_the_cache_lacks_is_asked_for() -> None:
    there = Facts({ASK: RevisionFact(make_workflow().spec)})
    assert [type(effect) for effect in plan_sandbox(world(there), NOW).effects] == [MintTokens]


def test_a_lost_revision_is_waited_for_then_the_try_ends() -> None:
    waiting = plan_sandbox(world(LOST), NOW)
    assert isinstance(waiting.status, SandboxStatus)
    assert waiting.status.phase is SandboxPhase.PENDING
    assert make_revision().name in waiting.status.message
    status = plan_sandbox(world(LOST), NOW + REVISION_GRACE).status
    assert isinstance(status, SandboxStatus)
    assert (status.phase, status.reason) == (SandboxPhase.FAILED, Reason.WORKFLOW_REVISION_LOST)


def test_a_pod_that_is_there_goes_on_without_its_revision() -> None:
    going = plan_sandbox(world(LOST, make_pod(ContainerView("checkout", NOW))), NOW + USUAL_SHORT)
    assert isinstance(going.status, SandboxStatus)
    assert (going.status.phase, going.deletes) == (SandboxPhase.RUNNING, ())
    ended = plan_sandbox(world(LOST, make_pod(phase="Failed", reason="DeadlineExceeded")), NOW).status
    assert isinstance(ended, SandboxStatus)
    assert (ended.reason, "7700 seconds" in ended.message) == (Reason.DEADLINE_EXCEEDED, True)


def test_a_pod_that_does_not_start_is_given_up_in_the_usual_time() -> None:
    stuck = world(LOST, make_pod(phase="Pending"))
    late = NOW + timedelta(seconds=START_TIMEOUT_SECONDS)
    assert plan_sandbox(stuck, late - timedelta(seconds=1)).deletes == ()
    assert len(plan_sandbox(stuck, late).deletes) == 1
