"""Objects that are played by hand: an operator that looks whenever its plans ask for it, until all is at rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime

from codecourier.core.shared.intents import Plan

__all__ = ["Playing"]

_MOST_LOOKS = 10


class Playing(ABC):
    """What is there at a time; `look` plans and carries the plan out."""

    now: datetime

    @abstractmethod
    def plan(self) -> Plan:
        """Return the plan of the present world."""

    @abstractmethod
    def look(self, at: datetime | None = None) -> Plan:
        """Let time pass, plan once, and carry the plan out."""

    @abstractmethod
    def seen(self) -> object:
        """Return all that a plan may change, to be compared with what there is after it."""

    def rest(self) -> None:
        """Plan until nothing changes any more at this time."""
        for _ in range(_MOST_LOOKS):
            before = self.seen()
            self.look()
            if before == self.seen():
                return
        raise AssertionError("something is written without end")

    def pass_time(self, until: datetime) -> None:
        """Let the operator look whenever a plan asked for it, until a time."""
        self.rest()
        while (time := self.plan().look_again) is not None and time <= until:
            assert time > self.now, f"{time} is no later time"
            self.now = time
            self.rest()
        self.now = until
        self.rest()
