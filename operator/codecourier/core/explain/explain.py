"""Why an object is where it is, and what it waits for: one pure function for conditions, the command and REST.

What the operator has written into the object comes first, in its own words. What the object names is looked at as well:
the operator may not have got round to it, and a user who has just changed something wants to know what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from codecourier.address import split_pull_request_address
from codecourier.core.explain.explanation import (
    Cause,
    Explanation,
    Subject,
    cause_of,
    merge,
    said_by,
    without_repetitions,
)
from codecourier.core.explain.schedule import explain_slots
from codecourier.core.explain.steps import say_how_to_repeat
from codecourier.core.explain.surroundings import Explained, Surroundings, active_runs, name_workflow
from codecourier.core.explain.waits import find_wait
from codecourier.core.recurring_task.holds import find_hold, find_reference_problem
from codecourier.core.run.status import attempt_status, starts_again
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.core.shared.references import find_workflow
from codecourier.core.shared.repositories import find_repository
from codecourier.core.shared.revisions import has_recorded_workflow
from codecourier.core.shared.trash import is_trashed
from codecourier.core.shared.wishes import asks_for_attempt
from codecourier.core.sprint_chain.cancelling import is_chain_cancelled
from codecourier.resources.issue_session import IssueSession
from codecourier.resources.merge_job import MergeJob
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.recurring_task import RecurringTask
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.sprint_chain import SprintChain

__all__ = ["explain"]


_BESIDE = {
    ConditionType.COMMENTED: ConditionStatus.TRUE,
    ConditionType.RECORDS_OWED: ConditionStatus.FALSE,
    ConditionType.DETAILS_LOST: ConditionStatus.FALSE,
}
"""Conditions about what is beside the work itself, with what they say when all is well."""


def explain(obj: Explained, around: Surroundings, now: datetime) -> Explanation:
    """Return why an object is where it is, and what it waits for."""
    causes = tuple(without_repetitions(_causes(obj, around, now)))
    where = f"{obj.kind} {obj.name} is {obj.status.phase.lower()}"
    if not causes:
        return Explanation(f"{where}. {obj.status.message}".strip(), ())
    step = "" if causes[0].next_step is None else f" {causes[0].next_step}"
    return Explanation(f"{where}: {causes[0].sentence}{step}", causes)


def _causes(obj: Explained, around: Surroundings, now: datetime) -> Iterator[Cause]:
    yield from _find_unseen(obj)
    if isinstance(obj, RecurringTask):
        yield from _of_task(obj, around, now)
    elif obj.status.phase.is_finished and not _begins_again(obj):
        yield from _of_end(obj)
    elif isinstance(obj, Run):
        yield from _of_run(obj, around, now)
    else:
        yield from _of_maker(obj, around, now)
    yield from _of_the_rest(obj)


def _find_unseen(obj: Explained) -> Iterator[Cause]:
    """Yield that the operator has not acted on the object, or its last change."""
    seen, metadata = obj.status.observed_generation, obj.metadata
    if seen >= metadata.generation or obj.is_deleting:
        return
    what = "the object" if seen < 0 else "the last change of its spec"
    since = metadata.creation_timestamp if seen < 0 else None
    yield Cause(Reason.UNSEEN, sentence(Reason.UNSEEN, what=what), None, Subject.of(obj), since)


def _begins_again(obj: Explained) -> bool:
    if isinstance(obj, Run):
        return starts_again(obj)
    return isinstance(obj, SprintChain) and asks_for_attempt(obj.spec, obj.status)


def _of_end(obj: Explained) -> Iterator[Cause]:
    """Yield why the work ended as it did."""
    succeeded = obj.status.condition(ConditionType.SUCCEEDED)
    if succeeded is not None:
        said = said_by(succeeded, Subject.of(obj))
        steps = (said.next_step, _find_repetition(obj))
        yield replace(said, next_step=" ".join(filter(None, steps)) or None)
    if isinstance(obj, IssueSession) and obj.status.follow_up_message:
        reason = Reason.FOLLOW_UP_DECLINED
        yield cause_of(Problem(reason, obj.status.follow_up_message), Subject.of(obj))


def _find_repetition(obj: Explained) -> str | None:
    """Return how a user starts again what has not completed; None: its own words say it."""
    if not isinstance(obj, SprintChain | Run) or obj.status.phase == RunPhase.COMPLETED:
        return None
    origin = obj.spec.origin if isinstance(obj, Run) else None
    if obj.spec.cancelled and origin is None:
        greatest = max(obj.spec.attempt, obj.status.attempt, obj.status.cancelled_attempt)
        return f"To start it again, set spec.cancelled to false and spec.attempt to {greatest + 1}."
    return say_how_to_repeat(origin) if isinstance(obj, Run) else None


def _of_run(run: Run, around: Surroundings, now: datetime) -> Iterator[Cause]:
    status, subject = attempt_status(run), Subject.of(run)
    wait = find_wait(status)
    until = status.retry_time if status.retry_time is not None and status.retry_time > now else None
    said = None if wait is None else said_by(wait, subject, until)
    if status.phase is not RunPhase.RUNNING:
        references = () if has_recorded_workflow(status) else _of_references(run, around)
        yield from merge(said, (*_of_project(around), *references))
        yield from _of_places(run, around)
        return
    yield from merge(said, ())
    made = status.pull_request
    if made is not None and made.message:
        reason = wait.reason if wait is not None else Reason.OPENING_PULL_REQUEST
        yield Cause(reason, made.message, None, subject, made.waiting_since)
    succeeded = status.condition(ConditionType.SUCCEEDED)
    if wait is None and succeeded is not None:
        about = Subject("Sandbox", status.tries[-1].sandbox) if status.tries else subject
        yield said_by(succeeded, about)


def _of_places(run: Run, around: Surroundings) -> Iterator[Cause]:
    """Yield the Runs that have the places for which this one waits."""
    project, status = around.project, run.status
    succeeded = status.condition(ConditionType.SUCCEEDED)
    if project is None or succeeded is None or succeeded.reason != Reason.WAITING_FOR_PLACE:
        return
    for place in project.status.admitted:
        if place.uid != run.uid:
            text = f"Run {place.name} has one of the places."
            yield Cause(Reason.WAITING_FOR_PLACE, text, None, Subject(run.kind, place.name), place.admission_time)


def _of_project(around: Surroundings) -> Iterator[Cause]:
    project = around.project
    if project is None:
        if _PROJECT not in around.unknown:
            yield cause_of(Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND)), _PROJECT)
        return
    subject = Subject.of(project)
    if project.is_deleting:
        yield cause_of(Problem(Reason.PROJECT_ENDING, sentence(Reason.PROJECT_ENDING)), subject)
    if project.spec.suspend:
        text = sentence(Reason.PROJECT_SUSPENDED, what="Runs start")
        yield cause_of(Problem(Reason.PROJECT_SUSPENDED, text), subject)
    ready = project.status.condition(ConditionType.READY)
    if ready is not None and ready.status == ConditionStatus.FALSE:
        yield said_by(ready, subject)


_PROJECT = Subject("Project", "default")


def _of_references(obj: Run | SprintChain | IssueSession | MergeJob, around: Surroundings) -> Iterator[Cause]:
    """Yield what the object names and is not there, or cannot be used."""
    name = name_workflow(obj)
    has_sprint = isinstance(obj, SprintChain) or (isinstance(obj, Run) and obj.spec.sprint is not None)
    if name is not None and Subject("Workflow", name) not in around.unknown:
        workflow = find_workflow(around.workflow(name), name, has_sprint=has_sprint)
        if isinstance(workflow, Problem):
            yield cause_of(workflow, Subject("Workflow", name))
    project = around.project
    if project is not None and not isinstance(obj, IssueSession):
        url = _repository_of(obj)
        repository = find_repository(project, url)
        if isinstance(repository, Reason):
            yield cause_of(Problem(repository, sentence(repository, repository=url)), Subject.of(project))


def _repository_of(obj: Run | SprintChain | MergeJob) -> str | None:
    if isinstance(obj, MergeJob):
        return split_pull_request_address(obj.spec.pull_requests[0])[0]
    return obj.spec.repository_url


def _of_maker(obj: SprintChain | IssueSession | MergeJob, around: Surroundings, now: datetime) -> Iterator[Cause]:
    """Yield what a chain, session or merge waits for: itself, what it names, its Run."""
    subject, status = Subject.of(obj), obj.status
    if is_trashed(obj) and isinstance(obj, IssueSession):
        yield cause_of(Problem(Reason.SESSION_TRASHED, sentence(Reason.SESSION_TRASHED)), subject)
    wait, runs = find_wait(status), active_runs(obj)
    is_over = bool(runs) or (isinstance(obj, SprintChain) and is_chain_cancelled(obj))
    needed = () if is_over else (*_of_suspension(obj), *_of_project(around), *_of_references(obj, around))
    yield from merge(None if wait is None else said_by(wait, subject), needed)
    yield from _of_runs(runs, around, now)


def _of_suspension(obj: SprintChain | IssueSession | MergeJob) -> Iterator[Cause]:
    # The first sprint of an attempt waits for it, too.
    if isinstance(obj, SprintChain) and obj.spec.suspend and not obj.is_deleting:
        text = sentence(Reason.SUSPENDED, kind="chain", what="the next sprint starts")
        yield cause_of(Problem(Reason.SUSPENDED, text), Subject.of(obj))


def _of_runs(names: tuple[str, ...], around: Surroundings, now: datetime) -> Iterator[Cause]:
    for name in names:
        run = around.run(name)
        if run is not None:
            yield from _causes(run, around, now)


def _of_task(task: RecurringTask, around: Surroundings, now: datetime) -> Iterator[Cause]:
    """Yield why a task does not fire, when it does, and why slots did not."""
    status, subject = task.status, Subject.of(task)
    hold = find_hold(task, around.project, status)
    if hold is not None:
        about = Subject.of(around.project) if around.project and hold.reason is Reason.PROJECT_SUSPENDED else subject
        yield cause_of(Problem(hold.reason, hold.message, since=status.paused_time), about)
    wait = find_wait(status)
    problem = None if around.unknown else _find_task_problem(task, around)
    missing = () if problem is None else (cause_of(problem, subject),)
    yield from merge(None if wait is None else said_by(wait, subject), missing)
    if hold is None and wait is None and problem is None and status.next_run_time is not None:
        yield Cause(Reason.ACCEPTED, status.message, None, subject, None, status.next_run_time)
    yield from _of_runs(active_runs(task), around, now)
    yield from explain_slots(task)


def _find_task_problem(task: RecurringTask, around: Surroundings) -> Problem | None:
    return find_reference_problem(task, around.project, around.workflow(task.spec.workflow_ref.name))


def _of_the_rest(obj: Explained) -> Iterator[Cause]:
    for type_, usual in _BESIDE.items():
        condition = obj.status.condition(type_)
        if condition is not None and condition.status != usual:
            yield said_by(condition, Subject.of(obj))
