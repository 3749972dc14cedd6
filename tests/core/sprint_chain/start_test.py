"""How a chain begins, where what it asks for can never be answered."""

from __future__ import annotations

from dataclasses import replace

from codecourier.core.shared.facts import (
    BranchHeadAsk,
    BranchHeadFact,
    Facts,
    Problem,
    RepositoryAsk,
    RepositoryFact,
)
from codecourier.core.shared.grace import GRACE, LOOK_SOON
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import Reason
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.resources.sprint_chain import SprintChainPhase, SprintChainStatus, SprintPhase
from tests.support.plans import plan_sprint_chain
from tests.support.worlds import ACCESS, BASE, NOW, make_project, make_sprint_chain, make_workflow


def test_a_base_that_can_never_be_looked_up_stalls_the_chain() -> None:
    problem = Problem(Reason.FORGE_REFUSED, "A request was refused.", is_final=True)
    facts = Facts({BranchHeadAsk(ACCESS, "main"): problem})
    plan = plan_sprint_chain(SprintChainWorld(make_sprint_chain(), make_project(), make_workflow(), facts=facts), NOW)
    assert isinstance(plan.status, SprintChainStatus)
    stalled = plan.status.condition("Stalled")
    assert stalled is not None
    assert (stalled.status, stalled.reason, stalled.message) == ("True", "ForgeRefused", problem.message)
    assert plan.look_again == NOW + LOOK_SOON


def test_a_chain_looks_at_its_workflow_before_each_sprint_and_goes_on_once_it_is_right() -> None:
    facts = Facts({BranchHeadAsk(ACCESS, "main"): BranchHeadFact(BASE)})
    wrong = make_workflow(prompt_template="{{ task }}")
    chain = make_sprint_chain()
    world = SprintChainWorld(chain, make_project(), wrong, facts=facts)
    pending = status_of(plan_sprint_chain(world, NOW))
    assert (pending.phase, pending.condition("Stalled")) == (SprintChainPhase.PENDING, None)
    begun = status_of(plan_sprint_chain(replace(world, workflow=make_workflow()), NOW))
    assert begun.phase is SprintChainPhase.RUNNING
    over = begun.sprints[0].updated(phase=SprintPhase.COMPLETED, head_commit=BASE)
    between = chain.updated(status=begun.updated(sprints=(over, *begun.sprints[1:])))
    plan = plan_sprint_chain(replace(world, chain=between), NOW)
    held, ready = status_of(plan), status_of(plan).condition("Ready")
    assert ready is not None
    assert (ready.status, ready.reason, held.message) == ("False", Reason.TEMPLATE_INVALID, pending.message)
    assert (held.phase, plan.creates, held.sprints[1].phase) == (SprintChainPhase.RUNNING, (), SprintPhase.PENDING)
    fixed = replace(world, chain=between.updated(status=held), workflow=make_workflow())
    assert status_of(plan_sprint_chain(fixed, NOW)).sprints[1].phase is SprintPhase.RUNNING


def test_a_chain_whose_branch_comes_later_is_stalled_only_after_the_grace() -> None:
    missing = {BranchHeadAsk(ACCESS, "main"): BranchHeadFact(None), RepositoryAsk(ACCESS): RepositoryFact("trunk")}
    world = SprintChainWorld(make_sprint_chain(), make_project(), make_workflow(), facts=Facts(missing))
    early = plan_sprint_chain(world, NOW)
    assert (status_of(early).condition("Stalled"), early.look_again) == (None, NOW + LOOK_SOON)
    assert "its default branch is 'trunk'" in status_of(early).message
    assert status_of(plan_sprint_chain(world, NOW + GRACE)).condition("Stalled") is not None


def status_of(plan: Plan) -> SprintChainStatus:
    """Return the status that a plan writes for a chain."""
    assert isinstance(plan.status, SprintChainStatus)
    return plan.status
