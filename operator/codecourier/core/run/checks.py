"""What the checks of a pull request say together.

Their words are those of GitHub, `CheckRun` of https://docs.github.com/graphql/reference/checks and `StatusContext` of
https://docs.github.com/graphql/reference/commits.
A word that this version does not know is pending: what is not known to have passed has not passed.
"""

from __future__ import annotations

from codecourier.core.shared.following import CheckFact, PullRequestLifeFact
from codecourier.resources.pull_request import Check, Checks, ChecksStatus, PullRequest
from codecourier.text import one_line

__all__ = ["MOST_CHECKS", "find_failed", "has_pending", "read_checks"]

MOST_CHECKS = 50
"""How many checks a status names."""

_PASSED = frozenset({"SUCCESS", "NEUTRAL", "SKIPPED"})
_FAILED = frozenset({"FAILURE", "ERROR", "CANCELLED", "TIMED_OUT", "ACTION_REQUIRED", "STARTUP_FAILURE"})
_NAME_LENGTH = 128
_WORD_LENGTH = 32
_ORDER = (ChecksStatus.FAILED, ChecksStatus.PENDING, ChecksStatus.PASSED)


def read_checks(made: PullRequest, fact: PullRequestLifeFact) -> Checks | None:
    """Return the checks of a pull request as its status shows them; None: none is known, which needs no write.

    Parameters
    ----------
    made
        The pull request as its status has it.
    fact
        What its host said. Where it says nothing of checks, those of the same commit stay.
    """
    known = made.checks
    if fact.checks is None:
        return known if fact.head_commit == made.head_commit else None
    if known is None and not fact.checks and not fact.has_more_checks:
        return None
    has_required = any(check.is_required for check in fact.checks)
    ordered = sorted(
        fact.checks,
        key=lambda check: (has_required and not check.is_required, _ORDER.index(_judge(check)), check.name),
    )
    checks = Checks(
        status=_judge_all(fact),
        check_time=fact.seen_time if known is None else known.check_time,
        items=tuple(_build(check) for check in ordered[:MOST_CHECKS]),
    )
    return known if checks == known else checks.updated(check_time=fact.seen_time)


def find_failed(checks: Checks | None) -> tuple[Check, ...]:
    """Return the failed checks that a status names and that keep the pull request from being merged."""
    items = () if checks is None else checks.items
    required = tuple(check for check in items if check.is_required)
    return tuple(check for check in required or items if check.conclusion in _FAILED_WORDS)


def has_pending(checks: Checks) -> bool:
    """Tell whether a check that counts has not ended, of those that the status names."""
    required = tuple(check for check in checks.items if check.is_required)
    return any(check.conclusion is None for check in required or checks.items)


def _judge_all(fact: PullRequestLifeFact) -> ChecksStatus:
    """Judge the required checks, or all where none is required; the host's word counts for those that are not named."""
    checks = fact.checks or ()
    required = [check for check in checks if check.is_required]
    found = {_judge(check) for check in required or checks}
    if fact.has_more_checks and not required and fact.rollup is not None:
        found.add(_judge_word(fact.rollup))
    return next((status for status in _ORDER if status in found), ChecksStatus.NONE)


def _judge(check: CheckFact) -> ChecksStatus:
    return ChecksStatus.PENDING if check.conclusion is None else _judge_word(check.conclusion)


def _judge_word(word: str) -> ChecksStatus:
    if word in _FAILED:
        return ChecksStatus.FAILED
    return ChecksStatus.PASSED if word in _PASSED else ChecksStatus.PENDING


def _build(check: CheckFact) -> Check:
    return Check(
        name=one_line(check.name, _NAME_LENGTH) or "?",
        status=_to_pascal(check.status),
        conclusion=None if check.conclusion is None else _to_pascal(check.conclusion),
        is_required=check.is_required,
    )


def _to_pascal(word: str) -> str:
    """Return a word of the host, such as `TIMED_OUT`, as statuses spell it."""
    parts = "".join(c if c.isascii() and c.isalpha() else " " for c in word).split()
    return "".join(part.capitalize() for part in parts)[:_WORD_LENGTH] or "Unknown"


_FAILED_WORDS = frozenset(map(_to_pascal, _FAILED))
