"""What every kind's world has beside what is gathered from the caches."""

from __future__ import annotations

from dataclasses import dataclass, field

from codecourier.core.shared.facts import Facts
from codecourier.core.shared.intents import Failures

__all__ = ["World"]


@dataclass(frozen=True)
class World:
    """What a plan reads."""

    facts: Facts = field(default_factory=Facts, kw_only=True)
    """Answers to what the plan asked."""

    failures: Failures = field(default_factory=Failures, kw_only=True)
    """Which of its intents did not work."""
