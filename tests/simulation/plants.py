"""Faults planted into the production code, one at least for each invariant: what the simulation has to notice."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Literal
from unittest.mock import patch

from codecourier.cache import store
from codecourier.controller import effects, execute, observe, reconcile
from codecourier.core.issue_session import comment as session_comment
from codecourier.core.issue_session import plan as session_plan
from codecourier.core.issue_session import start as session_start
from codecourier.core.project import plan as project_plan
from codecourier.core.project import retention
from codecourier.core.recurring_task import due
from codecourier.core.recurring_task import plan as task_plan
from codecourier.core.recurring_task import runs as task_runs
from codecourier.core.run import plan as run_plan
from codecourier.core.run import proposals, pull_request, pull_request_life, recorded, result, start
from codecourier.core.sandbox import plan as sandbox_plan
from codecourier.core.sandbox import tasks
from codecourier.core.shared import notifications
from codecourier.core.shared.facts import Facts, OwnCommentsAsk, OwnCommentsFact
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.naming import token_secret_name
from codecourier.core.shared.outcome import with_outcome
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.revisions import revision_name
from codecourier.core.slots import schedule
from codecourier.core.sprint_chain import plan as sprint_chain_plan
from codecourier.core.sprint_chain import sprints
from codecourier.core.sprint_chain import start as sprint_chain_start
from codecourier.kinds import admission, kept, learnings
from codecourier.kinds.api_resources import LEARNINGS
from codecourier.kube.api import PODS, SECRETS
from codecourier.kube.cache import Cache
from codecourier.pull_request import PullRequestState
from codecourier.resources.run import RunPhase
from tests.simulation.merge_plants import MERGE_FAULTS
from tests.simulation.scenario import Scenario

__all__ = ["PLANTS", "Plant", "planted"]

_LONGEST_SENTENCE = 300


@dataclass(frozen=True)
class Plant:
    """A fault: which function is replaced by what, and which invariants that breaks."""

    place: Any
    """The module, or class, that the function is looked up in."""

    name: str
    wrong: Callable[[Any], Any]
    """From the right function to the wrong one."""

    breaks: frozenset[str]
    """Any of these is the right one to notice first."""

    needs: Literal["tasks", "sessions", "lessons", "merges", ""] = ""
    """What a scenario has to have some of for the fault to show; empty: nothing."""

    def is_shown_by(self, scenario: Scenario) -> bool:
        """Tell whether the fault can show in a scenario."""
        return not self.needs or bool(getattr(scenario, self.needs))


@contextmanager
def planted(plant: Plant) -> Iterator[None]:
    """Plant a fault for a while."""
    right = getattr(plant.place, plant.name)
    with patch.object(plant.place, plant.name, plant.wrong(right)):
        yield


def _returning(value: Any) -> Callable[[Any], Any]:
    return lambda _right: lambda *_arguments, **_options: value


def _saying_cancelled(_right: Any) -> Any:
    def plan_stop(world: Any, status: Any, now: Any) -> Plan:
        return Plan(status=with_outcome(world.run, status, RunPhase.CANCELLED, Reason.CANCELLED, "Stopped.", now))

    return plan_stop


def _numbering(right: Any) -> Any:
    numbers = count()
    return lambda *arguments, **options: f"{right(*arguments, **options)}-{next(numbers)}"


def _talking_on(right: Any) -> Any:
    def settle(world: Any, now: Any) -> Plan:
        plan: Plan = right(world, now)
        message = f"{world.run.status.message} Again."
        if plan.status is not None or plan.creates or len(message) > _LONGEST_SENTENCE:
            return plan
        return replace(plan, status=world.run.status.updated(message=message))

    return settle


def _leaving_it_due(right: Any) -> Any:
    return lambda status, *others: right(status, *others).updated(settled_time=status.settled_time)


def _settling_only(_right: Any) -> Any:
    def record(status: Any, slots: Any, _build: Any) -> Any:
        return status.updated(settled_time=max([status.settled_time, *slots]))

    return record


def _without_gaps(right: Any) -> Any:
    def slots_after(known: Any, after: Any) -> Any:
        return (slot for slot in right(known, after) if slot.astimezone(known.zone).time() == known.time)

    return slots_after


def _at_both_times(right: Any) -> Any:
    def slots_after(known: Any, after: Any) -> Any:
        for slot in right(known, after - timedelta(hours=3)):
            again = slot.astimezone(known.zone).replace(fold=1).astimezone(UTC)
            yield from (time for time in (slot, again)[: 1 + (again > slot)] if time > after)

    return slots_after


def _at_the_second_time(right: Any) -> Any:
    return lambda shown, zone: right(shown, zone).astimezone(zone).replace(fold=1).astimezone(UTC)


def _renaming(right: Any) -> Any:
    numbers = count()

    def build(*arguments: Any) -> Any:
        run = right(*arguments)
        return run.updated(metadata=run.metadata.updated(name=f"{run.name}-{next(numbers)}"))

    return build


def _giving_all(_right: Any) -> Any:
    def accepted(known: Any, *_scope: str) -> Any:
        return known.find(tuple(known.store.cache(LEARNINGS).names(known.namespace)))

    return accepted


def _commenting_blindly(right: Any) -> Any:
    def comment(world: Any, plan: Any, now: Any) -> Any:
        nothing = OwnCommentsFact(())
        known = {ask: nothing if isinstance(ask, OwnCommentsAsk) else a for ask, a in world.facts.answers.items()}
        return right(replace(world, facts=Facts(known)), plan, now)

    return comment


def _commenting_at_once(_right: Any) -> Any:
    return lambda plan, _status, _comment, effect, _now: replace(plan, effects=(effect,))


def _admitting_one_more(right: Any) -> Any:
    def admit(decided: Any, *others: Any) -> Any:
        limits = decided.spec.limits.updated(max_concurrent_runs=decided.spec.limits.max_concurrent_runs + 1)
        return right(decided.updated(spec=decided.spec.updated(limits=limits)), *others)

    return admit


def _forgetting_what_runs(right: Any) -> Any:
    return lambda run: replace(right(run), has_pod=False)


def _annotating_the_token(right: Any) -> Any:
    async def make(self: Any, resource: Any, body: Any) -> Any:
        if resource == PODS:
            metadata = body["metadata"]
            secret = await self.api.get(SECRETS, metadata["namespace"], token_secret_name(metadata["name"]))
            metadata["annotations"]["debug"] = base64.b64decode(secret["data"]["read"]).decode()
        return await right(self, resource, body)

    return make


def _taking_it_as_it_is(_right: Any) -> Any:
    def keep(world: Any, status: Any, _now: Any) -> Any:
        return status.updated(workflow_revision=revision_name(world.workflow))

    return keep


def _without_finalizer(right: Any) -> Any:
    def build(*arguments: Any, **options: Any) -> Any:
        manifest = right(*arguments, **options)
        del manifest["metadata"]["finalizers"]
        return manifest

    return build


def _taking_closed_for_merged(right: Any) -> Any:
    def with_fact(made: Any, fact: Any, now: datetime) -> Any:
        if fact.close_time is None:
            return right(made, fact, now)
        merged = {"state": PullRequestState.MERGED, "merge_time": fact.close_time}
        return right(made, replace(fact, **merged), now)

    return with_fact


def _unfinished(_right: Any) -> Any:
    return lambda _model, plan, _now: plan


def _reading_those_of_others(right: Any) -> Any:
    def by_index(self: Any, source: Any, index: str, key: object) -> Any:
        if index.startswith("marked by "):
            return self.readable(source, self.cache(source.resource).list())
        return right(self, source, index, key)

    return by_index


def _merging_every_list(right: Any) -> Any:
    return lambda self, items, version, _begin=None, _on_restored=None: right(self, items, version)


PLANTS: Mapping[str, Plant] = {
    "a sprint starts beside the active one": Plant(
        sprint_chain_plan, "active_sprint", _returning(None), frozenset({"1"})
    ),
    "a sprint starts from the base": Plant(sprints, "start_commit", _returning(None), frozenset({"1"})),
    "a notification has a new name each time": Plant(
        notifications, "notification_name", _numbering, frozenset({"3", "9"})
    ),
    "a finished Run changes its sentence": Plant(run_plan, "_settle", _talking_on, frozenset({"4"})),
    "a later try takes the Workflow as it is": Plant(recorded, "_keep", _taking_it_as_it_is, frozenset({"4"})),
    "Cancelled is said while the pod runs": Plant(run_plan, "_plan_stop", _saying_cancelled, frozenset({"5"})),
    "a try leaves no usage record": Plant(result, "record_usage", _returning(()), frozenset({"6", "9"})),
    "a chain resumes from its first sprint": Plant(
        sprint_chain_start, "begin_sprints", lambda right: lambda declared, _first: right(declared, 0), frozenset({"7"})
    ),
    "a token lies in an annotation": Plant(execute.Executor, "_make", _annotating_the_token, frozenset({"8"})),
    "tokens are not revoked": Plant(sandbox_plan, "_revocation", _returning(None), frozenset({"9"})),
    "a token Secret can vanish": Plant(effects.Effects, "_secret", _without_finalizer, frozenset({"5"})),
    "a stop waits for its pull request": Plant(pull_request, "_is_given_up", _returning(False), frozenset({"12"})),
    "no pull request is followed": Plant(pull_request_life, "_is_followed", _returning(False), frozenset({"9"})),
    "one that was closed is told as merged": Plant(
        pull_request_life, "with_fact", _taking_closed_for_merged, frozenset({"3"})
    ),
    "a Run that runs loses its place": Plant(admission, "view_run", _forgetting_what_runs, frozenset({"10"})),
    "a Project made again does not count what runs": Plant(
        admission.RunsInNamespace, "with_pods", _returning(()), frozenset({"10"})
    ),
    "a step may wait without an end": Plant(sandbox_plan, "find_overrun", _returning(None), frozenset({"9"})),
    "a slot fires and is due again": Plant(due, "record_fired", _leaving_it_due, frozenset({"2"}), needs="tasks"),
    "a slot is lost": Plant(
        task_plan,
        "settle_due",
        lambda _right: lambda _task, status, _schedule, _hold, _problem, now: (status.updated(settled_time=now), None),
        frozenset({"2"}),
        needs="tasks",
    ),
    "a slot that is skipped has no disposition": Plant(
        due, "record_unfired", _settling_only, frozenset({"2"}), needs="tasks"
    ),
    "a time that clocks skip has no slot": Plant(
        schedule, "_slots_after", _without_gaps, frozenset({"2"}), needs="tasks"
    ),
    "a time that clocks show twice has two slots": Plant(
        schedule, "_slots_after", _at_both_times, frozenset({"2"}), needs="tasks"
    ),
    "a slot comes the second time that clocks show it": Plant(
        schedule, "first_instant", _at_the_second_time, frozenset({"2"}), needs="tasks"
    ),
    "a Run is made that no slot claims": Plant(task_runs, "_build_run", _renaming, frozenset({"2"}), needs="tasks"),
    "a lesson is proposed twice": Plant(proposals, "name_lesson", _numbering, frozenset({"14"}), needs="lessons"),
    "a lesson that no person accepted is given": Plant(
        learnings.StoredLearnings, "accepted", _giving_all, frozenset({"14"}), needs="lessons"
    ),
    "an agent reads a lesson that no person accepted": Plant(
        tasks,
        "find_given",
        lambda _right: lambda known, *_scope: _giving_all(None)(known),
        frozenset({"14"}),
        needs="lessons",
    ),
    "a try leaves no lesson": Plant(
        result,
        "with_proposals",
        lambda _right: lambda _world, plan, *_others: plan,
        frozenset({"9", "14"}),
        needs="lessons",
    ),
    "a comment is written without looking": Plant(
        session_plan, "with_comment", _commenting_blindly, frozenset({"once"}), needs="sessions"
    ),
    "a lost comment is written again at once": Plant(
        session_comment, "_write_again", _commenting_at_once, frozenset({"once"}), needs="sessions"
    ),
    "a session makes a Run that it does not claim": Plant(
        session_start, "build_run", _renaming, frozenset({"once"}), needs="sessions"
    ),
    "retention does not wait for a seal": Plant(retention, "_is_late", _returning(False), frozenset({"15"})),
    "a day is sealed with nothing": Plant(kept, "count_days", _returning({}), frozenset({"15"})),
    "a task's history does not wait for a seal": Plant(
        task_runs, "_is_sealed", _returning(True), frozenset({"15"}), needs="tasks"
    ),
    "a limit is one too high": Plant(project_plan, "admit", _admitting_one_more, frozenset({"10"})),
    "a pod can vanish unrecorded": Plant(sandbox_plan, "build_pod", _without_finalizer, frozenset({"once", "6", "9"})),
    "a Sandbox has a new name each time": Plant(start, "sandbox_name", _numbering, frozenset({"once", "9"})),
    "a plan that writes nothing observes nothing": Plant(reconcile, "finish_plan", _unfinished, frozenset({"13"})),
    "a Run reads the Sandboxes of others": Plant(
        store.Store, "by_index", _reading_those_of_others, frozenset({"world"})
    ),
    "a worker waits for a host": Plant(observe.Observer, "is_quick", _returning(True), frozenset({"11"})),
    "a history that went back is not noticed": Plant(Cache, "replace_all", _merging_every_list, frozenset({"9"})),
    **{words: Plant(*fault, needs="merges") for words, fault in MERGE_FAULTS.items()},
}
"""The faults, by what they do."""
