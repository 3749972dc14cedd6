"""Why an object is where it is, as data and as a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from codecourier.core.explain.steps import find_next_step
from codecourier.core.shared.facts import Problem
from codecourier.resources.meta import Condition, CustomResource

__all__ = ["Cause", "Explanation", "Subject", "cause_of", "merge", "said_by", "without_repetitions"]


@dataclass(frozen=True)
class Subject:
    """An object of the same namespace, by its kind and name."""

    kind: str
    name: str

    @classmethod
    def of(cls, obj: CustomResource) -> Subject:
        """Return what names an object."""
        return cls(obj.kind, obj.name)


@dataclass(frozen=True)
class Cause:
    """One thing that keeps an object where it is."""

    code: str
    """Reason of the catalogue, or of Kubernetes."""

    sentence: str
    """What is the case."""

    next_step: str | None
    """What a user does about it; None: the sentence says it, or there is nothing to do."""

    subject: Subject
    """The object that it is about: the explained one, or one that it names or waits for."""

    since: datetime | None = None
    """Since when it is so; None: not known."""

    until: datetime | None = None
    """When it is over or looked at anew by itself; None: not known."""


@dataclass(frozen=True)
class Explanation:
    """Why an object is where it is, and what it waits for."""

    sentence: str
    """All of it in one sentence or two: where it is, and the first cause."""

    causes: tuple[Cause, ...]
    """What it waits for; the first one counts most."""


def cause_of(problem: Problem, subject: Subject) -> Cause:
    """Return a cause that a problem is."""
    return Cause(
        problem.reason, problem.message, find_next_step(problem.reason), subject, problem.since, problem.retry_time
    )


def said_by(condition: Condition, subject: Subject, until: datetime | None = None) -> Cause:
    """Return a cause that a condition says, in its words."""
    step = find_next_step(condition.reason)
    return Cause(condition.reason, condition.message, step, subject, condition.last_transition_time, until)


def merge(said: Cause | None, found: Iterable[Cause]) -> Iterator[Cause]:
    """Yield what the object says itself, about the object that it is about, then what else was found."""
    found = tuple(found)
    if said is None:
        yield from found
        return
    about = next((cause.subject for cause in found if cause.code == said.code), said.subject)
    yield replace(said, subject=about)
    yield from (cause for cause in found if cause.code != said.code)


def without_repetitions(causes: Iterable[Cause]) -> Iterator[Cause]:
    """Yield causes without those whose sentence an earlier one says already."""
    known: set[str] = set()
    for cause in causes:
        if cause.sentence not in known:
            known.add(cause.sentence)
            yield cause
