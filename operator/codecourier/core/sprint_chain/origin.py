"""What a SprintChain is to the Runs that it made."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.shared.naming import ANNOTATION_STOP_NOW
from codecourier.core.shared.wishes import asks_for_attempt
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
        if self.chain.metadata.annotations.get(ANNOTATION_STOP_NOW) == "true":
            return "Stopped because its SprintChain was deleted with the annotation to stop at once."
        return "Stopped because its SprintChain was deleted and no agent worked for it."

    def is_stopping(self, run: Run) -> bool:
        """Tell whether the Run has to stop: the chain's status lists it, or is deleted before the Run has started."""
        return run.uid in self.chain.status.stopping or (self.chain.is_deleting and not run.status.tries)

    def has_recorded(self, run: Run) -> bool:
        """Tell whether no sprint in the ledger is Running with this Run."""
        entry = next((sprint for sprint in self.chain.status.sprints if sprint.run == run.name), None)
        return entry is None or entry.phase is not SprintPhase.RUNNING

    def needs(self, run: Run) -> bool:
        """Tell whether the chain is unfinished, is to begin another attempt, or lacks the Run's end."""
        chain = self.chain
        has_work = not chain.status.phase.is_finished or asks_for_attempt(chain.spec, chain.status)
        return has_work or chain.is_deleting or not self.has_recorded(run)
