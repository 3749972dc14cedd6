"""Revisions: one for each version of a Workflow, and another content under its name is never used."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from codecourier.core.shared import revisions
from codecourier.core.shared.facts import Facts, Problem, RevisionAsk, RevisionFact
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.revisions import (
    build_revision,
    content_hash,
    find_recorded_workflow,
    read_recorded_workflow,
    revision_name,
    view_revision,
)
from codecourier.resources.meta import ObjectName
from codecourier.resources.workflow import Workflow
from tests.support.runs import running
from tests.support.worlds import make_revision, make_workflow

STAMP = {"uid": "uid-revision", "resourceVersion": "1", "creationTimestamp": "2026-03-01T12:00:00Z"}


def stored(**changes: Any) -> dict[str, Any]:
    """Return a revision as the API server gives it."""
    body = copy.deepcopy(build_revision(make_workflow()))
    body["metadata"] |= STAMP
    return body | changes


def renamed(workflow: Workflow, name: str) -> Workflow:
    """Return a Workflow with another name."""
    return workflow.updated(metadata=workflow.metadata.updated(name=name))


def test_a_version_has_one_name_and_another_version_another_one() -> None:
    workflow = make_workflow()
    later = workflow.updated(metadata=workflow.metadata.updated(generation=7, resource_version="9", uid="uid-again"))
    assert revision_name(later) == revision_name(workflow) == build_revision(later)["metadata"]["name"]
    assert revision_name(make_workflow(image="other")) != revision_name(workflow)
    assert revision_name(renamed(workflow, "other")) != revision_name(workflow)


def test_the_longest_name_of_a_workflow_makes_a_name_that_kubernetes_takes() -> None:
    name = revision_name(renamed(make_workflow(), "w" * Workflow.info.name_max_length))
    assert TypeAdapter(ObjectName).validate_python(name) == name


def test_what_is_stored_is_read_whatever_the_order_of_its_fields() -> None:
    data = json.loads(json.dumps(stored()["data"]), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert view_revision(stored(data=data)).spec == make_workflow().spec


def test_a_revision_that_lost_its_labels_is_what_it_was() -> None:
    body = stored()
    del body["metadata"]["labels"]
    assert view_revision(body) == view_revision(stored())


@pytest.mark.parametrize(
    "changes",
    [
        {"data": build_revision(make_workflow(image="other"))["data"]},
        {"data": {}},
        {"data": None},
        {"metadata": stored()["metadata"] | {"name": "scripted-0123"}},
    ],
    ids=["other", "empty", "none", "name"],
)
def test_another_content_under_its_name_is_never_used(changes: dict[str, Any]) -> None:
    assert view_revision(stored(**changes)).spec is None


def test_an_authentic_content_of_a_newer_version_cannot_be_read_and_is_no_other_content() -> None:
    newer = make_workflow().spec.to_json() | {"ciPaths": "Sometimes"}
    body = stored(data=newer)
    body["metadata"]["name"] = f"scripted-{'0' * 32}"
    assert view_revision(body).spec is None
    body["metadata"]["name"] = f"scripted-{content_hash(newer)}"
    with pytest.raises(ValidationError):
        view_revision(body)


def test_an_attempt_works_with_its_revision_or_with_what_an_earlier_version_recorded() -> None:
    run, other = running(), make_workflow(image="other")
    assert find_recorded_workflow(run.status, make_revision()) == make_workflow().spec
    assert find_recorded_workflow(run.status, make_revision(other)) is None
    old = running(workflow=other.spec, workflow_revision=None)
    assert read_recorded_workflow(old, None, Facts()) == other.spec


def test_a_revision_that_the_cache_lacks_is_asked_for_before_it_counts_as_lost() -> None:
    run = running()
    ask = RevisionAsk(run.namespace, make_revision().name)
    there = read_recorded_workflow(run, None, Facts({ask: RevisionFact(make_workflow().spec)}))
    assert there == make_workflow().spec
    lost = read_recorded_workflow(run, None, Facts({ask: RevisionFact(None)}))
    assert isinstance(lost, Problem)
    assert lost.reason is Reason.WORKFLOW_REVISION_LOST
    assert make_revision().name in lost.message
    # What the cache has under the name is not asked for: it holds another content.
    forged = view_revision(stored(data={}))
    assert isinstance(read_recorded_workflow(run, forged, Facts()), Problem)


def test_the_content_of_a_workflow_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[object] = []

    def count(data: Any) -> str:
        hashed.append(data)
        return content_hash(data)

    monkeypatch.setattr(revisions, "content_hash", count)
    workflow = make_workflow()
    seen = workflow.updated(metadata=workflow.metadata.updated(resource_version="9"))
    assert revision_name(seen) == revision_name(workflow) == build_revision(workflow)["metadata"]["name"]
    assert len(hashed) == 1
    edited = workflow.updated(spec=workflow.spec.updated(image="other"))
    assert revision_name(edited) != revision_name(workflow)
