"""What makes Runs, as a Run and its Sandbox see it: when the Run has to stop, where its end is kept and reported.

Each kind that makes Runs answers `Origin` in a module of its own (such as `core.sprint_chain.origin`), so that no plan
of a Run knows any of them by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from codecourier.core.run.status import attempt_status
from codecourier.core.shared.wishes import is_cancelled
from codecourier.resources.run import Run

__all__ = ["AbsentOrigin", "Origin", "find_origin_faults", "is_stop_requested"]


class Origin(Protocol):
    """The object that made a Run."""

    @property
    def kind(self) -> str:
        """Kind of the object."""

    @property
    def name(self) -> str:
        """Name of the object."""

    @property
    def uid(self) -> str:
        """UID of the object."""

    @property
    def reports_ends(self) -> bool:
        """Whether it notifies people of the ends of its Runs, so that the Runs do not."""

    @property
    def stop_sentence(self) -> str:
        """Why a Run was stopped that stopped for it, as a sentence."""

    def is_stopping(self, run: Run) -> bool:
        """Tell whether the Run has to stop now."""

    def has_recorded(self, run: Run) -> bool:
        """Tell whether its ledger holds the Run's end, so that the Run may go."""

    def needs(self, run: Run) -> bool:
        """Tell whether it may still do something because of the Run, so that retention leaves the Run where it is."""


@dataclass(frozen=True)
class AbsentOrigin:
    """An origin that is gone: it stops no Run and waits for none."""

    kind: str
    name: str
    uid: str
    reports_ends: bool
    """Whether origins of its kind report the ends of their Runs."""

    @property
    def stop_sentence(self) -> str:
        """Why a Run was stopped before the origin went."""
        return f"Stopped because {self.kind} {self.name} asked for it."

    def is_stopping(self, _run: Run) -> bool:
        """Tell that nothing is to stop."""
        return False

    def has_recorded(self, _run: Run) -> bool:
        """Tell that no ledger is waited for."""
        return True

    def needs(self, _run: Run) -> bool:
        """Tell that nothing is left to do."""
        return False


def is_stop_requested(run: Run, origin: Origin | None) -> bool:
    """Tell whether people, or the Run's origin in their name, want the Run to stop."""
    if is_cancelled(run.spec, attempt_status(run)) or run.is_deleting:
        return True
    return origin is not None and origin.is_stopping(run)


def find_origin_faults(run: Run, origin: Origin | None) -> Iterator[str]:
    """Yield a sentence if an origin is not the one that a Run names."""
    named = run.spec.origin
    wanted = None if named is None else (named.kind, named.name, named.uid)
    given = None if origin is None else (origin.kind, origin.name, origin.uid)
    if wanted != given:
        yield f"Run {run.name!r} names {wanted} as its origin, not {given}."
