"""Whether a Workflow can be used."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.shared.conditions import with_readiness
from codecourier.core.shared.intents import Event, Plan
from codecourier.core.shared.prompts import unknown_placeholders
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.workflow.world import WorkflowWorld
from codecourier.resources.meta import ConditionStatus

__all__ = ["plan_workflow"]


def plan_workflow(world: WorkflowWorld, now: datetime) -> Plan:
    """Return what is to be done for a Workflow now: say whether its template can be rendered."""
    workflow = world.workflow
    fault = unknown_placeholders(workflow.spec.prompt_template)
    reason = Reason.ACCEPTED if fault is None else Reason.TEMPLATE_INVALID
    text = sentence(reason, detail=fault)
    generation = workflow.metadata.generation
    conditions = with_readiness(
        workflow.status.conditions,
        ConditionStatus.TRUE if fault is None else ConditionStatus.FALSE,
        reason,
        text,
        is_stalled=fault is not None,
        now=now,
        generation=generation,
    )
    new = workflow.status.updated(observed_generation=generation, conditions=conditions)
    if new.conditions == workflow.status.conditions:
        return Plan(status=new)
    return Plan(status=new, events=(Event(reason.value, text, is_warning=fault is not None),))
