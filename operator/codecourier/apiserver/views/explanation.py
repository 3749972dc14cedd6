"""Explanations in the REST API."""

from __future__ import annotations

from codecourier.apiserver.answers import Instant, View
from codecourier.apiserver.ids import PREFIXES
from codecourier.apiserver.words import reason_word
from codecourier.core.explain.explanation import Cause, Explanation, Subject

__all__ = ["ExplanationView", "view_explanation"]


class SubjectView(View):
    """An object that a cause is about."""

    kind: str
    name: str
    id: str | None
    """Its id in the REST API; null where its kind is not served."""


class CauseView(View):
    """One thing that keeps an object where it is."""

    code: str
    """A word for programs, one of the reasons or of Kubernetes' own."""

    sentence: str
    """What is the case."""

    next_step: str | None
    """What a user does about it; null where the sentence says it, or nothing is to be done."""

    object: SubjectView
    """What it is about: the object itself, or one that it names or waits for."""

    since: Instant | None
    """Since when it is so; of a slot that made no run, the slot."""

    until: Instant | None
    """When it is over or looked at anew by itself."""


class ExplanationView(View):
    """Why an object is where it is, and what it waits for."""

    id: str
    sentence: str
    """Where the object is, the first cause, and what to do next."""

    causes: list[CauseView]
    """The first one counts most; empty where nothing is waited for."""


def _view_subject(subject: Subject) -> SubjectView:
    prefix = PREFIXES.get(subject.kind)
    return SubjectView(kind=subject.kind, name=subject.name, id=None if prefix is None else prefix + subject.name)


def _view_cause(cause: Cause) -> CauseView:
    return CauseView(
        code=reason_word(cause.code),
        sentence=cause.sentence,
        next_step=cause.next_step,
        object=_view_subject(cause.subject),
        since=cause.since,
        until=cause.until,
    )


def view_explanation(id_: str, explanation: Explanation) -> ExplanationView:
    """Return what is shown of an explanation."""
    return ExplanationView(
        id=id_, sentence=explanation.sentence, causes=[_view_cause(cause) for cause in explanation.causes]
    )
