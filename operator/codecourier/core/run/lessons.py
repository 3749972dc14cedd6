"""Which Learnings the agents of an attempt are given: chosen once, when its first try starts."""

from __future__ import annotations

from codecourier.core.run.world import RunWorld
from codecourier.core.sandbox.tasks import build_task
from codecourier.core.shared.intents import Event
from codecourier.core.shared.learnings import build_lessons, select_learnings
from codecourier.core.shared.prompts import TemplateError
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.revisions import find_recorded_workflow
from codecourier.resources.run import RunStatus
from codecourier.task import TaskError

__all__ = ["choose_learnings", "left_out_event"]


def choose_learnings(world: RunWorld, status: RunStatus) -> tuple[RunStatus, tuple[Event, ...]]:
    """Return the status of an attempt that starts with the names of its Learnings, and what is to be reported of them.

    No Run fails because of a lesson: where the task becomes too large with them, it gets none.
    """
    run, project = world.run, world.project
    workflow = find_recorded_workflow(status, world.revision)
    chosen = select_learnings(world.learnings, status.repository_url or "", run.spec.workflow_ref.name)
    if not chosen or workflow is None or project is None:
        return status, ()
    lessons = build_lessons(chosen)
    try:
        build_task(run.updated(status=status), workflow, project.spec.commit_identity, 1, lessons).to_json()
    except (TaskError, TemplateError) as error:
        detail = f"no task can be built with them: {str(error).rstrip('.')}."
        return status, (left_out_event(f"{len(chosen)} accepted lesson(s) are", detail),)
    return status.updated(learnings=tuple(learning.name for learning in chosen)), ()


def left_out_event(what: str, detail: str) -> Event:
    """Return the event that reports which lessons are left out, and why."""
    text = sentence(Reason.LEARNINGS_LEFT_OUT, what=what, detail=detail)
    return Event(Reason.LEARNINGS_LEFT_OUT.value, text, is_warning=True)
