"""What a session is asked to do: its first Run, and one more for each new value of the annotation for follow-ups."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from codecourier.core.shared.naming import ANNOTATION_FOLLOW_UP
from codecourier.resources.issue_session import INSTRUCTION_MAX_LENGTH, IssueSession
from codecourier.text import visible

__all__ = ["Wish", "digest_of_follow_up", "find_instruction", "find_wish"]


@dataclass(frozen=True)
class Wish:
    """A Run that is asked for."""

    instruction: str | None
    """What the user asked for; None: this is the first Run."""

    digest: str
    """Of the annotation's value; empty for the first Run."""

    fault: str | None = None
    """What is wrong with it, as a sentence; None: nothing."""

    @property
    def is_first(self) -> bool:
        """Whether it is the first Run, which needs no user to ask for it."""
        return self.instruction is None


def digest_of_follow_up(annotations: Mapping[str, str]) -> str:
    """Return the digest of the value of the annotation for follow-ups; empty where there is none."""
    value = annotations.get(ANNOTATION_FOLLOW_UP, "").strip()
    return hashlib.sha256(value.encode()).hexdigest()[:16] if value else ""


def find_instruction(session: IssueSession) -> tuple[str, str]:
    """Return what the annotation for follow-ups asks for, and the digest of its value; empty where there is none."""
    value = session.metadata.annotations.get(ANNOTATION_FOLLOW_UP, "").strip()
    instruction = visible(value[: INSTRUCTION_MAX_LENGTH + 1]).strip()
    return instruction, digest_of_follow_up(session.metadata.annotations)


def find_wish(session: IssueSession) -> Wish | None:
    """Return the Run that is asked for and has not been answered yet; None: there is none."""
    status = session.status
    if not status.runs and not status.phase.is_finished:
        return Wish(None, "")
    instruction, digest = find_instruction(session)
    if not digest or digest == status.handled_follow_up:
        return None
    size = len(session.metadata.annotations[ANNOTATION_FOLLOW_UP].strip())
    fault = None
    if size > INSTRUCTION_MAX_LENGTH:
        fault = f"its value has {size} characters, which is more than {INSTRUCTION_MAX_LENGTH}"
    elif not instruction:
        fault = "its value has no visible character"
    return Wish(instruction, digest, fault)
