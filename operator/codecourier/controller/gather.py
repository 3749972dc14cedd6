"""Worlds from the caches: for each kind what its plan reads, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from codecourier.controller.finalizers import is_held
from codecourier.controller.kinds import (
    ACTIVE_BY_NAMESPACE,
    BY_ENTITY_UID,
    BY_ORIGIN_UID,
    BY_RUN_UID,
    NOTIFICATIONS,
    PROJECTS,
    RUNS,
    SANDBOXES,
    SPRINT_CHAINS,
    USAGE_RECORDS,
    WORKFLOWS,
)
from codecourier.controller.store import Store
from codecourier.core.project.network_policy import POLICY_NAME, PolicyView, view_policy
from codecourier.core.project.world import ProjectWorld
from codecourier.core.run.world import RunWorld
from codecourier.core.sandbox.pod_view import PodView, view_pod
from codecourier.core.sandbox.pods import PodSettings
from codecourier.core.sandbox.tokens import TokenSecret
from codecourier.core.sandbox.world import SandboxWorld, StrayWorld
from codecourier.core.shared.naming import ANNOTATION_TOKEN_EXPIRY, FINALIZER_TOKENS, token_secret_name
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.core.workflow.world import WorkflowWorld
from codecourier.kube.api import ENDPOINT_SLICES, NETWORK_POLICIES, PODS, SECRETS, Json
from codecourier.resources.project import Project
from codecourier.resources.run import Origin, Run
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.workflow import Workflow

__all__ = [
    "PROJECT_NAME",
    "gather_project",
    "gather_run",
    "gather_sandbox",
    "gather_sprint_chain",
    "gather_strays",
    "gather_workflow",
]

PROJECT_NAME = "default"
"""Name of a namespace's Project."""


def _project(store: Store, namespace: str) -> Project | None:
    return store.get(PROJECTS, Project, namespace, PROJECT_NAME)


def _origin(store: Store, namespace: str, origin: Origin | None) -> SprintChain | None:
    if origin is None:
        return None
    chain = store.get(SPRINT_CHAINS, SprintChain, namespace, origin.name)
    return chain if chain is not None and chain.uid == origin.uid else None


def _policy(store: Store, namespace: str) -> PolicyView | None:
    policy = store.raw(NETWORK_POLICIES, namespace, POLICY_NAME)
    return None if policy is None else view_policy(policy)


def _api_server(store: Store) -> tuple[str, ...]:
    """Return the addresses behind the Service `kubernetes`."""
    return tuple(
        sorted(
            address
            for entry in store.cache(ENDPOINT_SLICES).list()
            if entry.get("addressType") in {"IPv4", "IPv6"}
            for endpoint in entry.get("endpoints") or ()
            for address in endpoint.get("addresses") or ()
        )
    )


def gather_project(store: Store, project: Project) -> ProjectWorld:
    """Gather a Project with its Runs that are not finished or listed, and the Workflows that these name."""
    namespace = project.namespace
    active = store.by_index(RUNS, Run, ACTIVE_BY_NAMESPACE, namespace)
    listed = (store.get(RUNS, Run, namespace, entry.name) for entry in project.status.admitted)
    runs = tuple({run.name: run for run in (*active, *listed) if run is not None}.values())
    named = {run.spec.workflow_ref.name for run in runs if run.status.workflow is None}
    workflows = (store.get(WORKFLOWS, Workflow, namespace, name) for name in named)
    return ProjectWorld(
        project=project,
        runs=runs,
        workflows={workflow.name: workflow for workflow in workflows if workflow is not None},
        notifications=store.names(NOTIFICATIONS, BY_ENTITY_UID, project.uid),
        policy=_policy(store, namespace),
        api_server=_api_server(store),
        is_namespace_ending=store.is_namespace_ending(namespace),
    )


def gather_workflow(_store: Store, workflow: Workflow) -> WorkflowWorld:
    """Gather a Workflow."""
    return WorkflowWorld(workflow)


