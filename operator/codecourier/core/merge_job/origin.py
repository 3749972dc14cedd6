"""What a MergeJob is to the Runs that are its steps."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.resources.merge_job import MergeJob
from codecourier.resources.run import Run, RunPhase

__all__ = ["MergeJobOrigin"]


@dataclass(frozen=True)
class MergeJobOrigin:
    """A MergeJob as the origin of the Runs of its steps."""

    job: MergeJob

    @property
    def kind(self) -> str:
        """Kind of the MergeJob."""
        return self.job.kind

    @property
    def name(self) -> str:
        """Name of the MergeJob."""
        return self.job.name

    @property
    def uid(self) -> str:
        """UID of the MergeJob."""
        return self.job.uid

    @property
    def reports_ends(self) -> bool:
        """Whether it notifies people of the ends of its Runs: what counts is what becomes of the merge."""
        return True

    @property
    def stop_sentence(self) -> str:
        """Why the Run of its active step was stopped."""
        what = "was deleted" if self.job.is_deleting else "was cancelled"
        return f"Stopped because its MergeJob {what}."

    def is_stopping(self, run: Run) -> bool:
        """Tell whether the Run has to stop: the MergeJob's status lists it, or it is deleted."""
        return self.job.is_deleting or run.name in self.job.status.stopping

    def has_recorded(self, run: Run) -> bool:
        """Tell whether no step in the ledger is Running with this Run."""
        step = next((step for step in self.job.status.steps if step.run == run.name), None)
        return step is None or step.phase is not RunPhase.RUNNING

    def needs(self, run: Run) -> bool:
        """Tell whether the merge is unfinished, or lacks the Run's end."""
        job = self.job
        return not job.status.phase.is_finished or job.is_deleting or not self.has_recorded(run)
