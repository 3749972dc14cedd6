"""One object at a time: gather, plan, execute, and say when to look again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from codecourier.controller.execute import Executor
from codecourier.controller.gather import gather_strays
from codecourier.controller.kinds import SANDBOXES
from codecourier.controller.observe import Observer
from codecourier.controller.registry import Reconciled
from codecourier.controller.store import Store
from codecourier.controller.wakes import WorkKey
from codecourier.core.sandbox.strays import plan_stray
from codecourier.core.sandbox.world import StrayWorld
from codecourier.core.shared.facts import Ask, Facts
from codecourier.core.shared.intents import CreatePod, Failures, Plan
from codecourier.core.shared.naming import token_secret_name
from codecourier.core.shared.worlds import World
from codecourier.kube.api import SECRETS, Resource
from codecourier.kube.errors import Conflict
from codecourier.logs import log_context
from codecourier.resources.meta import CustomResource

__all__ = ["Reconciler"]

_LOGGER = logging.getLogger(__name__)

W = TypeVar("W", bound=World)

_MOST_ROUNDS = 6
"""How often one plan may ask before it has to decide."""


class Reconciler:
    """Works on keys.

    Parameters
    ----------
    registry
        How each kind is gathered and planned.
    store
        The caches.
    observer
        Who answers what plans ask.
    executor
        Who carries plans out.
    now
        The wall clock, in UTC.
    look_again
        Called with a key and the loop's time at which it is to be worked on again.
    """

    def __init__(
        self,
        registry: dict[Resource, Reconciled],
        store: Store,
        observer: Observer,
        executor: Executor,
        *,
        now: Callable[[], datetime],
        look_again: Callable[[WorkKey, float], None],
    ) -> None:
        self._registry = registry
        self._store = store
        self._observer = observer
        self._executor = executor
        self._now = now
        self._look_again = look_again

    async def reconcile(self, key: WorkKey) -> None:
        """Bring one object a step further; an exception asks for another try."""
        with log_context(kind=key.resource.kind, namespace=key.namespace, name=key.name):
            await self._reconcile(key)

    async def _reconcile(self, key: WorkKey) -> None:
        obj = self._store.raw(key.resource, key.namespace, key.name)
        if key.resource == SANDBOXES:
            await self._clear_strays(key, None if obj is None else obj["metadata"]["uid"])
        if obj is None:
            self._executor.backlog.forget(key)
            return
        row = self._registry[key.resource]
        model = self._store.parse(row.model, obj)
        with log_context(uid=model.uid, attempt=_attempt(model)):
            plan = await self._decide(key, lambda: row.gather(self._store, model), row.plan)
            try:
                await self._executor.execute(key, obj, model, plan)
            except Conflict as error:
                # Somebody wrote since: the watch brings the newer object, which wakes this key by itself. Where the
                # watch is what is late, the retry with backoff waits for it.
                _LOGGER.debug("written by others", extra={"reason": "Conflict", "error": str(error)})
                raise
        self._schedule(key, key, plan)

    async def _clear_strays(self, key: WorkKey, sandbox_uid: str | None) -> None:
        # What failed is remembered apart from what did for a Sandbox that may be there under the name.
        memory = WorkKey(SECRETS, key.namespace, token_secret_name(key.name))
        worlds = tuple(gather_strays(self._store, key.namespace, key.name, sandbox_uid))
        for world in worlds:
            await self._clear_stray(key, memory, world)
        if not worlds:
            self._executor.backlog.forget(memory)

    async def _clear_stray(self, key: WorkKey, memory: WorkKey, world: StrayWorld) -> None:
        plan = await self._decide(memory, lambda: world, plan_stray)
        await self._executor.clear(memory, plan)
        self._schedule(key, memory, plan)

    async def _decide(self, key: WorkKey, gather: Callable[[], W], decide: Callable[[W, datetime], Plan]) -> Plan:
        """Plan, answering what the plan asks until it decides."""
        failures, facts = Failures(self._executor.backlog.problems(key)), dict[Ask[Any], object]()
        for _ in range(_MOST_ROUNDS):
            plan = decide(replace(gather(), facts=Facts(facts), failures=failures), self._now())
            if not plan.asks:
                return plan
            answers = await asyncio.gather(*(self._observer.answer(ask) for ask in plan.asks))
            facts = {**facts, **dict(zip(plan.asks, answers, strict=True))}
        raise RuntimeError(f"the plan of {key.resource.kind} {key.namespace}/{key.name} never stops asking")

    def _schedule(self, key: WorkKey, memory: WorkKey, plan: Plan) -> None:
        loop_time = asyncio.get_running_loop().time()
        if plan.look_again is not None:
            seconds = max(0.0, (plan.look_again - self._now()).total_seconds())
            self._look_again(key, loop_time + max(seconds, 0.05))
        if plan == Plan():
            self._executor.backlog.forget(memory)
        pods = (create for create in plan.creates if isinstance(create, CreatePod))
        due = self._executor.backlog.next_time(memory, (*plan.effects, *pods))
        if due is not None:
            self._look_again(key, max(due, loop_time + 0.05))
        elif plan.effects:
            # An effect worked: what it did is looked at, not assumed.
            self._look_again(key, loop_time)


def _attempt(model: CustomResource) -> int | None:
    """Return the attempt that an object is in; None for kinds that have none."""
    for part in (getattr(model, "status", None), getattr(model, "spec", None)):
        attempt = getattr(part, "attempt", None)
        if isinstance(attempt, int) and attempt:
            return attempt
    return None
