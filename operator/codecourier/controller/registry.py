"""One row for each kind that is reconciled: how its world is gathered and which plan decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from codecourier.controller.gather import (
    gather_chain,
    gather_project,
    gather_run,
    gather_sandbox,
    gather_workflow,
)
from codecourier.controller.kinds import CHAINS, PROJECTS, RUNS, SANDBOXES, WORKFLOWS
from codecourier.core.intents import Plan
from codecourier.core.pods import PodSettings
from codecourier.core.project import plan_project
from codecourier.core.run import plan_run
from codecourier.core.sandbox import plan_sandbox
from codecourier.core.sprint_chain import plan_sprint_chain
from codecourier.core.workflow import plan_workflow
from codecourier.kube.api import Resource
from codecourier.resources.meta import CustomResource
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.workflow import Workflow

__all__ = ["Reconciled", "build_registry"]


@dataclass(frozen=True)
class Reconciled:
    """A kind that is reconciled."""

    resource: Resource
    model: type[CustomResource]
    gather: Callable[..., Any]
    plan: Callable[[Any, datetime], Plan]


def build_registry(settings: PodSettings) -> dict[Resource, Reconciled]:
    """Return the row of every kind that is reconciled."""
    rows = (
        Reconciled(PROJECTS, Project, gather_project, plan_project),
        Reconciled(WORKFLOWS, Workflow, gather_workflow, plan_workflow),
        Reconciled(RUNS, Run, gather_run, plan_run),
        Reconciled(CHAINS, SprintChain, gather_chain, plan_sprint_chain),
        Reconciled(SANDBOXES, Sandbox, partial(gather_sandbox, settings=settings), plan_sandbox),
    )
    return {row.resource: row for row in rows}
