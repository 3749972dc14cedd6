"""The gate of a merge: whether the checks at a commit let it through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from codecourier.checks import Check, CheckState, Gate, RequiredCheck
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.text import one_line

__all__ = ["GATE_LIMIT", "LOOK_AGAIN", "MOST_PAUSE", "QUIET", "OpenCheck", "Verdict", "judge_gate", "pause_after"]

GATE_LIMIT = timedelta(hours=1)
"""How long the checks of a head are waited for."""

QUIET = timedelta(minutes=1)
"""How long all must stay green where no rule says which checks there are: slow ones register late."""

LOOK_AGAIN = timedelta(seconds=15)
"""Shortest pause between two looks at the checks; each costs seven requests or so of the host's limit."""

MOST_PAUSE = timedelta(minutes=2)
"""Longest pause between two looks: they become rarer the longer the checks take."""

MISSING = "missing"
"""Word for a required check that nothing has reported."""

_NAME_LENGTH = 256
"""How many characters of a check's name are shown."""

_MOST_NAMED = 10
"""How many checks a sentence names."""


@dataclass(frozen=True)
class OpenCheck:
    """A check that has not passed."""

    name: str
    word: str
    """Its conclusion or state in the host's words, or `missing`."""


@dataclass(frozen=True)
class Verdict:
    """Whether a merge may go on."""

    state: CheckState
    """Passed: it may; Pending: not yet; Failed: it never may at this head."""

    reason: Reason
    message: str
    """What is waited for or has failed, as a sentence; empty once the gate has passed."""

    open_checks: tuple[OpenCheck, ...] = ()
    """What has not passed, failures first."""

    look_again: datetime | None = None
    """When to judge again; None: this is final."""


def judge_gate(gate: Gate, since: datetime, now: datetime, *, allows_no_checks: bool = False) -> Verdict:
    """Judge the checks at a head.

    Where rules require checks, these decide, and each must pass at its own App if the rule names one. Where none is
    required, or the host does not show the rules, every check must pass, every suite that has runs must be completed,
    and all must have been so for a while. No checks at all pass only where that is allowed.

    Parameters
    ----------
    gate
        The required checks and those at the head.
    since
        When the checks of this head were first looked at.
    now
        The present time.
    allows_no_checks
        Whether a head without any check passes, once it was quiet for a while.
    """
    failed, pending = _sort(gate)
    if failed:
        names = _name_all(failed)
        message = sentence(Reason.CHECKS_FAILED, checks=names)
        return Verdict(CheckState.FAILED, Reason.CHECKS_FAILED, message, (*failed, *pending))
    quiet_since = _quiet_since(gate, since, now)
    obstacle = _find_obstacle(gate, pending, now - quiet_since, allows_no_checks=allows_no_checks)
    if obstacle is None:
        return Verdict(CheckState.PASSED, Reason.ACCEPTED, "")
    limit = since + GATE_LIMIT
    if now >= limit:
        message = sentence(Reason.CHECKS_MISSING, minutes=int(GATE_LIMIT.total_seconds()) // 60, detail=obstacle)
        return Verdict(CheckState.FAILED, Reason.CHECKS_MISSING, message, pending)
    message = sentence(Reason.WAITING_FOR_CHECKS, detail=obstacle, time=f"{limit:%Y-%m-%d %H:%M} UTC")
    look_again = min(now + pause_after(now - since), limit)
    return Verdict(CheckState.PENDING, Reason.WAITING_FOR_CHECKS, message, pending, look_again)


def pause_after(waited: timedelta) -> timedelta:
    """Return the pause until the next look at something that was waited for so long."""
    return min(max(waited / 8, LOOK_AGAIN), MOST_PAUSE)


def _sort(gate: Gate) -> tuple[tuple[OpenCheck, ...], tuple[OpenCheck, ...]]:
    """Return what has failed and what is not finished, of the checks that decide."""
    deciding = list(_find_required(gate)) if gate.required else [(check.name, [check]) for check in gate.checks]
    failed, pending = dict[str, OpenCheck](), dict[str, OpenCheck]()
    for full_name, found in deciding:
        # The full names were compared; only what is shown is cut and cleaned.
        name, worst = one_line(full_name, _NAME_LENGTH) or "?", _worst(found)
        if worst is None:
            pending.setdefault(name, OpenCheck(name, MISSING))
        elif worst.state is CheckState.FAILED:
            failed.setdefault(name, OpenCheck(name, worst.word))
        elif worst.state is CheckState.PENDING:
            pending.setdefault(name, OpenCheck(name, worst.word))
    return tuple(failed.values()), tuple(check for check in pending.values() if check.name not in failed)


def _find_required(gate: Gate) -> Iterator[tuple[str, list[Check]]]:
    for required in gate.required:
        yield required.name, [check for check in gate.checks if _answers(check, required)]


def _answers(check: Check, required: RequiredCheck) -> bool:
    return check.name == required.name and required.app in {None, check.app}


def _worst(checks: Iterable[Check]) -> Check | None:
    """Return the check that decides, of those with one name: a run and a status of it must both pass."""
    order = (CheckState.FAILED, CheckState.PENDING, CheckState.PASSED)
    return min(checks, key=lambda check: order.index(check.state), default=None)


def _quiet_since(gate: Gate, since: datetime, now: datetime) -> datetime:
    # The host's clock may be ahead of ours.
    changes = (min(check.change_time, now) for check in gate.checks if check.change_time is not None)
    return max((since, *changes))


def _find_obstacle(
    gate: Gate, pending: tuple[OpenCheck, ...], quiet: timedelta, *, allows_no_checks: bool
) -> str | None:
    """Return why the gate has not passed, as a sentence; None: it has."""
    if pending:
        return f"These checks have not passed: {_name_all(pending)}."
    if gate.required:
        return None
    unsettled = {
        "The commit has more checks than the operator reads, so some may not have passed.": not gate.is_whole,
        f"{gate.unfinished_suites} check suites are not completed.": gate.unfinished_suites > 0,
        (
            "No check was reported, and no rule of the branch requires one. To let such merges pass, set "
            "spec.merges.allowNoChecks of Project 'default'."
        ): not (gate.checks or allows_no_checks),
        f"No rule names the checks, so all must stay green for {int(QUIET.total_seconds())} seconds.": quiet < QUIET,
    }
    return next((text for text, holds in unsettled.items() if holds), None)


def _name_all(checks: tuple[OpenCheck, ...]) -> str:
    named = ", ".join(f"{check.name} ({check.word})" for check in checks[:_MOST_NAMED])
    more = len(checks) - _MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named
