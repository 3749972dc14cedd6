"""Whether a host that hangs is asked again: a state machine of times, without a clock.

| state | an operation may go | it is answered | it falls silent |
|---|---|---|---|
| new, or failing at once | one at a time | → proven | → open, 5 s |
| proven | yes | stays | → open, 5 s, unless another one was answered meanwhile |
| open | none before its time | | |
| open, at its time | one: the probe | → proven | → open, twice as long, up to 60 s |

Silence is no answer in time. A refusal is an answer; a host that fails at once delays no one and is not silent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

__all__ = ["FIRST_SECONDS", "LONGEST_SECONDS", "Breaker"]

FIRST_SECONDS = 5.0
"""How long nothing is asked after the first silence."""

LONGEST_SECONDS = 60.0
"""How long nothing is asked at most."""


@dataclass(frozen=True)
class Breaker:
    """What is known of a lane; all times are seconds of one clock."""

    is_proven: bool = False
    """Whether its last operation was answered."""

    silences: int = 0
    """How many operations in a row fell silent; 0: the breaker is closed."""

    opened: float = -math.inf
    """When the last of them did."""

    answered: float = -math.inf
    """When an operation was last answered."""

    @property
    def is_open(self) -> bool:
        """Whether nothing but a probe may go."""
        return self.silences > 0

    @property
    def pause_seconds(self) -> float:
        """How long nothing is asked after the last silence."""
        return min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self.silences - 1, 10))

    @property
    def retry(self) -> float:
        """When the next probe may go."""
        return self.opened + self.pause_seconds if self.is_open else -math.inf

    def after_answer(self, now: float) -> Breaker:
        """Return the state after an answer, which may be a refusal."""
        return Breaker(is_proven=True, answered=now)

    def after_failure(self) -> Breaker:
        """Return the state after a failure that came at once, such as a refused connection."""
        return Breaker(answered=self.answered)

    def after_silence(self, begun: float, now: float) -> Breaker:
        """Return the state after an operation fell silent that had begun at a time.

        One that began before the breaker opened says nothing new. Nor does one during which another was answered: then
        it hangs, and not the host.
        """
        if begun < self.opened or begun < self.answered:
            return self
        return replace(self, is_proven=False, silences=self.silences + 1, opened=now)
