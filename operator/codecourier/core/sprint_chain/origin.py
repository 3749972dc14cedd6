"""What a SprintChain is to the Runs that it made."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.shared.naming import ANNOTATION_STOP_NOW
from codecourier.core.shared.wishes import asks_for_attempt
from codecourier.core.sprint_chain.cancelling import has_recorded_cancellation
from codecourier.resources.run import Run
from codecourier.resources.sprint_chain import SprintChain, SprintPhase

__all__ = ["SprintChainOrigin"]


@dataclass(frozen=True)
class SprintChainOrigin:
    """A SprintChain as the origin of its sprints' Runs."""

    chain: SprintChain

    @property
    def kind(self) -> str:
        """Kind of the chain."""
        return self.chain.kind

    @property
    def name(self) -> str:
        """Name of the chain."""
        return self.chain.name

    @property
    def uid(self) -> str:
        """UID of the chain."""
        return self.chain.uid

    @property
    def reports_ends(self) -> bool:
        """Whether it notifies people of the ends of its Runs: each sprint has a Notification of its own."""
        return True

    @property
    def stop_sentence(self) -> str:
        """Why the Run of its active sprint was stopped."""
        if has_recorded_cancellation(self.chain.status):
            return "Stopped because its SprintChain was cancelled."
        if self.chain.metadata.annotations.get(ANNOTATION_STOP_NOW) == "true":
            return "Stopped because its SprintChain was deleted with the annotation to stop at once."
        return "Stopped because its SprintChain was deleted and no agent worked for it."

    def is_stopping(self, run: Run) -> bool:
        """Tell whether the Run has to stop: the chain's status says so, or is deleted before the Run has started.

        The wish in the spec alone stops nothing: a user may take it back before the chain has recorded it, and the
        chain would then take the end of the Run for the user's wish about the sprint.
        """
        chain = self.chain
        if run.uid in chain.status.stopping or has_recorded_cancellation(chain.status):
            return True
        return chain.is_deleting and not run.status.tries

    def has_recorded(self, run: Run) -> bool:
        """Tell whether no sprint in the ledger is Running with this Run."""
        entry = next((sprint for sprint in self.chain.status.sprints if sprint.run == run.name), None)
        return entry is None or entry.phase is not SprintPhase.RUNNING

    def needs(self, run: Run) -> bool:
        """Tell whether the chain is unfinished, is to begin another attempt, or lacks the Run's end."""
        chain = self.chain
        has_work = not chain.status.phase.is_finished or asks_for_attempt(chain.spec, chain.status)
        return has_work or chain.is_deleting or not self.has_recorded(run)
