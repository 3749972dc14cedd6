"""The row of Sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from codecourier.core.sandbox.plan import plan_sandbox
from codecourier.core.sandbox.stopping import needs_project
from codecourier.core.sandbox.strays import plan_stray
from codecourier.core.sandbox.world import SandboxWorld, StrayWorld
from codecourier.core.shared.naming import LABEL_SANDBOX_UID, sandbox_of_token_secret, token_secret_name
from codecourier.kinds.kind import Kind, Planning, Reader, Strays, Use, phases
from codecourier.kinds.learnings import LEARNINGS
from codecourier.kinds.relation import View, label_or_owner_of
from codecourier.kinds.relations import named, named_by, through
from codecourier.kinds.secrets import PROJECT_CREDENTIALS
from codecourier.kinds.shared import API_SERVER, ORIGIN, POLICY, PROJECT, REVISION
from codecourier.kinds.sources import POD_SOURCE, RUN_SOURCE, SANDBOX_SOURCE, TOKEN_SECRET_SOURCE
from codecourier.kube import api
from codecourier.kube.api import Json
from codecourier.resources.sandbox import Sandbox, SandboxPhase

__all__ = ["SANDBOX"]

_FINISHED = frozenset(phase.value for phase in SandboxPhase if phase.is_finished)


def _is_unfinished(sandbox: Json) -> bool:
    return (sandbox.get("status") or {}).get("phase") not in _FINISHED


_made_for = label_or_owner_of(LABEL_SANDBOX_UID, Sandbox.info.kind)


def _same(name: str) -> str:
    return name


_RUN = named_by("spec.runRef.name", RUN_SOURCE, uid="spec.runRef.uid")
_RUN_ORIGIN = through(_RUN, RUN_SOURCE, ORIGIN)
_RUN_REVISION = through(_RUN, RUN_SOURCE, REVISION)
_POD = named(POD_SOURCE, _same, _same, _made_for)
_SECRET = named(TOKEN_SECRET_SOURCE, token_secret_name, sandbox_of_token_secret, _made_for)


def _gather(read: Reader[Sandbox], sandbox: Sandbox) -> SandboxWorld:
    world = SandboxWorld(
        sandbox=sandbox,
        run=read(_RUN),
        origin=read(_RUN_ORIGIN),
        project=read.unless_unreadable(PROJECT),
        pod=read(_POD),
        secret=read(_SECRET),
        revision=read(_RUN_REVISION),
        policy=read(POLICY),
        api_server=read(API_SERVER),
        settings=read.view.pods,
        credentials=read(PROJECT_CREDENTIALS),
        learnings=read(LEARNINGS),
    )
    return replace(world, project=read(PROJECT)) if needs_project(world) else world


def _gather_strays(view: View, namespace: str, name: str, uid: str | None) -> Iterator[StrayWorld]:
    """Yield what was created for an earlier Sandbox of this name."""
    pod = view.store.raw(POD_SOURCE.resource, namespace, name)
    secret = view.store.raw(TOKEN_SECRET_SOURCE.resource, namespace, token_secret_name(name))
    owners = {_made_for(obj) for obj in (pod, secret) if obj is not None} - {None, uid}
    for owner in owners:
        yield StrayWorld(
            namespace=namespace,
            sandbox=name,
            sandbox_uid=owner or "",
            pod=view.store.read(POD_SOURCE, pod) if pod is not None and _made_for(pod) == owner else None,
            secret=view.store.read(TOKEN_SECRET_SOURCE, secret)
            if secret is not None and _made_for(secret) == owner
            else None,
        )


SANDBOX: Kind[Sandbox, SandboxWorld] = Kind(
    Sandbox,
    Planning(
        _gather,
        plan_sandbox,
        reads=(
            _RUN,
            _RUN_ORIGIN,
            _RUN_REVISION,
            PROJECT,
            _POD,
            _SECRET,
            POLICY,
            API_SERVER,
            PROJECT_CREDENTIALS,
            LEARNINGS,
        ),
    ),
    is_unfinished=_is_unfinished,
    machines=(
        phases(
            "Sandbox",
            ("Pending", "Running"),
            ("Pending", "Cancelled"),
            ("Pending", "Failed"),
            ("Pending", "Completed"),
            ("Running", "Completed"),
            ("Running", "Failed"),
            ("Running", "Cancelled"),
            ("Running", "Expired"),
        ),
    ),
    mark="runRef",
    uses=(
        Use(SANDBOX_SOURCE.resource, ("get", "patch")),
        Use(api.PODS, ("create", "get", "patch", "delete")),
        Use(api.PODS, ("get",), subresource="log"),
        Use(api.CONTROLLER_REVISIONS, ("get",)),
        Use(api.SECRETS, ("create", "get", "update", "patch", "delete")),
    ),
    strays=Strays(_gather_strays, plan_stray),
)
