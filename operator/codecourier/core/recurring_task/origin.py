"""What a RecurringTask is to the Runs that it made."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.resources.recurring_task import RecurringTask
from codecourier.resources.run import Run

__all__ = ["RecurringTaskOrigin"]


@dataclass(frozen=True)
class RecurringTaskOrigin:
    """A RecurringTask as the origin of the Runs of its slots."""

    task: RecurringTask

    @property
    def kind(self) -> str:
        """Kind of the task."""
        return self.task.kind

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.task.name

    @property
    def uid(self) -> str:
        """UID of the task."""
        return self.task.uid

    @property
    def reports_ends(self) -> bool:
        """Whether it notifies people of the ends of its Runs: each Run does so itself."""
        return False

    @property
    def stop_sentence(self) -> str:
        """Why a Run was stopped that its task lists."""
        return f"Stopped because a newer slot of RecurringTask {self.name} replaces it."

    def is_stopping(self, run: Run) -> bool:
        """Tell whether the task's status lists the Run; a deleted task leaves its Runs alone."""
        return run.name in self.task.status.stopping

    def has_recorded(self, run: Run) -> bool:
        """Tell whether the task's ledger no longer waits for the Run's end, or will never have it."""
        return self.task.is_deleting or all(active.run != run.name for active in self.task.status.active)

    def needs(self, run: Run) -> bool:
        """Tell whether the ledger lacks the Run's slot or its end: without the Run, the slot would be due again."""
        settled, slot = self.task.status.settled_time, run.spec.scheduled_for
        is_settled = slot is None or (settled is not None and slot <= settled)
        return not self.task.is_deleting and not (is_settled and self.has_recorded(run))
