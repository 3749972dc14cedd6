"""The Learnings that the agent of a try proposes: each is made once, and people decide about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.run.lessons import left_out_event
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create, Plan
from codecourier.core.shared.learnings import name_lesson
from codecourier.core.shared.naming import LABEL_RUN_UID
from codecourier.core.shared.reasons import Reason
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
    left out, and so is what is beyond the bound.
    """
    if world.is_namespace_ending or sandbox.status.result is None or not sandbox.status.result.learnings:
        return plan
    url = world.run.status.repository_url or ""
    found = _find_new(world, url, sandbox.status.result.learnings)
    new = tuple(Create(_build(world.run, url, name, text)) for name, text in found)
    room = max(0, UNDECIDED_MAX_COUNT - world.learnings.count_undecided(url)) if new else 0
    if len(new) > room:
        detail = f"{UNDECIDED_MAX_COUNT} of the repository are not accepted yet. Accept some of them, or delete them."
        plan = _leaving_out(plan, len(new) - room, detail)
    return _with_records(world, plan, new[:room], now)


def _find_new(world: RunWorld, url: str, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each lesson that is new: agents also repeat what they were given, as people worded it."""
    workflow = world.run.spec.workflow_ref.name
    seen = set[str]()
    for text in texts:
        name = name_lesson(url, text)
        is_known = name in seen or world.learnings.has(name, url) or world.learnings.says(url, workflow, text)
        seen.add(name)
        if not is_known:
            yield name, text


def _with_records(world: RunWorld, plan: Plan, records: tuple[Create, ...], now: datetime) -> Plan:
    """Return the plan with these records, as far as the end of the try makes them or waits for them."""
    refusals = {record: problem for record in records if (problem := world.failures.get(record)) is not None}
    lost = {record: problem for record, problem in refusals.items() if problem.is_final}
    passing = [problem for problem in refusals.values() if not problem.is_final]
    if passing and (limit := min(_limit(problem, now) for problem in passing)) > now:
        plan = replace(plan, look_again=limit)
    elif passing:
        lost = dict.fromkeys(records, passing[0])
    if lost:
        plan = _leaving_out(plan, len(lost), next(iter(lost.values())).message)
    return replace(plan, records=(*plan.records, *(record for record in records if record not in lost)))


def _limit(problem: Problem, now: datetime) -> datetime:
    """Return until when a refusal is waited for: a quota is there to stay."""
    return now if problem.reason is Reason.QUOTA_EXCEEDED else (problem.since or now) + WAIT_LIMIT


def _leaving_out(plan: Plan, count: int, detail: str) -> Plan:
    event = left_out_event(f"{count} lesson(s) that the agent proposed are", detail)
    return replace(plan, events=(*plan.events, event))


def _build(run: Run, url: str, name: str, text: str) -> Learning:
    return Learning(
        metadata=ObjectMeta(name=name, namespace=run.namespace, labels={LABEL_RUN_UID: run.uid}),
        spec=LearningSpec(text=text, repository_url=url, run=LearningRun(name=run.name, uid=run.uid)),
    )
