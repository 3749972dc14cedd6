"""Questions of plans that take long to answer: looked up beside the workers, once for all that ask the same.

A key whose plan lacks an answer waits for it without a worker; the answer goes into the key's mailbox and wakes it. A
mailbox serves one decision: once a plan has decided, it is emptied, and an answer to a question that was asked before
never serves a decision after it. So what a plan reads is never older than what its last plan wrote.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from codecourier.controller.background import Background
from codecourier.controller.observe import Observer
from codecourier.core.shared.facts import Ask
from codecourier.kinds.registry import WorkKey

__all__ = ["ANSWER_SECONDS", "EndlessAskError", "LookUps"]

ANSWER_SECONDS = 60.0
"""How long an answer waits for the plan that asked; a key can be held up by its backoff."""

_MOST_CALLS = 8
"""How many questions of one plan the API server is asked at once."""

_MOST_ROUNDS = 6
"""How often one plan may ask before it must decide."""


class EndlessAskError(RuntimeError):
    """A plan asks again and again and never decides."""

    def __init__(self, key: WorkKey) -> None:
        super().__init__(f"the plan of {key.resource.kind} {key.namespace}/{key.name} never stops asking")


@dataclass
class _LookUp:
    """A question that is being looked up."""

    number: int
    waiting: dict[Hashable, WorkKey] = field(default_factory=dict)
    """Who waits for the answer: the memories of objects, with their keys."""


@dataclass
class _Failure:
    error: Exception


@dataclass
class _Mailbox:
    """The answers for one decision."""

    answers: dict[Ask[Any], object] = field(default_factory=dict)
    awaited: dict[Ask[Any], _LookUp] = field(default_factory=dict)
    rounds: int = 0
    time: float = 0.0
    """When the last answer came, on the loop's clock."""


class LookUps:
    """The look-ups that are under way, and the mailboxes of the keys that wait for them.

    Parameters
    ----------
    observer
        Answers a question.
    background
        Runs the look-ups.
    wake
        Called with each key that an answer has come for.
    """

    def __init__(self, observer: Observer, background: Background, wake: Callable[[WorkKey], None]) -> None:
        self._observer = observer
        self._background = background
        self._wake = wake
        self._mailboxes: dict[Hashable, _Mailbox] = {}
        self._running: OrderedDict[Ask[Any], _LookUp] = OrderedDict()
        self._decided: OrderedDict[Hashable, int] = OrderedDict()
        """Number of the next look-up when an object's plan decided; kept while an older look-up runs."""

        self._next = 0

    @property
    def running(self) -> int:
        """How many questions are being looked up."""
        return len(self._running)

    @property
    def parked(self) -> int:
        """How many objects wait for an answer."""
        return sum(bool(box.awaited) for box in self._mailboxes.values())

    def answers(self, memory: Hashable) -> dict[Ask[Any], object]:
        """Return the answers that have come for an object's next decision.

        Raises
        ------
        Exception
            What a look-up raised. It is raised once, so that the queue retries the key after its backoff.
        """
        box = self._mailboxes.get(memory)
        if box is None:
            return {}
        if not box.awaited and self._time() > box.time + ANSWER_SECONDS:
            del self._mailboxes[memory]
            return {}
        for ask, answer in tuple(box.answers.items()):
            if isinstance(answer, _Failure):
                del box.answers[ask]
                box.rounds = 0  # the plan asks the same once more, after the queue's backoff
                raise answer.error
        return dict(box.answers)

    async def find(self, key: WorkKey, memory: Hashable, asks: tuple[Ask[Any], ...]) -> dict[Ask[Any], object] | None:
        """Return the answers to questions, or None: they are looked up, and the last one wakes the key.

        Raises
        ------
        EndlessAskError
            If the plan of this object has asked too often without a decision.
        """
        found: dict[Ask[Any], object] = {}
        missing: list[Ask[Any]] = []
        for ask in asks:
            known = self._observer.recall(ask)
            if known is not None:
                found[ask] = known
            elif not self._observer.is_quick(ask):
                missing.append(ask)
        if missing:
            self._await_answers(key, memory, missing)
            return None
        quick = [ask for ask in asks if ask not in found]
        for start in range(0, len(quick), _MOST_CALLS):
            some = quick[start : start + _MOST_CALLS]
            answers = await asyncio.gather(*(self._observer.answer(ask) for ask in some))
            found |= zip(some, answers, strict=True)
        return found

    def decide(self, memory: Hashable) -> None:
        """Empty the mailbox of an object whose plan has decided; what it still waits for is not for its next plan."""
        box = self._mailboxes.pop(memory, None)
        for look_up in box.awaited.values() if box is not None else ():
            look_up.waiting.pop(memory)
        self._decided.pop(memory, None)
        if self._running:
            self._decided[memory] = self._next
        self._prune()

    def _await_answers(self, key: WorkKey, memory: Hashable, asks: list[Ask[Any]]) -> None:
        box = self._mailboxes.setdefault(memory, _Mailbox())
        new = [ask for ask in asks if ask not in box.awaited]
        if not new:
            return
        box.rounds += 1
        if box.rounds > _MOST_ROUNDS:
            self.decide(memory)
            raise EndlessAskError(key)
        for ask in new:
            self._await_answer(key, memory, box, ask)

    def _await_answer(self, key: WorkKey, memory: Hashable, box: _Mailbox, ask: Ask[Any]) -> None:
        running = self._running.get(ask)
        if running is None or running.number < self._decided.get(memory, 0):
            running = _LookUp(self._next)
            self._next += 1
            if not self._background.start(self._look_up(ask, running)):
                return
            self._running[ask] = running
            self._running.move_to_end(ask)
        running.waiting[memory] = key
        box.awaited[ask] = running

    async def _look_up(self, ask: Ask[Any], look_up: _LookUp) -> None:
        answer: object = None
        try:
            answer = await self._observer.answer(ask)
        except Exception as error:  # noqa: BLE001  a worker raises it in `answers`, into the queue's backoff
            answer = _Failure(error)
        finally:
            if self._running.get(ask) is look_up:
                del self._running[ask]
            self._prune()
        for memory, key in look_up.waiting.items():
            box = self._mailboxes[memory]
            del box.awaited[ask]
            box.answers[ask] = answer
            box.time = self._time()
            if not box.awaited or isinstance(answer, _Failure):
                self._wake(key)

    def _prune(self) -> None:
        """Forget decisions that no look-up under way is older than."""
        oldest = next(iter(self._running.values())).number if self._running else self._next + 1
        while self._decided and next(iter(self._decided.values())) <= oldest:
            self._decided.popitem(last=False)

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()
