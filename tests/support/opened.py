"""A finished Run whose pull request is open, for tests of what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import Facts
from codecourier.core.shared.following import CheckFact, PullRequestLifeAsk, PullRequestLifeFact
from codecourier.pull_request import PullRequestState
from codecourier.resources.run import Run
from tests.support.plans import plan_run
from tests.support.runs import FOUND, HEAD, claiming, pull_request_world, run_status_of
from tests.support.worlds import ACCESS, NOW, make_project, make_workflow

__all__ = ["ASK", "LATER", "MINUTE", "OPEN", "after", "check", "checked", "opened", "world_of"]

ASK = PullRequestLifeAsk(ACCESS, FOUND.number, "codecourier/fix")
MINUTE = timedelta(minutes=1)
LATER = NOW + timedelta(days=3)
OPEN = PullRequestLifeFact(
    state=PullRequestState.OPEN,
    is_draft=False,
    title="Fix it",
    base_branch="main",
    head_commit=HEAD,
    seen_time=NOW + MINUTE,
    checks=(),
)


def check(name: str, conclusion: str | None, *, required: bool = False) -> CheckFact:
    """Return a check."""
    return CheckFact(name, "IN_PROGRESS" if conclusion is None else "COMPLETED", conclusion, required)


def checked(*checks: CheckFact, minutes: int = 1) -> PullRequestLifeFact:
    """Return what the host says of an open pull request with these checks."""
    return replace(OPEN, checks=checks, seen_time=NOW + minutes * MINUTE)


def opened() -> Run:
    """Return a finished Run whose pull request was opened a moment ago."""
    run = claiming()
    plan = plan_run(pull_request_world(run, FOUND), NOW)
    run = run.updated(status=run_status_of(plan))
    return run.updated(status=run_status_of(plan_run(world_of(run), NOW)))


def world_of(run: Run, fact: PullRequestLifeFact | None = None, **changes: Any) -> RunWorld:
    """Return the world of a finished Run, with what is known of its pull request."""
    facts = Facts({} if fact is None else {ASK: fact})
    return replace(RunWorld(run, make_project(), make_workflow(), None, facts=facts), **changes)


def after(run: Run, *facts: PullRequestLifeFact) -> Run:
    """Return a Run after each of the facts was recorded."""
    for fact in facts:
        plan = plan_run(world_of(run, fact), fact.seen_time)
        run = run if plan.status is None else run.updated(status=run_status_of(plan))
    return run
