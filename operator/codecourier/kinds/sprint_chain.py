"""The row of SprintChain."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial

from codecourier.core.sprint_chain.origin import SprintChainOrigin
from codecourier.core.sprint_chain.plan import needs_references, plan_sprint_chain
from codecourier.core.sprint_chain.sprints import active_sprint
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.kinds.kind import Kind, Machine, Planning, Reader, Use, phases
from codecourier.kinds.relation import OriginKind
from codecourier.kinds.relations import marked, named_by
from codecourier.kinds.secrets import AGENT_SECRETS, PROJECT_CREDENTIALS, of_another
from codecourier.kinds.shared import (
    NAMESPACE_ENDING,
    NOTIFICATION_NAMES,
    PROJECT,
    READ_REFERENCES,
    is_attempt_unfinished,
)
from codecourier.kinds.sources import NOTIFICATION_SOURCE, RUN_SOURCE, SPRINT_CHAIN_SOURCE, WORKFLOW_SOURCE
from codecourier.kube.api import CONTROLLER_REVISIONS, Json
from codecourier.resources.sprint_chain import SprintChain, SprintChainPhase

__all__ = ["SPRINT_CHAIN"]

_is_unfinished = partial(
    is_attempt_unfinished, finished=frozenset(phase.value for phase in SprintChainPhase if phase.is_finished)
)


def _awaited(chain: SprintChain) -> tuple[str, ...]:
    """Return the Run whose end the chain waits for."""
    active = active_sprint(chain.status)
    return (active.run,) if active is not None and active.run is not None else ()


_WORKFLOW = named_by("spec.workflowRef.name", WORKFLOW_SOURCE, is_reader=_is_unfinished)
_AGENT_SECRETS = of_another(_WORKFLOW, WORKFLOW_SOURCE, AGENT_SECRETS)
_RUNS = marked("spec.origin.uid", "spec.origin.name", RUN_SOURCE, kind="spec.origin.kind", awaited=_awaited)


def _gather(read: Reader[SprintChain], chain: SprintChain) -> SprintChainWorld:
    is_needed = needs_references(chain)
    return SprintChainWorld(
        chain=chain,
        project=read(PROJECT) if is_needed else read.unless_unreadable(PROJECT),
        workflow=read(_WORKFLOW) if is_needed else read.unless_unreadable(_WORKFLOW),
        runs=read(_RUNS),
        notifications=read(NOTIFICATION_NAMES),
        is_namespace_ending=read(NAMESPACE_ENDING),
        credentials=read(PROJECT_CREDENTIALS),
        agent_secrets=read(_AGENT_SECRETS),
    )


def _sprints(chain: Json) -> Mapping[Hashable, str]:
    return {sprint["index"]: sprint["phase"] for sprint in (chain.get("status") or {}).get("sprints") or ()}


SPRINT_CHAIN: Kind[SprintChain, SprintChainWorld] = Kind(
    SprintChain,
    Planning(
        _gather,
        plan_sprint_chain,
        reads=(
            PROJECT,
            _WORKFLOW,
            _RUNS,
            NOTIFICATION_NAMES,
            NAMESPACE_ENDING,
            PROJECT_CREDENTIALS,
            _AGENT_SECRETS,
        ),
    ),
    is_unfinished=_is_unfinished,
    machines=(
        phases(
            "SprintChain",
            ("Pending", "Running"),
            ("Pending", "Cancelled"),
            ("Running", "Completed"),
            ("Running", "Failed"),
            ("Running", "Cancelled"),
            ("Failed", "Running"),
            ("Completed", "Running"),
            ("Cancelled", "Running"),
        ),
        Machine(
            "Sprint",
            _sprints,
            frozenset(
                {
                    ("", "Omitted"),
                    ("", "Pending"),
                    ("", "Running"),
                    ("Pending", "Running"),
                    ("Completed", "Running"),
                    ("Failed", "Running"),
                    ("Cancelled", "Running"),
                    ("Running", "Completed"),
                    ("Running", "Failed"),
                    ("Running", "Cancelled"),
                }
            ),
        ),
    ),
    uses=(
        Use(SPRINT_CHAIN_SOURCE.resource, ("patch",)),
        Use(RUN_SOURCE.resource, ("create", "get")),
        Use(CONTROLLER_REVISIONS, ("get",)),
        Use(NOTIFICATION_SOURCE.resource, ("create", "get")),
        READ_REFERENCES,
    ),
    origin=OriginKind(SPRINT_CHAIN_SOURCE, SprintChainOrigin, reports_ends=True),
    has_kopf_events=True,
)
