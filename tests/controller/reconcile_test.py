"""One object at a time: what a plan asks, what it is told, and when it is looked at again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from codecourier.controller.lookups import ANSWER_SECONDS
from codecourier.controller.reconcile import Reconciler
from codecourier.core.shared.facts import BranchHeadAsk, BranchHeadFact, RepositoryAccess, RepositoryAsk, RepositoryFact
from codecourier.core.shared.intents import CreateRevision, Plan
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.revisions import build_revision
from codecourier.core.shared.worlds import World
from codecourier.kinds.api_resources import RUNS, SANDBOXES
from codecourier.kinds.kind import Kind, Planning, Use
from codecourier.kinds.registry import Registry, WorkKey
from codecourier.kinds.sandbox import SANDBOX
from codecourier.kube.api import CONTROLLER_REVISIONS, EVENTS, SECRETS
from codecourier.kube.errors import Conflict, Forbidden, ServerError, Unanswered
from codecourier.resources.run import Run, RunPhase
from tests.simulation.clock import pass_time, virtual
from tests.simulation.forge import MAIN, URL
from tests.support.desk import NAMESPACE, Desk
from tests.support.worlds import make_workflow

KEY = WorkKey(RUNS, NAMESPACE, "fix")
FORBIDDEN = Forbidden(403, "Forbidden", "no such status")
ACCESS = RepositoryAccess(NAMESPACE, URL, installation_id=1)


@dataclass(frozen=True)
class TrialWorld(World):
    """A Run."""

    run: Run


class Trial:
    """A reconciler of Runs whose plan is the test's. Make it inside the running loop."""

    def __init__(self, plan: Callable[[TrialWorld, datetime], Plan], *uses: Use) -> None:
        self.desk = Desk(is_app=True)
        self.desk.make_project()
        self.desk.make_run()
        self.desk.refresh()
        self.looks: list[tuple[WorkKey, float]] = []
        self.planned: list[tuple[WorkKey, float]] = []
        row = Kind(Run, Planning(lambda _read, run: TrialWorld(run), plan, reads=()), uses=uses)
        self.reconciler = Reconciler(
            Registry((row, SANDBOX)),
            self.desk.view,
            self.desk.look_ups,
            self.desk.follower,
            self.desk.executor,
            now=self.desk.clock.now,
            look_again=lambda key, time: self.looks.append((key, time)),
            inspect=lambda _world: None,
            planned=lambda key, seconds: self.planned.append((key, seconds)),
        )

    async def reconcile(self, key: WorkKey = KEY) -> None:
        """Work on a key, again after each answer, until its plan has decided and its effects have ended."""
        while not await self.reconciler.reconcile(key) and not len(self.desk.executor.in_flight):
            await self.desk.settle()
        await self.desk.settle()


def time() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_a_plan_is_carried_out() -> None:
    trial = Trial(lambda world, _: Plan(status=world.run.status.updated(phase=RunPhase.QUEUED)))
    await trial.reconcile()
    assert trial.desk.run()[1].status.phase is RunPhase.QUEUED
    assert trial.looks == []


@virtual
async def test_the_processor_time_of_each_plan_is_noted() -> None:
    trial = Trial(lambda _world, _now: Plan())
    await trial.reconcile()
    ((key, seconds),) = trial.planned
    assert key == KEY
    assert seconds > 0


@virtual
async def test_what_is_gone_is_forgotten() -> None:
    trial = Trial(lambda _world, _now: Plan())
    effect = trial.desk.mint("u")
    gone = WorkKey(RUNS, NAMESPACE, "none")
    trial.desk.backlog.note(gone, effect, None)
    await trial.reconciler.reconcile(gone)
    assert trial.desk.backlog.problems(gone) == {}
    assert trial.desk.wire.calls == []


