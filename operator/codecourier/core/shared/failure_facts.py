"""What a plan asks about the failed checks of a pull request, and what identifies such a failure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from codecourier.core.shared.facts import Ask, RepositoryAccess

__all__ = ["FailedCheck", "FailedChecksAsk", "FailedChecksFact", "digest_of"]

_HASH = re.compile(r"\b[0-9a-f]{7,64}\b")
_NUMBER = re.compile(r"[0-9]+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check that has failed, as its host shows it."""

    name: str
    text: str
    """What it says of its failure: title, summary and log, cut; empty where it says nothing."""


@dataclass(frozen=True, slots=True)
class FailedChecksFact:
    """The failed checks at a commit, ordered by name."""

    items: tuple[FailedCheck, ...]


@dataclass(frozen=True, slots=True)
class FailedChecksAsk(Ask[FailedChecksFact]):
    """Ask which checks of a commit have failed, and what they say."""

    repository: RepositoryAccess
    commit: str


def digest_of(failure: FailedChecksFact) -> str:
    """Return what identifies a failure: the same at another commit and another time.

    Numbers and hashes are left out: line numbers, durations, commits and times differ each time.
    """
    parts = sorted(f"{check.name}\0{_normalize(check.text)}" for check in failure.items)
    return hashlib.sha256("\1".join(parts).encode(errors="replace")).hexdigest()[:16]


def _normalize(text: str) -> str:
    return _SPACE.sub(" ", _NUMBER.sub("0", _HASH.sub("0", text))).strip()
