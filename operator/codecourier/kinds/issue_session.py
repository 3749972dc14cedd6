"""The row of IssueSession."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from codecourier.core.issue_session.follow_up import digest_of_follow_up
from codecourier.core.issue_session.ledger import active_run
from codecourier.core.issue_session.origin import IssueSessionOrigin
from codecourier.core.issue_session.plan import needs_references, plan_issue_session
from codecourier.core.issue_session.world import IssueSessionWorld
from codecourier.kinds.kind import Kind, Machine, Planning, Reader, Use, phases
from codecourier.kinds.relation import OriginKind
from codecourier.kinds.relations import marked, named_by
from codecourier.kinds.secrets import AGENT_SECRETS, PROJECT_CREDENTIALS, of_another
from codecourier.kinds.shared import NAMESPACE_ENDING, PROJECT, READ_REFERENCES
from codecourier.kinds.sources import ISSUE_SESSION_SOURCE, RUN_SOURCE, WORKFLOW_SOURCE
from codecourier.kube.api import Json
from codecourier.resources.issue_session import IssueSession, IssueSessionPhase

__all__ = ["ISSUE_SESSION"]

_FINISHED = frozenset(phase.value for phase in IssueSessionPhase if phase.is_finished)


def _is_unfinished(session: Json) -> bool:
    status = session.get("status") or {}
    if status.get("phase") not in _FINISHED:
        return True
    wish = digest_of_follow_up(session["metadata"].get("annotations") or {})
    return bool(wish) and wish != status.get("handledFollowUp", "")


def _awaited(session: IssueSession) -> tuple[str, ...]:
    """Return the Run whose end the session waits for."""
    active = active_run(session.status)
    return () if active is None else (active.run,)


_WORKFLOW = named_by("spec.workflowRef.name", WORKFLOW_SOURCE, is_reader=_is_unfinished)
_AGENT_SECRETS = of_another(_WORKFLOW, WORKFLOW_SOURCE, AGENT_SECRETS)
_RUNS = marked("spec.origin.uid", "spec.origin.name", RUN_SOURCE, kind="spec.origin.kind", awaited=_awaited)


def _gather(read: Reader[IssueSession], session: IssueSession) -> IssueSessionWorld:
    is_needed = needs_references(session)
    return IssueSessionWorld(
        session=session,
        project=read(PROJECT) if is_needed else read.unless_unreadable(PROJECT),
        workflow=read(_WORKFLOW) if is_needed else read.unless_unreadable(_WORKFLOW),
        runs=read(_RUNS),
        is_namespace_ending=read(NAMESPACE_ENDING),
        credentials=read(PROJECT_CREDENTIALS),
        agent_secrets=read(_AGENT_SECRETS),
    )


def _runs(session: Json) -> Mapping[Hashable, str]:
    return {entry["index"]: entry["phase"] for entry in (session.get("status") or {}).get("runs") or ()}


ISSUE_SESSION: Kind[IssueSession, IssueSessionWorld] = Kind(
    IssueSession,
    Planning(
        _gather,
        plan_issue_session,
        reads=(PROJECT, _WORKFLOW, _RUNS, NAMESPACE_ENDING, PROJECT_CREDENTIALS, _AGENT_SECRETS),
    ),
    is_unfinished=_is_unfinished,
    machines=(
        phases(
            "IssueSession",
            ("Pending", "Running"),
            ("Pending", "Failed"),
            ("Pending", "Cancelled"),
            ("Running", "Completed"),
            ("Running", "Failed"),
            ("Running", "Cancelled"),
            ("Completed", "Running"),
            ("Failed", "Running"),
            ("Cancelled", "Running"),
        ),
        Machine(
            "SessionRun",
            _runs,
            frozenset({("", "Running"), ("Running", "Completed"), ("Running", "Failed"), ("Running", "Cancelled")}),
        ),
    ),
    uses=(
        Use(RUN_SOURCE.resource, ("create", "get")),
        READ_REFERENCES,
    ),
    origin=OriginKind(ISSUE_SESSION_SOURCE, IssueSessionOrigin, reports_ends=False),
    has_kopf_events=True,
)
