"""What a Run is to the Runs that continue its pull request."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.shared.wishes import is_cancelled
from codecourier.pull_request import PullRequestState
from codecourier.resources.follow_up import FollowUp
from codecourier.resources.run import Run

__all__ = ["RunOrigin"]


@dataclass(frozen=True)
class RunOrigin:
    """A Run as the origin of its follow-ups."""

    run: Run

    @property
    def kind(self) -> str:
        """Kind of the Run."""
        return self.run.kind

    @property
    def name(self) -> str:
        """Name of the Run."""
        return self.run.name

    @property
    def uid(self) -> str:
        """UID of the Run."""
        return self.run.uid

    @property
    def reports_ends(self) -> bool:
        """Whether it notifies people of the ends of its follow-ups: each does so itself."""
        return False

    @property
    def stop_sentence(self) -> str:
        """Why a follow-up was stopped."""
        pull_request = self.run.status.pull_request
        if self.run.is_deleting:
            return f"Stopped because Run {self.run.name}, which it continues, was deleted."
        if is_cancelled(self.run.spec, self.run.status):
            return f"Stopped because Run {self.run.name}, which it continues, was cancelled."
        if pull_request is not None and pull_request.state in {PullRequestState.MERGED, PullRequestState.CLOSED}:
            return f"Stopped because pull request {pull_request.url} is not open any more."
        return f"Stopped because Run {self.run.name} does not list it among its follow-ups."

    def is_stopping(self, run: Run) -> bool:
        """Tell whether the follow-up has to stop.

        It does where the ledger does not wait for it: then nothing has decided on it, or another attempt has begun.
        """
        pull_request = self.run.status.pull_request
        if self.run.is_deleting or is_cancelled(self.run.spec, self.run.status):
            return True
        return self._entry(run) is None or pull_request is None or pull_request.state is not PullRequestState.OPEN

    def has_recorded(self, run: Run) -> bool:
        """Tell whether no entry of the ledger waits for its end."""
        entry = self._entry(run)
        return entry is None or entry.phase.is_finished

    def needs(self, run: Run) -> bool:
        """Tell whether the ledger lacks its end."""
        return not self.has_recorded(run)

    def _entry(self, run: Run) -> FollowUp | None:
        return next((entry for entry in self.run.status.follow_ups if entry.run == run.name), None)
