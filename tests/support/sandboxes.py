"""Worlds of a Sandbox, and pods as its plan sees them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from codecourier.core.run.start import build_sandbox
from codecourier.core.sandbox.pod_view import ContainerView, PodView
from codecourier.core.sandbox.tokens import TokenSecret
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.naming import token_secret_name
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.resources.run import Run, RunPhase, Try
from codecourier.resources.sandbox import SandboxStatus
from codecourier.task import Publication, PublishResult, StepReport, StepState
from tests.support.runs import make_sandbox
from tests.support.worlds import BASE, NOW, make_policy, make_project, make_run, queued

__all__ = ["DONE", "HEAD", "NAME", "SECRET", "pod", "publish", "running_run", "status_of", "step", "world"]

NAME = build_sandbox(make_run(), 1, 1).name
SECRET = TokenSecret(token_secret_name(NAME), "1", NOW + timedelta(hours=1))
HEAD = "b" * 40


def running_run(**changes: Any) -> Run:
    """Return a Run whose first try is under way."""
    run = make_run(base_branch="main", **changes)
    tries = (Try(number=1, sandbox=build_sandbox(run, 1, 1).name),)
    return queued(
        run, phase=RunPhase.RUNNING, tries=tries, base_branch="main", base_commit=BASE, branch="codecourier/fix"
    )


def world(**changes: Any) -> SandboxWorld:
    """Return the world of a new Sandbox."""
    run = running_run()
    sandbox = make_sandbox(run)
    project = make_project()
    known = SandboxWorld(sandbox, run, None, project, None, None, PodSettings("courier"), policy=make_policy(project))
    return replace(known, **changes)


def step(name: str, state: StepState = StepState.SUCCEEDED, reason: str = "Completed") -> ContainerView:
    """Return the end of one of the steps before publish."""
    return ContainerView(name, NOW, NOW, 0, "Completed", StepReport(name, state, reason).to_json())


def publish(state: Publication, **changes: Any) -> ContainerView:
    """Return the end of publish."""
    message = PublishResult(**{"state": state, "reason": state.value, **changes}).to_json()
    return ContainerView("publish", NOW, NOW, 0, "Completed", message)


DONE = tuple(step(name) for name in ("checkout", "agent", "collect"))


def pod(*containers: ContainerView, **changes: Any) -> PodView:
    """Return a pod on a node."""
    fields: dict[str, Any] = {
        "name": NAME,
        "uid": "uid-pod",
        "phase": "Running",
        "reason": "",
        "message": "",
        "creation_time": NOW,
        "deletion_time": None,
        "node": "node",
        "has_finalizer": True,
        "containers": containers,
        "waiting_for": "",
    }
    return PodView(**{**fields, **changes})


def status_of(plan: Plan) -> SandboxStatus:
    """Return the status that a plan writes."""
    assert isinstance(plan.status, SandboxStatus)
    return plan.status
