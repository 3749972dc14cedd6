"""What an IssueSession is to the Runs that it made."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.issue_session.follow_up import digest_of_follow_up
from codecourier.core.issue_session.ledger import index_of
from codecourier.resources.issue_session import IssueSession
from codecourier.resources.run import Run, RunPhase

__all__ = ["IssueSessionOrigin"]


@dataclass(frozen=True)
class IssueSessionOrigin:
    """An IssueSession as the origin of the Runs for its issue."""

    session: IssueSession

    @property
    def kind(self) -> str:
        """Kind of the session."""
        return self.session.kind

    @property
    def name(self) -> str:
        """Name of the session."""
        return self.session.name

    @property
    def uid(self) -> str:
        """UID of the session."""
        return self.session.uid

    @property
    def reports_ends(self) -> bool:
        """Whether it notifies people of the ends of its Runs: each Run does so itself."""
        return False

    @property
    def stop_sentence(self) -> str:
        """Why a Run was stopped that its session lists."""
        return f"Stopped because of what became of the issue {self.session.spec.issue_url}."

    def is_stopping(self, run: Run) -> bool:
        """Tell whether the session's status lists the Run; a deleted session leaves its Runs alone."""
        return run.name in self.session.status.stopping

    def has_recorded(self, run: Run) -> bool:
        """Tell whether the session's ledger has the Run's end, or will never have it.

        A Run that the ledger lacks, as its status was lost, stays until the ledger has it again.
        """
        if self.session.is_deleting or index_of(self.session, run) is None:
            return True
        entry = next((entry for entry in self.session.status.runs if entry.run == run.name), None)
        return entry is not None and entry.phase is not RunPhase.RUNNING

    def needs(self, run: Run) -> bool:
        """Tell whether the session is unfinished, has a follow-up to begin, or lacks the Run's end."""
        session = self.session
        wish = digest_of_follow_up(session.metadata.annotations)
        has_work = not session.status.phase.is_finished or (bool(wish) and wish != session.status.handled_follow_up)
        return has_work or session.is_deleting or not self.has_recorded(run)
