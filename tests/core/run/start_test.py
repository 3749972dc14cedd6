"""How a Run comes to its sandbox, where what it asks for can never be answered."""

from __future__ import annotations

from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import BranchHeadAsk, Facts, Problem
from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.resources.run import RunPhase
from tests.support.plans import plan_run
from tests.support.runs import admitting, run_status_of
from tests.support.worlds import ACCESS, NOW, make_run, make_workflow


def test_a_base_that_can_never_be_looked_up_fails_the_run_instead_of_asking_again_and_again() -> None:
    run = make_run(base_branch="main")
    problem = Problem(Reason.FORGE_REFUSED, "A request was refused.", is_final=True)
    facts = Facts({BranchHeadAsk(ACCESS, "main"): problem})
    plan = plan_run(RunWorld(run, admitting(run), make_workflow(), None, facts=facts), NOW)
    status = run_status_of(plan)
    condition = status.condition(ConditionType.SUCCEEDED)
    assert condition is not None
    assert (status.phase, condition.reason, status.message) == (RunPhase.FAILED, "ForgeRefused", problem.message)
    assert (len(status.unnotified), plan.look_again, plan.asks) == (1, None, ())
