"""One object at a time: gather, plan, execute, and schedule the next run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from codecourier.cache.store import UnreadableError
from codecourier.controller.execute import Executor
from codecourier.controller.follower import Follower
from codecourier.controller.lookups import ANSWER_SECONDS, EndlessAskError, LookUps
from codecourier.core.shared.facts import Facts
from codecourier.core.shared.finishing import finish_plan, plan_waiting
from codecourier.core.shared.intents import Event, Failures, Plan
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.unreadable import readable_again, unreadable_status
from codecourier.core.shared.worlds import World
from codecourier.kinds.kind import Kind, Strays
from codecourier.kinds.registry import Registry, WorkKey
from codecourier.kinds.relation import View
from codecourier.kube.api import Json
from codecourier.kube.errors import ApiError, Conflict, Forbidden, Invalid
from codecourier.logs import log_context
from codecourier.redaction import redact
from codecourier.resources.meta import CustomResource

__all__ = ["Reconciler"]

_LOGGER = logging.getLogger(__name__)

W = TypeVar("W", bound=World)

_UNREADABLE_SECONDS = 60.0
"""When an object is tried again that refers to an unreadable one."""

_DETAIL_LENGTH = 1024
"""Longest part of the API server's own words in a sentence, in characters."""

_MOST_ROUNDS = 6
"""How often one plan may ask what the API server answers at once before it must decide."""


