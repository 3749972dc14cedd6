"""What admission reads of Runs: a few fields of each, and the order in which they may have places."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from codecourier.core.shared.consent import RepositoryKey
from codecourier.core.shared.prompts import unknown_placeholders
from codecourier.core.shared.trash import is_trashed
from codecourier.resources.run import RunPhase
from codecourier.resources.workflow import Workflow

__all__ = ["RunView", "Runs", "UsableWorkflows"]


@dataclass(frozen=True, slots=True)
class RunView:
    """What admission reads of a Run."""

    name: str
    uid: str
    creation_time: datetime
    asked: int
    """The attempt that its spec asks for."""

    attempt: int
    """The attempt that it is in."""

    try_number: int
    """The try that it would start, or that it is in while it is Running."""

    phase: RunPhase | None
    """The phase of that attempt; None for one that this version does not know."""

    is_stopping: bool
    """Whether it is cancelled or being deleted."""

    has_pod: bool
    """Whether it is Running and its Sandbox has not ended, so that it takes a place."""

    retry_time: datetime | None
    """Its next try does not start before; a place that it got before this time was returned."""

    repository: RepositoryKey | None
    """The repository that it works on; None: the Project's default one."""

    workflow: str | None
    """Name of the Workflow that it cannot start without; None: it has recorded the one that it uses."""

    @property
    def is_waiting(self) -> bool:
        """Whether it may be given a place, now or once what it names is there."""
        return not self.is_stopping and self.phase in {RunPhase.PENDING, RunPhase.QUEUED}


@dataclass(frozen=True)
class UsableWorkflows:
    """The Workflows that Runs can start with."""

    workflows: Mapping[str, Workflow]
    """All that are there, by name."""

    def among(self, names: Collection[str | None]) -> Iterator[str | None]:
        """Yield those of these names that can be used, at the cost of the smaller collection; None always can."""
        few = names if len(names) <= len(self.workflows) else (None, *self.workflows)
        for name in few:
            if name in names and self._is_usable(name):
                yield name

    def _is_usable(self, name: str | None) -> bool:
        workflow = self.workflows.get(name) if name is not None else None
        if workflow is None:
            return name is None
        return not is_trashed(workflow) and unknown_placeholders(workflow.spec.prompt_template) is None


class Runs(Protocol):
    """The Runs of a namespace, as of now: a change of one makes the object invalid."""

    def named(self, name: str) -> RunView | None:
        """Return the Run of a name, also one that is finished."""
        ...

    def with_pods(self) -> Iterable[RunView]:
        """Return the Runs that take a place in fact."""
        ...

    def working(self) -> Iterable[RunView]:
        """Return the Runs that are Running, also those that only wait for their pull request."""
        ...

    def waiting(
        self, repositories: Collection[RepositoryKey | None], workflows: UsableWorkflows, now: datetime
    ) -> Iterator[RunView]:
        """Yield the Runs that may be given a place, in the order in which they became ready.

        Parameters
        ----------
        repositories
            The repositories that can be reached, None among them where the default one can be.
        workflows
            The Workflows that Runs can start with. A Run that has recorded its Workflow needs none.
        now
            The time: Runs with a later retry time are left out.
        """
        ...

    def next_retry(self, now: datetime) -> datetime | None:
        """Return the first retry time after a time."""
        ...

    def has_older_than(self, time: datetime) -> bool:
        """Tell whether a waiting Run was created before a time."""
        ...
