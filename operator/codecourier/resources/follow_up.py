"""Follow-ups: further Runs that continue the pull request of a Run after its checks failed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from codecourier.resources.meta import CommitSha, Message, Model, ObjectName, ReasonWord, Time

__all__ = ["MOST_FOLLOW_UPS", "FollowUp", "FollowUpCause", "FollowUpPhase", "FollowUpPolicy", "FollowUpTask"]

MOST_FOLLOW_UPS = 10
"""Most follow-ups that a pull request may have."""


class FollowUpPolicy(Model):
    """After what an agent continues a pull request by itself. Nothing is followed up unless it is set."""

    on_failed_checks: bool = False
    """Whether a further Run continues a pull request whose required checks have failed, or any check where none is
    required. It reads what the checks say, which anyone may have written who can change the code under test."""

    limit: Annotated[int, Field(ge=1, le=MOST_FOLLOW_UPS)] = 3
    """How many further Runs a pull request may have, 1 to 10. The same failure twice ends them earlier."""


class FollowUpTask(Model):
    """That a Run continues the pull request of the Run that its origin names.

    It pushes to the branch of that Run and opens no pull request.
    """

    attempt: Annotated[int, Field(ge=1, le=1000)]
    """The attempt whose pull request is continued, 1 to 1,000."""


class FollowUpCause(StrEnum):
    """Why a pull request is continued."""

    FAILED_CHECKS = "FailedChecks"


class FollowUpPhase(StrEnum):
    """Where a follow-up is."""

    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_finished(self) -> bool:
        """Whether its Run is over."""
        return self is not FollowUpPhase.RUNNING


class FollowUp(Model):
    """A further Run that continues the pull request."""

    number: Annotated[int, Field(ge=1, le=MOST_FOLLOW_UPS)]
    """Which follow-up of the pull request this is, from 1."""

    run: ObjectName
    """Name of its Run."""

    cause: FollowUpCause
    """Why it was made."""

    head_commit: CommitSha
    """The commit at the head of the pull request that it answers, and starts from."""

    digest: Annotated[str, Field(max_length=16, pattern=r"^[0-9a-f]*$")] = ""
    """What identifies the failure: a hash of the names of the failed checks and of what they say, without numbers."""

    claim_time: Time
    """When it was decided on, before its Run was made."""

    phase: FollowUpPhase = FollowUpPhase.RUNNING
    """Running until its Run is over; then how that ended: Completed, Failed or Cancelled."""

    pushed_commit: CommitSha | None = None
    """The commit that its Run pushed; absent where it pushed none."""

    finish_time: Time | None = None
    """When its end was seen; absent before."""

    reason: ReasonWord | None = None
    """Why it ended as it did; absent before."""

    message: Message | None = None
    """Why it ended as it did, as a sentence; absent before."""