@virtual
async def test_what_a_plan_asks_is_answered_until_it_decides() -> None:
    asks = (RepositoryAsk(ACCESS), BranchHeadAsk(ACCESS, MAIN))
    seen: list[dict[Any, Any]] = []

    def plan(world: TrialWorld, _now: datetime) -> Plan:
        seen.append(dict(world.facts.answers))
        missing = [ask for ask in asks if ask not in world.facts.answers]
        return Plan(asks=(missing[0],), look_again=_now) if missing else Plan()

    trial = Trial(plan)
    await trial.reconcile()
    head = trial.desk.forge.branches[MAIN]
    assert seen == [
        {},
        {asks[0]: RepositoryFact(MAIN)},
        {asks[0]: RepositoryFact(MAIN), asks[1]: BranchHeadFact(head)},
    ]
    assert {look - ANSWER_SECONDS < time() for _, look in trial.looks} == {True}, "a plan that asks has decided nothing"


@virtual
async def test_a_plan_that_never_stops_asking_is_an_error() -> None:
    count = iter(range(1000))

    def plan(_world: TrialWorld, _now: datetime) -> Plan:
        return Plan(asks=(BranchHeadAsk(ACCESS, f"b{next(count)}"),))

    with pytest.raises(RuntimeError, match="Run default/fix never stops asking"):
        await Trial(plan).reconcile()
    assert next(count) < 20


