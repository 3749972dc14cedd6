"""The Learnings that the agent of a try proposes: each is made once, and people decide about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.run.world import RunWorld
from codecourier.core.shared.debts import find_refusal
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.learnings import name_lesson
from codecourier.core.shared.naming import LABEL_RUN_UID
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.learning import Learning, LearningRun, LearningSpec
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox

__all__ = ["UNDECIDED_MAX_COUNT", "WAIT_LIMIT", "with_proposals"]

UNDECIDED_MAX_COUNT = 200
"""Most proposals about a repository that people have not accepted: a stranger's repository makes agents propose."""


WAIT_LIMIT = timedelta(minutes=1)
"""How long the end of a try waits for a lesson, where the API server may take it: an outage is mostly shorter."""


def with_proposals(world: RunWorld, plan: Plan, sandbox: Sandbox, now: datetime) -> Plan:
    """Return the plan that follows from the end of a try, with the Learnings that its agent proposes.

    They are records: functions of the Sandbox's final status, made before the Run's own status says that the try is
    over. One that is there already, in whatever state, is not proposed again. What the API server refuses for good is
    left out.
    """
    if world.is_namespace_ending or sandbox.status.result is None or not sandbox.status.result.learnings:
        return plan
    url = world.run.status.repository_url or ""
    new = [_build(world.run, url, name, text) for name, text in _find_new(world, url, sandbox.status.result.learnings)]
    room = max(0, UNDECIDED_MAX_COUNT - world.learnings.count_undecided(url)) if new else 0
    records = tuple(map(Create, new[:room]))
    problem = find_refusal(world, records)
    if problem is not None and not _may_pass(problem, now):
        return _leaving_out(plan, len(records), problem.message)
    plan = replace(plan, records=(*plan.records, *records))
    if len(new) <= room:
        return plan
    detail = f"{UNDECIDED_MAX_COUNT} of the repository are not accepted yet. Accept some of them, or delete them."
    return _leaving_out(plan, len(new) - room, detail)


def _find_new(world: RunWorld, url: str, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each lesson that is new: agents also repeat what they were given, as people worded it."""
    given = world.learnings.accepted(url, world.run.spec.workflow_ref.name)
    known = {name_lesson(url, learning.spec.text) for learning in given}
    for text in texts:
        name = name_lesson(url, text)
        if name not in known and not world.learnings.has(name):
            known.add(name)
            yield name, text


def _may_pass(problem: Problem, now: datetime) -> bool:
    """Tell whether a refusal is waited for: a quota is there to stay."""
    is_lasting = problem.is_final or problem.reason is Reason.QUOTA_EXCEEDED
    return not is_lasting and now < (problem.since or now) + WAIT_LIMIT


def _leaving_out(plan: Plan, count: int, detail: str) -> Plan:
    what = f"{count} lesson(s) that the agent proposed are"
    text = sentence(Reason.LEARNINGS_LEFT_OUT, what=what, detail=detail)
    return replace(plan, events=(*plan.events, Event(Reason.LEARNINGS_LEFT_OUT.value, text, is_warning=True)))


def _build(run: Run, url: str, name: str, text: str) -> Learning:
    return Learning(
        metadata=ObjectMeta(name=name, namespace=run.namespace, labels={LABEL_RUN_UID: run.uid}),
        spec=LearningSpec(text=text, repository_url=url, run=LearningRun(name=run.name, uid=run.uid)),
    )
