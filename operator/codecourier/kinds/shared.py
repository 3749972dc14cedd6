"""Relations that several kinds declare."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from codecourier.core.project.network_policy import POLICY_NAME
from codecourier.core.shared.naming import ANNOTATION_APP_REPOSITORIES, PROJECT_NAME
from codecourier.kinds.kind import Use
from codecourier.kinds.relation import Edge, Relation
from codecourier.kinds.relations import everywhere, in_project, named_by, names_marked, origin_of, own_namespace
from codecourier.kinds.sources import (
    API_SERVER_SOURCE,
    NAMESPACE_SOURCE,
    NETWORK_POLICY_SOURCE,
    NOTIFICATION_SOURCE,
    PROJECT_SOURCE,
    REVISION_SOURCE,
)
from codecourier.kube import api
from codecourier.kube.api import Json
from codecourier.resources.project import Project
from codecourier.resources.run import RunPhase

__all__ = [
    "API_SERVER",
    "NAMESPACE_ENDING",
    "NOTIFICATION_NAMES",
    "ORIGIN",
    "POLICY",
    "PROJECT",
    "READ_REFERENCES",
    "REVISION",
    "is_attempt_unfinished",
    "is_run_unfinished",
    "project_of",
]


def _app_repositories(namespace: Json | None) -> Hashable:
    metadata = (namespace or {}).get("metadata") or {}
    return (metadata.get("annotations") or {}).get(ANNOTATION_APP_REPOSITORIES)


NAMESPACE_ENDING: Relation[Any, bool] = own_namespace(NAMESPACE_SOURCE, _app_repositories)
"""Whether the namespace is being deleted; objects also wake when it is given other repositories for the App."""

ORIGIN = origin_of()

POLICY = in_project(NETWORK_POLICY_SOURCE, POLICY_NAME)
"""The NetworkPolicy of the namespace's sandbox pods."""

NOTIFICATION_NAMES = names_marked("spec.entity.uid", "spec.entity.name", NOTIFICATION_SOURCE, kind="spec.entity.kind")
"""Names of the Notifications about the object."""


def project_of(*extra: Edge) -> Relation[Any, Project | None]:
    """Read the namespace's Project; wakes unfinished objects when its spec, its identity or its readiness changes.

    Parameters
    ----------
    extra
        Edges of what a kind reads of it in addition.
    """
    return in_project(PROJECT_SOURCE, PROJECT_NAME, view=_declared, extra=extra)


def _declared(project: Json | None) -> Hashable:
    if project is None:
        return ()
    conditions = (project.get("status") or {}).get("conditions") or ()
    said = {c["type"]: c["status"] for c in conditions}
    metadata = project["metadata"]
    return (metadata["uid"], metadata.get("generation"), said.get("Ready"), said.get("RepositoriesReachable"))


PROJECT = project_of()


def _addresses(slices: Iterable[Json]) -> tuple[str, ...]:
    return tuple(
        sorted(
            address
            for entry in slices
            if entry.get("addressType") in {"IPv4", "IPv6"}
            for endpoint in entry.get("endpoints") or ()
            for address in endpoint.get("addresses") or ()
        )
    )


API_SERVER = everywhere(API_SERVER_SOURCE, _addresses)
"""The addresses behind the Service `kubernetes`."""

READ_REFERENCES = Use(api.SECRETS, ("get",))
"""Credentials that a Project names are read when needed and never cached."""


def is_attempt_unfinished(obj: Json, finished: frozenset[str]) -> bool:
    """Return whether an object has an attempt to do: its phase is not final, or its spec asks for another attempt."""
    status, spec = obj.get("status") or {}, obj.get("spec") or {}
    if status.get("phase") not in finished:
        return True
    if spec.get("cancelled") or spec.get("origin"):
        return False
    return bool(max(status.get("attempt", 0), status.get("cancelledAttempt", 0)) < spec.get("attempt", 1))


_RUN_FINISHED = frozenset(phase.value for phase in RunPhase if phase.is_finished)


def is_run_unfinished(run: Json) -> bool:
    """Return whether a Run has an attempt to do."""
    return is_attempt_unfinished(run, _RUN_FINISHED)


REVISION = named_by("status.workflowRevision", REVISION_SOURCE, is_reader=is_run_unfinished)
"""The revision that holds the Workflow of a Run's attempt."""
