"""Whether a Workflow can be used: its template can be rendered, and agents can read the Secrets that it names."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.shared.conditions import with_readiness
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.grace import is_stalling, next_look
from codecourier.core.shared.intents import Event, Plan, asking
from codecourier.core.shared.prompts import unknown_placeholders
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.references import find_secret_problem
from codecourier.core.workflow.world import WorkflowWorld
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.workflow import Workflow

__all__ = ["plan_workflow"]


@asking
def plan_workflow(world: WorkflowWorld, now: datetime) -> Plan:
    """Return what is to be done for a Workflow now: say whether it can be used."""
    workflow = world.workflow
    problem = _find_problem(world)
    reason = Reason.ACCEPTED if problem is None else problem.reason
    text = sentence(Reason.ACCEPTED) if problem is None else problem.message
    generation = workflow.metadata.generation
    conditions = with_readiness(
        workflow.status.conditions,
        ConditionStatus.TRUE if problem is None else ConditionStatus.FALSE,
        reason,
        text,
        is_stalled=problem is not None and _is_stalled(workflow, problem, now),
        now=now,
        generation=generation,
    )
    new = workflow.status.updated(observed_generation=generation, conditions=conditions)
    is_awaited = problem is not None and problem.reason is not Reason.TEMPLATE_INVALID
    look_again = None
    if problem is not None and is_awaited:
        look_again = next_look(workflow, problem, now, agent_secrets=world.agent_secrets)
    if new.conditions == workflow.status.conditions:
        return Plan(status=new, look_again=look_again)
    return Plan(status=new, events=(Event(reason.value, text, is_warning=problem is not None),), look_again=look_again)


def _find_problem(world: WorkflowWorld) -> Problem | None:
    spec = world.workflow.spec
    fault = unknown_placeholders(spec.prompt_template)
    if fault is not None:
        return Problem(Reason.TEMPLATE_INVALID, sentence(Reason.TEMPLATE_INVALID, detail=fault))
    return find_secret_problem(world.facts, world.workflow.namespace, spec, world.agent_secrets.versions)


def _is_stalled(workflow: Workflow, problem: Problem, now: datetime) -> bool:
    return problem.reason is Reason.TEMPLATE_INVALID or is_stalling(workflow, problem, now)
