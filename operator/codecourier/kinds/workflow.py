"""The row of Workflow."""

from __future__ import annotations

from codecourier.core.workflow.plan import plan_workflow
from codecourier.core.workflow.world import WorkflowWorld
from codecourier.kinds.kind import Kind, Planning, Reader
from codecourier.kinds.secrets import AGENT_SECRETS
from codecourier.kinds.shared import READ_REFERENCES
from codecourier.resources.workflow import Workflow

__all__ = ["WORKFLOW"]


def _gather(read: Reader[Workflow], workflow: Workflow) -> WorkflowWorld:
    return WorkflowWorld(workflow, read(AGENT_SECRETS))


WORKFLOW: Kind[Workflow, WorkflowWorld] = Kind(
    Workflow, Planning(_gather, plan_workflow, reads=(AGENT_SECRETS,)), uses=(READ_REFERENCES,), has_kopf_events=True
)
