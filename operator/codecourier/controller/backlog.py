"""Failed effects: which problem the next plan reads, and when each may be retried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from codecourier.controller.queue import Backoff
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import target_of

__all__ = ["SILENCE", "Backlog"]

_SHARE_OF_AGE = 0.1
"""Share of the time for which something has failed that it waits at least; from ten minutes on it counts."""

SILENCE = timedelta(seconds=60)
"""How long an intent may have no answer until that is a problem which plans read: an outage is mostly shorter."""

_MOST_SECONDS = 600.0
"""Longest wait that follows from the age of a problem."""


@dataclass
class _Entry:
    problem: Problem
    failures: int
    due: float
    credential: Hashable = None
    """Version of the credential with which it failed; None where that does not matter."""


class Backlog:
    """Remembers failed effects by the object that they were for. It may be lost: they are then retried at once.

    Parameters
    ----------
    now
        The wall clock, in UTC.
    random
        Source of the jitter.
    backoff
        Retry delay when the problem carries no retry time.
    """

    def __init__(self, now: Callable[[], datetime], random: Random, backoff: Backoff | None = None) -> None:
        self._now = now
        self._random = random
        self._backoff = backoff or Backoff(base_seconds=1.0, max_seconds=60.0)
        self._entries: dict[Hashable, dict[Hashable, _Entry]] = {}
        self._silent: dict[Hashable, dict[Hashable, datetime]] = {}
        """Since when an intent has had no answer."""

    def __len__(self) -> int:
        return sum(len(entries) for entries in self._entries.values())

    def problems(self, key: Hashable) -> dict[Any, Problem]:
        """Return the problem of each failed effect of an object."""
        return {effect: entry.problem for effect, entry in self._entries.get(key, {}).items()}

    def is_due(self, key: Hashable, effect: Hashable) -> bool:
        """Return whether an effect may be tried now."""
        entry = self._entries.get(key, {}).get(effect)
        return entry is None or asyncio.get_running_loop().time() >= entry.due

    def credential(self, key: Hashable, effect: Hashable) -> Hashable:
        """Return the version of the credential with which an effect failed; None where that does not matter."""
        entry = self._entries.get(key, {}).get(effect)
        return None if entry is None else entry.credential

    def note_credential(self, key: Hashable, effect: Hashable, credential: Hashable) -> None:
        """Note the version of the credential with which an effect has just failed."""
        self._entries[key][effect].credential = credential

    def note(self, key: Hashable, effect: Hashable, problem: Problem | None, *, wait_seconds: float = 0.0) -> None:
        """Note the answer to an effect; None: it worked.

        Parameters
        ----------
        key
            The object that it was for.
        effect
            The effect, or another intent.
        problem
            Why it did not work.
        wait_seconds
            How long the server asks to wait, at most; up to the longest backoff it is believed.
        """
        silent = self._silent.get(key, {})
        silent.pop(effect, None)
        if not silent:
            self._silent.pop(key, None)
        self._note(key, effect, problem, wait_seconds)

    def _note(self, key: Hashable, effect: Hashable, problem: Problem | None, wait_seconds: float = 0.0) -> None:
        entries = self._entries.setdefault(key, {})
        old = entries.pop(effect, None)
        target = target_of(effect)
        for other in [known for known in entries if target is not None and target_of(known) == target]:
            del entries[other]  # it was tried with a credential that is named no more
        if problem is not None:
            failures, since = (1, self._now()) if old is None else (old.failures + 1, old.problem.since)
            refused_since = None
            if problem.is_refusal:
                refused_since = (old.problem.refused_since if old is not None else None) or self._now()
            problem = replace(problem, since=since, refused_since=refused_since, tried=self._now())
            entries[effect] = self._entry(problem, failures, wait_seconds)
        if not entries:
            del self._entries[key]

    def note_unanswered(self, key: Hashable, effect: Hashable, problem: Problem | None) -> bool:
        """Note that an intent had no answer: if it was refused before, this time it may still be carried out.

        Parameters
        ----------
        key
            The object that it was for.
        effect
            The intent.
        problem
            What plans read once it has had no answer for `SILENCE`; None: they never do.

        Returns
        -------
        bool
            Whether they do.
        """
        now = self._now()
        entry = self._entries.get(key, {}).get(effect)
        if entry is not None:
            entry.problem = replace(entry.problem, refused_since=None, tried=now)
        since = self._silent.setdefault(key, {}).setdefault(effect, now)
        if problem is None or now < since + SILENCE:
            return False
        self._note(key, effect, problem)
        return True

    def next_time(self, key: Hashable, wanted: Iterable[Hashable]) -> float | None:
        """Return the loop's time at which the first of the wanted effects that failed may be retried, or None.

        A failed effect that is no longer wanted is never retried, so it must not schedule another reconcile.
        """
        entries = self._entries.get(key, {})
        return min((entries[effect].due for effect in wanted if effect in entries), default=None)

    def forget(self, key: Hashable) -> None:
        """Forget an object that is gone or has nothing left to do."""
        self._entries.pop(key, None)
        self._silent.pop(key, None)

    def _entry(self, problem: Problem, failures: int, wait_seconds: float) -> _Entry:
        delay = max(self._backoff.delay(failures, self._random), min(wait_seconds, self._backoff.max_seconds))
        if problem.since is not None:
            # What has failed for hours is not asked for every minute, by however many objects.
            age = (self._now() - problem.since).total_seconds()
            delay = max(delay, min(age * _SHARE_OF_AGE, _MOST_SECONDS) * (1 - self._random.random() / 2))
        if problem.retry_time is not None:
            # A plan schedules its next run at this time: before the end of the backoff, runs would follow each other
            # without a pause and in vain.
            delay = max(delay, (problem.retry_time - self._now()).total_seconds())
            problem = replace(problem, retry_time=self._now() + timedelta(seconds=delay))
        return _Entry(problem, failures, asyncio.get_running_loop().time() + delay)
