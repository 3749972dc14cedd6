"""Objects for tests of the core: valid, small, and each with an identity of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from codecourier.core.project.network_policy import PolicyView, build_network_policy
from codecourier.core.shared.facts import RepositoryAccess
from codecourier.core.shared.naming import FINALIZER, LABEL_TRASHED
from codecourier.core.shared.revisions import WorkflowRevision, build_revision, view_revision
from codecourier.resources.meta import LocalReference, ObjectMeta
from codecourier.resources.project import Limits, Project, ProjectSpec, Repository
from codecourier.resources.run import Run, RunPhase, RunSpec, RunStatus
from codecourier.resources.sprint_chain import SprintChain, SprintChainSpec, SprintRange
from codecourier.resources.workflow import Agent, Workflow, WorkflowSpec

__all__ = [
    "ACCESS",
    "BASE",
    "NOW",
    "URL",
    "make_policy",
    "make_project",
    "make_revision",
    "make_run",
    "make_sprint_chain",
    "make_workflow",
    "queued",
    "trashed_workflow",
]

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
URL = "https://forge.test/example/shop"
ACCESS = RepositoryAccess("shop", URL, secret="token")
"""How the repository of `make_project` is reached."""

BASE = "a" * 40


def _meta(name: str, **changes: Any) -> ObjectMeta:
    fields: dict[str, Any] = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "creation_timestamp": NOW,
        "finalizers": (FINALIZER,),
    }
    return ObjectMeta(**{**fields, **changes})


def make_project(*, limit: int = 5, suspend: bool = False) -> Project:
    """Return a Project with one repository."""
    repository = Repository(url=URL, credential_ref=LocalReference(name="token"), is_default=True)
    spec = ProjectSpec(repositories=(repository,), limits=Limits(max_concurrent_runs=limit), suspend=suspend)
    return Project(metadata=_meta("default", creation_timestamp=NOW - timedelta(days=1)), spec=spec)


def make_policy(project: Project) -> PolicyView:
    """Return the NetworkPolicy of a Project's namespace as its Project asks for it."""
    return PolicyView("1", build_network_policy(project, ())["spec"])


def make_workflow(**changes: Any) -> Workflow:
    """Return a Workflow."""
    fields: dict[str, Any] = {"image": "busybox", "agent": Agent(command=("true",))}
    return Workflow(metadata=_meta("scripted"), spec=WorkflowSpec(**{**fields, **changes}))


def trashed_workflow() -> Workflow:
    """Return a Workflow that a user put into the trash."""
    workflow = make_workflow()
    return workflow.updated(metadata=workflow.metadata.updated(labels={LABEL_TRASHED: "true"}))


def make_revision(workflow: Workflow | None = None) -> WorkflowRevision:
    """Return the revision of a Workflow, or of `make_workflow`, as the API server has made it."""
    body = build_revision(workflow or make_workflow())
    metadata = {"uid": "uid-revision", "resourceVersion": "1", "creationTimestamp": NOW.isoformat()}
    return view_revision(body | {"metadata": body["metadata"] | metadata})


def make_run(name: str = "fix", *, age_seconds: int = 0, metadata: dict[str, Any] | None = None, **spec: Any) -> Run:
    """Return a Run without a status."""
    created = {"creation_timestamp": NOW - timedelta(seconds=age_seconds), **(metadata or {})}
    fields: dict[str, Any] = {"workflow_ref": LocalReference(name="scripted"), "prompt": "Fix it."}
    return Run(metadata=_meta(name, **created), spec=RunSpec(**{**fields, **spec}))


def queued(run: Run, **changes: Any) -> Run:
    """Return a Run that was accepted and waits for a place."""
    fields: dict[str, Any] = {
        "phase": RunPhase.QUEUED,
        "attempt": run.spec.attempt,
        "workflow_revision": make_revision().name,
        "repository_url": URL,
    }
    return run.updated(status=RunStatus(**{**fields, **changes}))


def make_sprint_chain(*, last: int = 3, metadata: dict[str, Any] | None = None, **spec: Any) -> SprintChain:
    """Return a SprintChain without a status."""
    fields: dict[str, Any] = {
        "workflow_ref": LocalReference(name="scripted"),
        "sprint_range": SprintRange(first=1, last=last),
        "prompt": "Build it.",
        "base_branch": "main",
    }
    return SprintChain(metadata=_meta("nightly", **(metadata or {})), spec=SprintChainSpec(**{**fields, **spec}))