class Reconciler:
    """Works on keys.

    Parameters
    ----------
    registry
        The kinds, and how each is gathered and planned.
    view
        What gathers read from.
    look_ups
        Answers what plans ask.
    follower
        Follows for plans what is outside of the cluster.
    executor
        Carries plans out.
    now
        The wall clock, in UTC.
    look_again
        Called with a key and the loop's time of its next run.
    inspect
        Called with each world before its plan.
    planned
        Called after each plan with the processor time that it took, in seconds, with what it read.
    """

    def __init__(
        self,
        registry: Registry,
        view: View,
        look_ups: LookUps,
        follower: Follower,
        executor: Executor,
        *,
        now: Callable[[], datetime],
        look_again: Callable[[WorkKey, float], None],
        inspect: Callable[[World], None],
        planned: Callable[[WorkKey, float], None],
    ) -> None:
        self._registry = registry
        self._view = view
        self._look_ups = look_ups
        self._follower = follower
        self._executor = executor
        self._now = now
        self._look_again = look_again
        self._inspect = inspect
        self._planned = planned
        self._reported: dict[WorkKey, str] = {}
        """What was reported about objects that cannot be read or written, so that a further run does not repeat it."""

    async def reconcile(self, key: WorkKey) -> bool:
        """Move one object a step forward; an exception asks the queue for a retry.

        Returns
        -------
        bool
            False where it waits, without a worker, for an answer or an effect, whose end wakes the key.
        """
        with log_context(kind=key.resource.kind, namespace=key.namespace, name=key.name):
            return await self._reconcile(key, self._registry.by_resource[key.resource])

    async def _reconcile(self, key: WorkKey, kind: Kind[Any, Any]) -> bool:
        is_done = True
        obj = self._view.store.raw(key.resource, key.namespace, key.name)
        if kind.strays is not None:
            is_done = await self._clear_strays(key, kind.strays, None if obj is None else obj["metadata"]["uid"])
            obj = self._view.store.raw(key.resource, key.namespace, key.name)
        if self._is_busy(key):
            if obj is not None:
                await self._observe(key, kind, obj)
            return False
        if obj is None:
            self._executor.backlog.forget(key)
            self._look_ups.decide(key)
            self._follower.follow(key, None)
            self._reported.pop(key, None)
            return is_done
        try:
            is_done &= await self._advance(key, kind, obj)
        except UnreadableError as error:
            await self._report(key, obj, error)
        else:
            self._reported.pop(key, None)
        return is_done

    async def _advance(self, key: WorkKey, kind: Kind[Any, Any], obj: Json) -> bool:
        model = self._view.store.read(kind.source, obj)

        def gather() -> World:
            world: World = kind.read(self._view, model)
            self._inspect(world)
            return world

        with log_context(uid=model.uid, attempt=_attempt(model)):
            decided = await self._decide(key, key, gather, kind.plan)
            if decided is not None:
                self._follower.follow(key, decided.follow)
            plan = self._finish(model, decided)
            failed = self._executor.backlog.problems(key).keys()
            try:
                await self._executor.execute(key, obj, model, plan)
            except Conflict as error:
                # Another client wrote first: the watch delivers the newer object, which wakes this key by itself. If
                # the watch is late, the retry with backoff waits for it.
                _LOGGER.debug("written by another client", extra={"reason": "Conflict", "error": str(error)})
                raise
            except ApiError as error:
                await self._report_refusal(key, obj, error)
                raise
        if decided is None:
            return False
        self._schedule(key, key, plan)
        if failed & {*plan.records, *plan.creates} - self._executor.backlog.problems(key).keys():
            # What was refused is made now. Its status still says otherwise, and not every object wakes its maker.
            self._look_again(key, asyncio.get_running_loop().time() + 0.05)
        # An effect that raises wakes the key each time: only one that succeeds may end the key's backoff.
        return not self._executor.in_flight.is_busy(key)

    def _finish(self, model: CustomResource, decided: Plan | None) -> Plan:
        if decided is None:
            return plan_waiting(model, self._now())
        return finish_plan(model, readable_again(model, decided), self._now())

    async def _observe(self, key: WorkKey, kind: Kind[Any, Any], obj: Json) -> None:
        """Observe the generation of an object whose effect is still on its way."""
        with suppress(UnreadableError):
            model = self._view.store.read(kind.source, obj)
            await self._executor.execute(key, obj, model, plan_waiting(model, self._now()))

    async def _report(self, key: WorkKey, obj: Json, error: UnreadableError) -> None:
        """Report on an object that it, or one that it refers to, cannot be read; its next version is tried again."""
        is_own = (error.resource, error.namespace, error.name) == key
        if not is_own:
            # A finished object is not woken by all that it refers to, and is tried again all the same.
            self._look_again(key, asyncio.get_running_loop().time() + _UNREADABLE_SECONDS)
        if self._reported.get(key) == str(error):
            return
        detail = f"{error.detail}."
        if not is_own:
            detail = f"it refers to {error.resource.kind} {error.name}: {detail}"
        _LOGGER.warning("%s", error, extra={"reason": Reason.UNREADABLE.value})
        message = sentence(Reason.UNREADABLE, detail=detail)
        await self._executor.recorder.record(obj, Event(Reason.UNREADABLE.value, message, is_warning=True))
        status = unreadable_status(obj, detail, self._now()) if is_own and "status" in obj else None
        if status is not None:
            await self._write_report(key, obj, status)
        self._reported[key] = str(error)

    async def _write_report(self, key: WorkKey, obj: Json, status: Json) -> None:
        try:
            await self._executor.write_status(key.resource, obj, status)
        except (Forbidden, Invalid) as refusal:
            # Its schema may not allow this status; the Event and the metric report it too.
            _LOGGER.info("the status of an object that cannot be read was not written: %s", refusal)

    async def _report_refusal(self, key: WorkKey, obj: Json, error: ApiError) -> None:
        """Report once that a status, finalizer or deletion is refused, which no status can say."""
        word = type(error).__name__
        if not isinstance(error, Forbidden | Invalid) or self._reported.get(key) == word:
            return
        message = sentence(Reason.WRITE_REFUSED, detail=redact(error.message)[:_DETAIL_LENGTH])
        _LOGGER.warning(message, extra={"reason": Reason.WRITE_REFUSED.value})
        await self._executor.recorder.record(obj, Event(Reason.WRITE_REFUSED.value, message, is_warning=True))
        self._reported[key] = word

    async def _clear_strays(self, key: WorkKey, strays: Strays[Any], uid: str | None) -> bool:
        # Failures are remembered apart from those of the present object of that name.
        memory = ("strays", key)
        worlds = tuple(strays.gather(self._view, key.namespace, key.name, uid))
        for world in worlds:
            if self._is_busy(memory) or not await self._clear_stray(key, memory, strays, world):
                return False
        if not worlds:
            self._executor.backlog.forget(memory)
        return True

    async def _clear_stray(self, key: WorkKey, memory: Hashable, strays: Strays[Any], world: World) -> bool:
        plan = await self._decide(key, memory, lambda: world, strays.plan)
        if plan is None:
            return False
        await self._executor.clear(key, memory, plan)
        self._schedule(key, memory, plan)
        return not self._executor.in_flight.is_busy(memory)

    def _is_busy(self, memory: Hashable) -> bool:
        self._executor.in_flight.check(memory)
        return self._executor.in_flight.is_busy(memory)

    async def _decide(
        self, key: WorkKey, memory: Hashable, gather: Callable[[], W], plan_world: Callable[[W, datetime], Plan]
    ) -> Plan | None:
        """Plan with the answers that are there until the plan decides; None: it waits for answers."""
        failures = Failures(self._executor.backlog.problems(memory))
        answers = {**self._follower.facts(memory), **self._look_ups.answers(memory)}
        for _ in range(_MOST_ROUNDS):
            start = time.thread_time()
            plan = plan_world(replace(gather(), facts=Facts(answers), failures=failures), self._now())
            self._planned(key, time.thread_time() - start)
            if not plan.asks:
                self._look_ups.decide(memory)
                return plan
            found = await self._look_ups.find(key, memory, plan.asks)
            if found is None:
                # By then the plan may decide without the answer.
                self._look_again(key, asyncio.get_running_loop().time() + ANSWER_SECONDS)
                return None
            answers |= found
        raise EndlessAskError(key)

    def _schedule(self, key: WorkKey, memory: Hashable, plan: Plan) -> None:
        loop_time = asyncio.get_running_loop().time()
        if plan.look_again is not None:
            seconds = max(0.0, (plan.look_again - self._now()).total_seconds())
            self._look_again(key, loop_time + max(seconds, 0.05))
        if replace(plan, follow=None) == Plan():
            self._executor.backlog.forget(memory)
        due = self._executor.backlog.next_time(memory, (*plan.effects, *plan.records, *plan.creates))
        if due is not None and not self._executor.in_flight.is_busy(memory):
            self._look_again(key, max(due, loop_time + 0.05))


def _attempt(model: CustomResource) -> int | None:
    """Return the attempt that an object is in; None for kinds that have none."""
    for part in (getattr(model, "status", None), getattr(model, "spec", None)):
        attempt = getattr(part, "attempt", None)
        if isinstance(attempt, int) and attempt:
            return attempt
    return None
