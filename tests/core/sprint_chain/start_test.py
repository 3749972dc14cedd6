"""How a chain begins, where what it asks for can never be answered."""

from __future__ import annotations

from codecourier.core.shared.facts import BranchHeadAsk, Facts, Problem
from codecourier.core.shared.reasons import Reason
from codecourier.core.sprint_chain.start import STALL_AFTER
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.resources.sprint_chain import SprintChainStatus
from tests.support.plans import plan_sprint_chain
from tests.support.worlds import ACCESS, NOW, make_project, make_sprint_chain, make_workflow


def test_a_base_that_can_never_be_looked_up_stalls_the_chain() -> None:
    problem = Problem(Reason.FORGE_REFUSED, "A request was refused.", is_final=True)
    facts = Facts({BranchHeadAsk(ACCESS, "main"): problem})
    plan = plan_sprint_chain(SprintChainWorld(make_sprint_chain(), make_project(), make_workflow(), facts=facts), NOW)
    assert isinstance(plan.status, SprintChainStatus)
    stalled = plan.status.condition("Stalled")
    assert stalled is not None
    assert (stalled.status, stalled.reason, stalled.message) == ("True", "ForgeRefused", problem.message)
    assert plan.look_again == NOW + STALL_AFTER
