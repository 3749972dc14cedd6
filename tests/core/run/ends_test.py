"""Invariant 3 with two leaders: however their steps interleave, what people are told is what the status says.

Each leader works from copies as old as chance has it and may stand still between any two of its steps, also between
the creation of a Notification and the write of the status, while people cancel and the forge changes its mind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codecourier.core.run.end import build_run_notifications
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import (
    Ask,
    Facts,
    ObjectFact,
    Problem,
    PullRequestFact,
    PullRequestsFact,
)
from codecourier.core.shared.facts import PullRequestsAsk as FindAsk
from codecourier.core.shared.intents import Create, Creation, Failures, Intent
from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.notification import Notification
from codecourier.resources.run import Run, RunStatus
from codecourier.resources.sandbox import PublishState, Sandbox, SandboxPhase
from codecourier.resources.workflow import FailurePullRequest, PullRequestPolicy
from tests.support.plans import plan_run
from tests.support.runs import ended, running
from tests.support.worlds import NOW, URL, make_project, make_workflow

REFUSED = Problem(Reason.PULL_REQUEST_REFUSED, "The base branch is gone.", is_final=True)
DRAFTING = make_workflow(pull_request=PullRequestPolicy(on_failure=FailurePullRequest.DRAFT)).spec
ENDS = {
    "nothing to change": (SandboxPhase.COMPLETED, Reason.NOTHING_TO_CHANGE, PublishState.NO_CHANGE),
    "pushed": (SandboxPhase.COMPLETED, Reason.COMPLETED, PublishState.PUSHED),
    "agent failed": (SandboxPhase.FAILED, Reason.AGENT_FAILED, None),
    "pushed by an agent that failed": (SandboxPhase.FAILED, Reason.AGENT_FAILED, PublishState.PUSHED),
    "stopped": (SandboxPhase.CANCELLED, Reason.CANCELLED, None),
}


class World:
    """What the API server and the forge have."""

    def __init__(self, random: Random, end: tuple[SandboxPhase, Reason, PublishState | None]) -> None:
        self.random = random
        run = running(workflow=DRAFTING, workflow_revision=None)
        self.run = run.updated(metadata=run.metadata.updated(resource_version="1"))
        self.sandbox = ended(self.run, *end)
        self.notifications: dict[str, Notification] = {}
        self.pulls: tuple[PullRequestFact, ...] = ()
        self.is_refusing = False

    def write(self, copy: Run, status: RunStatus | None = None, *, cancelled: bool = False) -> bool:
        """Write a Run unless the copy is old."""
        if copy.metadata.resource_version != self.run.metadata.resource_version:
            return False
        version = str(int(copy.metadata.resource_version) + 1)
        self.run = copy.updated(
            metadata=copy.metadata.updated(resource_version=version),
            status=status or copy.status,
            spec=copy.spec.updated(cancelled=cancelled or copy.spec.cancelled),
        )
        return True

    def create(self, create: Creation) -> str | None:
        """Make a Notification unless it is there; return its name."""
        if not isinstance(create, Create) or not isinstance(create.resource, Notification):
            return None
        name = create.resource.metadata.name
        known = self.notifications.setdefault(name, create.resource)
        assert (known.spec.type, known.spec.message) == (create.resource.spec.type, create.resource.spec.message)
        return name

    def answer(self, ask: object) -> object:
        """Answer what a plan asks, as things are now."""
        if isinstance(ask, FindAsk):
            return PullRequestsFact(self.pulls)
        return ObjectFact(self.run.uid, self.run.metadata.resource_version)

    def open(self) -> Problem | None:
        """Open a pull request, refuse it, or tell that there is one."""
        if self.is_refusing:
            return REFUSED
        if self.pulls:
            return Problem(Reason.FORGE_UNAVAILABLE, "There is one already.")
        self.pulls = (PullRequestFact(1, f"{URL}/pull/1", PullRequestState.OPEN, is_draft=False, creation_time=NOW),)
        return None


class Leader:
    """One operator: copies of its own, and the rest of a plan that it has not carried out yet."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.run, self.seen = world.run, set[str]()
        self.problems: dict[Intent, Problem] = {}
        self.steps: Iterator[None] = iter(())

    def refresh(self) -> None:
        """Bring the copies up to date."""
        self.run, self.seen = self.world.run, set(self.world.notifications)

    def advance(self) -> None:
        """Take the next step of the present plan, or begin another plan."""
        if next(self.steps, self) is self:
            self.steps = self._reconcile()

    def finish(self) -> None:
        """Carry out what is left of the present plan."""
        for _ in self.steps:
            pass

    def _reconcile(self) -> Iterator[None]:
        copy, facts = self.run, dict[Ask[Any], object]()
        now = NOW + timedelta(minutes=self.world.random.randrange(60))
        while (plan := plan_run(self._gather(copy, facts), now)).asks:
            for ask in plan.asks:
                yield
                facts[ask] = self.world.answer(ask)
        for record in plan.records:
            yield
            self._note(self.world.create(record))
        if isinstance(plan.status, RunStatus) and plan.status != copy.status:
            yield
            if not self.world.write(copy, plan.status):
                return
            self.run = self.world.run
        for create in plan.creates:
            yield
            self._note(self.world.create(create))
        for effect in plan.effects:
            yield
            self.problems = {}
            if (problem := self.world.open()) is not None:
                self.problems[effect] = problem

    def _note(self, name: str | None) -> None:
        if name is not None:
            self.seen.add(name)

    def _gather(self, copy: Run, facts: dict[Ask[Any], object]) -> RunWorld:
        sandboxes: tuple[Sandbox, ...] = (self.world.sandbox,)
        records = frozenset({self.world.sandbox.name})
        known = frozenset(self.seen)
        world = RunWorld(copy, make_project(), None, None, sandboxes, records=records, notifications=known)
        return replace(world, facts=Facts(facts), failures=Failures(self.problems))


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@settings(max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_invariant_3_what_is_reported_is_what_the_status_says(
    end: tuple[SandboxPhase, Reason, PublishState | None], seed: int
) -> None:
    random = Random(seed)
    world = World(random, end)
    leaders = (Leader(world), Leader(world))
    for _ in range(random.randrange(60)):
        leader = random.choice(leaders)
        random.choice([leader.advance, leader.advance, leader.advance, leader.refresh])()
        if random.random() < 0.03:
            world.write(world.run, cancelled=True)
        if random.random() < 0.1:
            world.is_refusing = not world.is_refusing
    for leader in random.sample(leaders, 2):
        leader.finish()  # one that was frozen thaws, and carries out what it had decided
    settle(leaders[0])
    status = world.run.status
    assert status.phase.is_finished
    assert status.unnotified == ()
    known = RunWorld(world.run, make_project(), None, None)
    called_for = {n.metadata.name: n.spec.type for n in build_run_notifications(known, status, NOW)}
    assert {name: n.spec.type for name, n in world.notifications.items()} == called_for


def settle(leader: Leader) -> None:
    """Let one leader work with fresh copies until there is nothing left to do."""
    for _ in range(12):
        leader.refresh()
        leader.advance()
        leader.finish()
