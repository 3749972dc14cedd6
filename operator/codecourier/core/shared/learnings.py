"""Learnings: what agents propose, made safe to read and told apart, and which of them an attempt is given."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from codecourier.core.shared.consent import is_same_repository, repository_key
from codecourier.core.shared.naming import learning_name
from codecourier.core.shared.trash import is_trashed
from codecourier.redaction import redact
from codecourier.resources.learning import LEARNING_MAX_BYTES, Learning
from codecourier.text import show_hidden

__all__ = [
    "GIVEN_MAX_BYTES",
    "GIVEN_MAX_COUNT",
    "NO_LEARNINGS",
    "KnownLearnings",
    "LearningList",
    "applies_to",
    "build_lessons",
    "clean_lesson",
    "find_given",
    "fit_learnings",
    "is_given",
    "is_undecided",
    "name_lesson",
    "normalize_lesson",
    "select_learnings",
]

GIVEN_MAX_COUNT = 20
"""Most Learnings that an attempt is given."""

GIVEN_MAX_BYTES = 8192
"""Longest texts of these together, in bytes of UTF-8."""

_SELECTOR = re.compile("[\ufe0e\ufe0f]")
"""Choose between two looks of an emoji, and do nothing after a letter: a series of them can hide a text."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_HEADING = (
    "Lessons from earlier work, which people of this project have written or accepted. They are advice about how to "
    "work here, not a part of the task."
)
_END = "These are all the lessons. The task follows."


class KnownLearnings(Protocol):
    """The Learnings of a namespace, read only where a plan needs them."""

    def accepted(self, repository_url: str, workflow: str) -> Iterable[Learning]:
        """Return those that agents of a Workflow are given on a repository, the newest first."""

    def says(self, repository_url: str, workflow: str, text: str) -> bool:
        """Tell whether one that agents of a Workflow are given on a repository says the same as a text."""

    def find(self, names: Iterable[str]) -> Iterable[Learning]:
        """Return those of these names, in this order; one that is not there is left out."""

    def has(self, name: str, repository_url: str) -> bool:
        """Tell whether there is one of a name about a repository, whatever people have decided about it."""

    def count_undecided(self, repository_url: str) -> int:
        """Return how many were proposed for a repository and are not accepted, those in the trash among them."""


@dataclass(frozen=True)
class LearningList:
    """Learnings that are all at hand."""

    items: tuple[Learning, ...] = ()

    def accepted(self, repository_url: str, workflow: str) -> Sequence[Learning]:
        """Return those that agents of a Workflow are given on a repository, the newest first."""
        found = [item for item in self.items if is_given(item) and applies_to(item, repository_url, workflow)]
        found.sort(key=lambda item: item.name)
        found.sort(key=lambda item: item.metadata.creation_timestamp or _LONG_AGO, reverse=True)
        return found

    def says(self, repository_url: str, workflow: str, text: str) -> bool:
        """Tell whether one that agents of a Workflow are given on a repository says the same as a text."""
        given = self.accepted(repository_url, workflow)
        return any(normalize_lesson(item.spec.text) == normalize_lesson(text) for item in given)

    def find(self, names: Iterable[str]) -> Iterator[Learning]:
        """Return those of these names, in this order."""
        present = {item.name: item for item in self.items}
        return (present[name] for name in names if name in present)

    def has(self, name: str, repository_url: str) -> bool:
        """Tell whether there is one of a name about a repository."""
        return any(is_same_repository(item.spec.repository_url or "", repository_url) for item in self.find((name,)))

    def count_undecided(self, repository_url: str) -> int:
        """Return how many were proposed for a repository and are not accepted."""
        mine = (item for item in self.items if is_same_repository(item.spec.repository_url or "", repository_url))
        return sum(1 for item in mine if is_undecided(item))


NO_LEARNINGS = LearningList()
"""Where there are none."""


def is_given(learning: Learning) -> bool:
    """Tell whether agents are given a Learning: a person has accepted it, and it is not in the trash."""
    return learning.spec.accepted and not is_trashed(learning) and not learning.is_deleting


def is_undecided(learning: Learning) -> bool:
    """Tell whether a Learning was proposed by an agent and no person has accepted it."""
    return learning.spec.run is not None and not learning.spec.accepted


def applies_to(learning: Learning, repository_url: str, workflow: str) -> bool:
    """Tell whether a Learning is about the work of a Workflow on a repository."""
    spec = learning.spec
    if spec.repository_url is not None and not is_same_repository(spec.repository_url, repository_url):
        return False
    return spec.workflow_ref is None or spec.workflow_ref.name == workflow


def clean_lesson(text: str) -> str:
    """Return what an agent proposes as a person sees it and may accept it; empty if nothing can be shown.

    It is one line: `kubectl get` shows only the first of several, and no line of it can look like the end of a list of
    lessons. Whatever looks like a credential is hidden, and so is no character: what the person reads is all that
    agents get.
    """
    shown = " ".join(redact(_SELECTOR.sub("", show_hidden(text))).split())
    return shown.encode()[:LEARNING_MAX_BYTES].decode(errors="ignore").strip()


def name_lesson(repository_url: str, text: str) -> str:
    """Return the name of the Learning with a text about a repository; texts that differ in form alone share it."""
    return learning_name(repository_key(repository_url), normalize_lesson(text))


def normalize_lesson(text: str) -> str:
    """Return what texts that differ in form alone have in common."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".!;, ")


def select_learnings(known: KnownLearnings, repository_url: str, workflow: str) -> tuple[Learning, ...]:
    """Return the Learnings that an attempt is given, the newest first."""
    return tuple(fit_learnings(known.accepted(repository_url, workflow)))


def fit_learnings(learnings: Iterable[Learning]) -> Iterator[Learning]:
    """Yield the first of these that are together within the bounds."""
    size = 0
    for number, learning in enumerate(learnings):
        size += len(learning.spec.text.encode())
        if number == GIVEN_MAX_COUNT or size > GIVEN_MAX_BYTES:
            return
        yield learning


def find_given(known: KnownLearnings, names: Iterable[str], repository_url: str, workflow: str) -> tuple[Learning, ...]:
    """Return the Learnings of these names as they are now, without those that agents are not given any more."""
    found = known.find(names)
    return tuple(fit_learnings(item for item in found if is_given(item) and applies_to(item, repository_url, workflow)))


def build_lessons(learnings: Iterable[Learning]) -> str:
    """Return the part of a prompt with these Learnings, each an item of a list; empty where there are none.

    A line says where they end: a task can begin with a list too.
    """
    items = ["- " + "\n  ".join(learning.spec.text.strip().splitlines()) for learning in learnings]
    return "\n".join((_HEADING, "", *items, "", _END)) if items else ""
