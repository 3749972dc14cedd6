"""The row of Workflow."""

from __future__ import annotations

from codecourier.core.workflow.plan import plan_workflow
from codecourier.core.workflow.world import WorkflowWorld
from codecourier.kinds.kind import Kind, Planning, Reader
from codecourier.kinds.shared import READ_REFERENCES
from codecourier.resources.workflow import Workflow

__all__ = ["WORKFLOW"]


def _gather(_read: Reader[Workflow], workflow: Workflow) -> WorkflowWorld:
    return WorkflowWorld(workflow)


WORKFLOW: Kind[Workflow, WorkflowWorld] = Kind(
    Workflow, Planning(_gather, plan_workflow, reads=()), uses=(READ_REFERENCES,), has_kopf_events=True
)