@virtual
async def test_a_conflict_asks_for_another_try() -> None:
    trial = Trial(lambda world, _: Plan(status=world.run.status.updated(phase=RunPhase.QUEUED)))
    trial.desk.server.store.patch(RUNS, NAMESPACE, "fix", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(Conflict):
        await trial.reconcile()
    trial.desk.refresh()
    await trial.reconcile()
    assert trial.desk.run()[1].status.phase is RunPhase.QUEUED


@virtual
async def test_a_plan_says_when_to_look_again() -> None:
    trial = Trial(lambda _, now: Plan(look_again=now + timedelta(seconds=30), is_brief=True))
    await trial.reconcile()
    assert trial.looks == [(KEY, time() + 30.0)]


@virtual
async def test_a_moment_that_is_past_is_soon_and_not_at_once() -> None:
    trial = Trial(lambda _, now: Plan(look_again=now - timedelta(seconds=30)))
    await trial.reconcile()
    assert trial.looks == [(KEY, time() + 0.05)]


@virtual
async def test_an_effect_that_worked_is_looked_at() -> None:
    trial = Trial(lambda _world, _now: Plan(effects=(trial.desk.mint("u"),)))
    await trial.reconcile()
    assert (trial.desk.woken, trial.looks) == ([KEY], [])


@pytest.mark.parametrize("verb", ["replace_status", "patch"])
def test_a_refused_write_is_reported_once(verb: str) -> None:
    plans: dict[str, Callable[[Run], Plan]] = {
        "replace_status": lambda run: Plan(status=run.status.updated(phase=RunPhase.RUNNING)),
        "patch": lambda _: Plan(add_finalizer=True),
    }

    @virtual
    async def scenario() -> None:
        trial = Trial(lambda world, _now: plans[verb](world.run))
        denied = Forbidden(403, "Forbidden", "a policy says no to ghs_abcdefgh12345678")
        trial.desk.wire.refuse = lambda call: denied if call.verb == verb else None
        for _ in range(2):
            with pytest.raises(Forbidden):
                await trial.reconcile()
        await trial.desk.settle()
        (event,) = trial.desk.server.store.list(EVENTS, NAMESPACE)
        assert (event.obj["reason"], event.obj["type"]) == ("WriteRefused", "Warning")
        assert "a policy says no to ***" in event.obj["note"]
        trial.desk.wire.refuse = lambda _: None
        await trial.reconcile()

    scenario()


@virtual
async def test_an_effect_that_raises_does_not_end_the_backoff_of_its_key() -> None:
    trial = Trial(lambda _world, _now: Plan(effects=(trial.desk.mint("u"),)))
    trial.desk.wire.refuse = lambda call: Unanswered("away") if call.resource == SECRETS else None
    assert await trial.reconciler.reconcile(KEY) is False
    await trial.desk.settle()
    with pytest.raises(Unanswered):
        await trial.reconciler.reconcile(KEY)


@virtual
async def test_an_effect_that_failed_is_told_to_the_next_plan_and_tried_at_its_time() -> None:
    told: list[dict[Any, Any]] = []

    def plan(world: TrialWorld, _now: datetime) -> Plan:
        told.append(dict(world.failures.problems))
        return Plan(effects=(trial.desk.mint("u"),))

    trial = Trial(plan)
    trial.desk.wire.refuse = lambda call: ServerError(503, "", "away") if call.client.endswith("@forge") else None
    await trial.reconcile()
    assert told == [{}]
    assert trial.desk.woken == [KEY]
    await trial.reconcile()
    assert told[1][trial.desk.mint("u")].reason is Reason.FORGE_UNAVAILABLE
    ((_, due),) = trial.looks
    assert time() + 0.4 < due <= time() + 1.0
    await pass_time(due - time())
    trial.desk.wire.refuse = lambda _: None
    await trial.reconcile()
    assert trial.desk.backlog.problems(KEY) == {}


@virtual
async def test_tokens_of_a_sandbox_that_is_gone_are_revoked() -> None:
    trial = Trial(lambda _world, _now: Plan())
    desk, key = trial.desk, WorkKey(SANDBOXES, NAMESPACE, "fix-1")
    assert await desk.effects.do(trial.desk.mint("uid-gone")) is None
    desk.wire.refuse = lambda call: Unanswered("away") if call.client.endswith("@forge") else None
    await trial.reconcile(key)
    assert desk.has(SECRETS, "fix-1-token")
    assert desk.woken == [key]
    await trial.reconcile(key)
    assert {again for again, _ in trial.looks} == {key}
    when = min(when for _, when in trial.looks)
    desk.wire.refuse = lambda _: None
    await pass_time(when - time())
    await trial.reconcile(key)
    assert not desk.has(SECRETS, "fix-1-token")
    assert all(token.is_revoked for token in desk.forge.tokens.values())
    await trial.reconcile(key)
    assert len(desk.backlog) == 0


@pytest.mark.parametrize(("error", "is_tried_again"), [(ServerError(503, "", "busy"), True), (FORBIDDEN, False)])
def test_a_report_that_a_busy_server_did_not_take_is_written_later(error: Exception, *, is_tried_again: bool) -> None:
    @virtual
    async def scenario() -> None:
        trial = Trial(lambda _world, _now: Plan())
        obj = trial.desk.store.raw(RUNS, NAMESPACE, "fix")
        assert obj is not None
        obj["status"] = {"phase": "Hibernating"}
        obj["metadata"]["resourceVersion"] = str(int(obj["metadata"]["resourceVersion"]) + 1)
        trial.desk.wire.refuse = lambda call: error if call.verb == "replace_status" else None
        with pytest.raises(ServerError) if is_tried_again else nullcontext():
            await trial.reconcile()
        trial.desk.wire.calls.clear()
        with pytest.raises(ServerError) if is_tried_again else nullcontext():
            await trial.reconcile()
        assert bool(trial.desk.wire.calls) is is_tried_again

    scenario()


@virtual
async def test_what_was_refused_and_is_made_now_is_planned_with_at_once() -> None:
    workflow = make_workflow()
    metadata = workflow.metadata.updated(namespace=NAMESPACE)
    create = CreateRevision(build_revision(workflow.updated(metadata=metadata)))
    trial = Trial(lambda _world, _now: Plan(creates=(create,)), Use(CONTROLLER_REVISIONS, ("create", "get")))
    trial.desk.wire.refuse = lambda call: FORBIDDEN if call.verb == "create" else None
    await trial.reconcile()
    ((_, due),) = trial.looks
    trial.looks.clear()
    trial.desk.wire.refuse = lambda _: None
    await pass_time(due - time())
    await trial.reconcile()
    assert [(key, round(at - time(), 2)) for key, at in trial.looks] == [(KEY, 0.05)]
