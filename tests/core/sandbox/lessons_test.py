"""The lessons that an agent proposes come into the Sandbox's status as people may see them."""

from __future__ import annotations

from codecourier.core.sandbox.outcome import read_outcome
from codecourier.result import Details, frame_details
from codecourier.task import Publication
from tests.support.sandboxes import DONE, pod, publish
from tests.support.worlds import NOW


def lessons_of(*texts: str, is_log_lost: bool = False) -> tuple[str, ...]:
    """Return the lessons in the status after the end of a pod whose agent proposes these."""
    line, digest = frame_details(Details(learnings=texts))
    ended = pod(*DONE, publish(Publication.NO_CHANGE, details_digest=digest), phase="Succeeded")
    outcome = read_outcome(ended, None if is_log_lost else f"{line}\n", namespace="shop", deadline_seconds=60, now=NOW)
    assert outcome.result is not None
    return outcome.result.learnings


def test_lessons_are_shown_whole_and_hold_no_secret() -> None:
    texts = ("Run make db first.", "a<!-- b -->\u2066", "The token is ghp_abcdefghij0123456789.", "\u200b")
    assert lessons_of(*texts) == ("Run make db first.", "a< !-- b -->", "The token is ***")


def test_lessons_are_lost_with_the_log() -> None:
    assert lessons_of("Run make db first.", is_log_lost=True) == ()