def gather_run(store: Store, run: Run) -> RunWorld:
    """Gather a Run with its Sandboxes, records and what it refers to."""
    namespace = run.namespace
    return RunWorld(
        run=run,
        project=_project(store, namespace),
        workflow=store.get(WORKFLOWS, Workflow, namespace, run.spec.workflow_ref.name),
        origin=_origin(store, namespace, run.spec.origin),
        sandboxes=store.by_index(SANDBOXES, Sandbox, BY_RUN_UID, run.uid),
        records=store.names(USAGE_RECORDS, BY_RUN_UID, run.uid),
        notifications=store.names(NOTIFICATIONS, BY_ENTITY_UID, run.uid),
        is_namespace_ending=store.is_namespace_ending(namespace),
    )


def gather_sprint_chain(store: Store, chain: SprintChain) -> SprintChainWorld:
    """Gather a SprintChain with its Runs and what it refers to."""
    namespace = chain.namespace
    return SprintChainWorld(
        chain=chain,
        project=_project(store, namespace),
        workflow=store.get(WORKFLOWS, Workflow, namespace, chain.spec.workflow_ref.name),
        runs=store.by_index(RUNS, Run, BY_ORIGIN_UID, chain.uid),
        notifications=store.names(NOTIFICATIONS, BY_ENTITY_UID, chain.uid),
        is_namespace_ending=store.is_namespace_ending(namespace),
    )


def gather_sandbox(store: Store, sandbox: Sandbox, settings: PodSettings) -> SandboxWorld:
    """Gather a Sandbox with its pod, its token Secret, and the Run that it works for."""
    namespace = sandbox.namespace
    run = store.get(RUNS, Run, namespace, sandbox.spec.run_ref.name)
    if run is not None and run.uid != sandbox.spec.run_ref.uid:
        run = None
    return SandboxWorld(
        sandbox=sandbox,
        run=run,
        origin=_origin(store, namespace, run.spec.origin) if run is not None else None,
        project=_project(store, namespace),
        pod=_pod(store, sandbox),
        secret=_secret(store, sandbox),
        policy=_policy(store, namespace),
        api_server=_api_server(store),
        settings=settings,
    )


def gather_strays(store: Store, namespace: str, sandbox: str, uid: str | None) -> Iterator[StrayWorld]:
    """Gather what was made for a Sandbox of this name that is another one than the one that is there."""
    pod, secret = store.raw(PODS, namespace, sandbox), store.raw(SECRETS, namespace, token_secret_name(sandbox))
    owners = {_owner(obj) for obj in (pod, secret) if obj is not None} - {None, uid}
    for owner in owners:
        if owner is None:
            continue
        yield StrayWorld(
            namespace=namespace,
            sandbox=sandbox,
            sandbox_uid=owner,
            pod=view_pod(pod) if pod is not None and _owner(pod) == owner else None,
            secret=_view_secret(secret) if secret is not None and _owner(secret) == owner else None,
        )


def _pod(store: Store, sandbox: Sandbox) -> PodView | None:
    pod = store.raw(PODS, sandbox.namespace, sandbox.name)
    return view_pod(pod) if pod is not None and _owner(pod) == sandbox.uid else None


def _secret(store: Store, sandbox: Sandbox) -> TokenSecret | None:
    secret = store.raw(SECRETS, sandbox.namespace, token_secret_name(sandbox.name))
    return _view_secret(secret) if secret is not None and _owner(secret) == sandbox.uid else None


def _view_secret(secret: Json) -> TokenSecret | None:
    """Return what is known of a Secret; None for one whose tokens are dealt with and that only waits for others."""
    metadata = secret["metadata"]
    if metadata.get("deletionTimestamp") and not is_held(secret, FINALIZER_TOKENS):
        return None
    expiry = (metadata.get("annotations") or {}).get(ANNOTATION_TOKEN_EXPIRY)
    return TokenSecret(
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
        expiry_time=datetime.fromisoformat(expiry) if expiry else None,
    )


def _owner(obj: Json) -> str | None:
    """Return the UID of the Sandbox that an object was made for; None if for none."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner["kind"] == SANDBOXES.kind), None)
