"""Revisions: the Workflow of an attempt, kept as a ControllerRevision, which Kubernetes lets no one alter.

One is made for each version of a Workflow that a Run starts with, under a name that holds the hash of its content. So
however many Runs use a version, it is stored once, and a revision that a user deletes and makes again with another
content is recognised: it is never used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from codecourier.core.shared.facts import Facts, Problem, RevisionAsk
from codecourier.core.shared.naming import LABEL_MANAGED, LABEL_WORKFLOW
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.run import Run, RunStatus
from codecourier.resources.workflow import Workflow, WorkflowSpec

__all__ = [
    "WorkflowRevision",
    "build_revision",
    "content_hash",
    "find_recorded_workflow",
    "has_recorded_workflow",
    "read_recorded_workflow",
    "revision_name",
    "view_revision",
]

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

HASH_DIGITS = 32
"""Hex digits of a content's hash in a name: 128 bits, too many to find another content for."""


@dataclass(frozen=True)
class WorkflowRevision:
    """A ControllerRevision that holds a version of a Workflow."""

    name: str
    uid: str
    resource_version: str
    workflow: str
    """Name of the Workflow; empty where an object that is not ours carries our label."""

    number: int
    """Generation of the Workflow that it was made from."""

    creation_time: datetime
    is_owned: bool
    """Whether another controller has taken it for its own: then it is that one's to delete."""

    spec: WorkflowSpec | None
    """The Workflow's spec; None where the content is not the one that the name stands for."""


def view_revision(obj: Mapping[str, Any]) -> WorkflowRevision:
    """Read a ControllerRevision's manifest as the API server gives it.

    Raises
    ------
    pydantic.ValidationError
        If its content is authentic, and this version cannot read it.
    """
    metadata, data = ObjectMeta.model_validate(obj["metadata"]), obj.get("data")
    # Of its labels users may take any away; its name it keeps for life.
    workflow, _, digits = metadata.name.rpartition("-")
    is_authentic = isinstance(data, dict) and digits == content_hash(data)
    return WorkflowRevision(
        name=metadata.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        workflow=workflow if len(digits) == HASH_DIGITS else "",
        number=obj.get("revision", 0),
        is_owned=bool(metadata.owner_references),
        creation_time=metadata.creation_timestamp or _LONG_AGO,
        spec=WorkflowSpec.model_validate(data) if is_authentic else None,
    )


def revision_name(workflow: Workflow) -> str:
    """Return the name of the revision that holds a Workflow as it is now."""
    return f"{workflow.name}-{_hash_of(_Same(workflow.spec))}"


class _Same:
    """A spec as a key, equal to itself alone: to compare contents would cost as much as to hash them."""

    __slots__ = ("spec",)

    def __init__(self, spec: WorkflowSpec) -> None:
        self.spec = spec

    def __hash__(self) -> int:
        return id(self.spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.spec is self.spec


@lru_cache(maxsize=64)
def _hash_of(key: _Same) -> str:
    """Return the hash of a spec, computed once: caches hand the same spec out until its Workflow changes."""
    return content_hash(key.spec.to_json())


def content_hash(data: Mapping[str, Any]) -> str:
    """Return the hash of what a revision holds, in hex digits: the end of its name."""
    content = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    return sha256(content).hexdigest()[:HASH_DIGITS]


def build_revision(workflow: Workflow) -> dict[str, Any]:
    """Return the manifest of the revision that holds a Workflow as it is now.

    It has no owner: a Workflow that is deleted must not take it away from the Runs that use it.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": revision_name(workflow),
            "namespace": workflow.namespace,
            "labels": {LABEL_MANAGED: "true", LABEL_WORKFLOW: workflow.name},
        },
        "data": workflow.spec.to_json(),
        "revision": workflow.metadata.generation,
    }


def has_recorded_workflow(status: RunStatus) -> bool:
    """Tell whether an attempt has recorded its Workflow, so that later changes of the Workflow do not concern it."""
    return status.workflow_revision is not None or status.workflow is not None


def find_recorded_workflow(status: RunStatus, revision: WorkflowRevision | None) -> WorkflowSpec | None:
    """Return the Workflow that an attempt has recorded; None where it has none, or its revision is not known."""
    if status.workflow_revision is None:
        return status.workflow
    is_known = revision is not None and revision.name == status.workflow_revision
    return revision.spec if is_known and revision is not None else None


def read_recorded_workflow(run: Run, revision: WorkflowRevision | None, facts: Facts) -> WorkflowSpec | Problem:
    """Return the Workflow that the attempt of a Run has recorded, or that its revision is lost.

    A revision that the cache lacks is asked for at the API server: caches are filled in any order.

    Parameters
    ----------
    run
        The Run; it has recorded its Workflow.
    revision
        What the cache has under the name that the Run's status gives.
    facts
        The answers of the API server.

    Raises
    ------
    MissingFacts
        If the API server was not asked yet.
    """
    status, name = run.status, run.status.workflow_revision or ""
    spec = find_recorded_workflow(status, revision)
    if spec is None and name and (revision is None or revision.name != name):
        answer = facts.get(RevisionAsk(run.namespace, name))
        if isinstance(answer, Problem):
            return answer
        spec = answer.spec
    if spec is not None:
        return spec
    text = sentence(Reason.WORKFLOW_REVISION_LOST, revision=name, workflow=run.spec.workflow_ref.name)
    return Problem(Reason.WORKFLOW_REVISION_LOST, text, is_final=True)
