"""Learnings in the REST API: object to JSON, and their acceptance."""

from __future__ import annotations

from typing import Literal

from codecourier.apiserver.answers import Instant, PageQuery, View
from codecourier.apiserver.ids import LEARNING_ID, RUN_ID, WORKFLOW_ID
from codecourier.kube.api import Json
from codecourier.resources.learning import Learning

__all__ = ["LearningQuery", "LearningView", "accept_learning", "is_listed", "view_learning"]

LearningState = Literal["proposed", "accepted"]


class LearningQuery(PageQuery):
    """Which learnings are asked for."""

    status: LearningState | None = None
    """Only those that wait for a decision, or only those that agents are given."""


class LearningView(View):
    """A lesson for the agents of later runs."""

    id: str
    text: str
    """The lesson as agents read it. Agents write such texts: show them as text, never as HTML."""

    status: str
    """`accepted` where agents are given it, `proposed` where it waits for a decision."""

    github_repo_url: str | None
    """Repository that it is about; null: each on which the workflow works."""

    workflow_id: str | None
    """Workflow whose agents are given it; null: those of every workflow on the repository."""

    run_id: str | None
    """The run whose agent proposed it; null where a person wrote it."""

    created_at: Instant | None


def _state(learning: Learning) -> LearningState:
    return "accepted" if learning.spec.accepted else "proposed"


def is_listed(learning: Learning, query: LearningQuery) -> bool:
    """Tell whether a list with these filters has a learning."""
    return query.status in (None, _state(learning))


def view_learning(learning: Learning) -> LearningView:
    """Return what is shown of a learning."""
    spec = learning.spec
    return LearningView(
        id=LEARNING_ID + learning.name,
        text=spec.text,
        status=_state(learning),
        github_repo_url=spec.repository_url,
        workflow_id=None if spec.workflow_ref is None else WORKFLOW_ID + spec.workflow_ref.name,
        run_id=None if spec.run is None else RUN_ID + spec.run.name,
        created_at=learning.metadata.creation_timestamp,
    )


def accept_learning(learning: Learning) -> Json:
    """Return the merge patch that gives a lesson to agents; empty: they are given it already."""
    return {} if learning.spec.accepted else {"spec": {"accepted": True}}
