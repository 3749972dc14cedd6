"""Why an object is where it is: one operation for each kind that can be explained."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from fastapi import APIRouter, Request, Response

from codecourier.apiserver.answers import Data, answer
from codecourier.apiserver.explained import AROUND
from codecourier.apiserver.ids import ISSUE_SESSION_ID, MERGE_JOB_ID, RECURRING_TASK_ID, RUN_ID, SPRINT_CHAIN_ID
from codecourier.apiserver.route import Door, Operations
from codecourier.apiserver.routes.shared import find_object
from codecourier.apiserver.served import Served
from codecourier.apiserver.views.explanation import ExplanationView, view_explanation
from codecourier.cache.source import Source
from codecourier.core.explain.explain import explain
from codecourier.core.explain.explanation import Subject
from codecourier.core.explain.surroundings import Explained, Surroundings, subjects_of
from codecourier.kinds.sources import (
    ISSUE_SESSION_SOURCE,
    MERGE_JOB_SOURCE,
    RECURRING_TASK_SOURCE,
    RUN_SOURCE,
    SPRINT_CHAIN_SOURCE,
)
from codecourier.resources.meta import CustomResource

__all__ = ["add_explanations"]

R = TypeVar("R", bound=Explained)


def _around(served: Served, obj: Explained) -> Surroundings:
    objects: dict[Subject, CustomResource] = {}
    unknown = set[Subject]()
    for subject in subjects_of(obj):
        source = AROUND[subject.kind]
        found = served.find(source, obj.namespace, subject.name)
        if found is not None:
            objects[subject] = found
        elif served.store.raw(source.resource, obj.namespace, subject.name) is not None:
            unknown.add(subject)
    return Surroundings(objects, frozenset(unknown))


def _add(
    router: APIRouter,
    door: Door,
    now: Callable[[], datetime],
    path: str,
    source: Source[R],
    prefix: str,
    singular: str = "",
) -> None:
    async def explain_object(request: Request, id: str) -> Response:  # noqa: A002
        found = find_object(door.served, source, request, id, prefix)
        explanation = explain(found, _around(door.served, found), now())
        return answer(view_explanation(prefix + found.name, explanation))

    singular = singular or path.strip("/").removesuffix("s").replace("-", "_")
    explain_object.__name__ = f"explain_{singular}"
    explain_object.__doc__ = f"Explain where a {singular.replace('_', ' ')} is and what it waits for."
    operations = Operations(router, source.resource.plural, prefix)
    operations.add("GET", f"{path}/{{id}}/explain", "get", explain_object, Data[ExplanationView])


def add_explanations(router: APIRouter, door: Door, now: Callable[[], datetime]) -> None:
    """Add the operations that explain objects to a router."""
    _add(router, door, now, "/runs", RUN_SOURCE, RUN_ID)
    _add(router, door, now, "/sprint-chains", SPRINT_CHAIN_SOURCE, SPRINT_CHAIN_ID)
    _add(router, door, now, "/recurring-tasks", RECURRING_TASK_SOURCE, RECURRING_TASK_ID)
    _add(router, door, now, "/issue-sessions", ISSUE_SESSION_SOURCE, ISSUE_SESSION_ID)
    _add(router, door, now, "/merging", MERGE_JOB_SOURCE, MERGE_JOB_ID, "merge")
