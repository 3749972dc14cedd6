"""What becomes of the pull request of a Run after it was opened: checks that fail and pass, a merge, a closing.

Its host is asked while it is open, and for a day after it was closed: people open a closed one again soon, or never. A
merge is final. The Run's own phase and message are about its attempt and stay as they are (invariant 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.run.checks import find_failed, read_checks
from codecourier.core.run.end import build_merge_notification
from codecourier.core.run.status import starts_again
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.following import Follow, PullRequestLifeAsk, PullRequestLifeFact
from codecourier.core.shared.intents import Event, Plan
from codecourier.core.shared.reasons import Reason, cut, sentence
from codecourier.core.shared.reporting import record_notifications
from codecourier.core.shared.repositories import find_access
from codecourier.pull_request import PullRequestState
from codecourier.resources.pull_request import TITLE_LENGTH, Checks, ChecksStatus, PullRequest, PullRequestPhase
from codecourier.resources.run import Run, RunStatus
from codecourier.text import one_line

__all__ = ["REOPENING", "RETRY", "follow_pull_request", "with_fact"]

REOPENING = timedelta(days=1)
"""How long a pull request that was closed without a merge is still looked at."""

RETRY = timedelta(minutes=30)
"""When the Project is read again that names no credential for the repository."""

_MOST_NAMES = 3
_NAME_LENGTH = 64


def follow_pull_request(world: RunWorld, status: RunStatus, now: datetime) -> Plan:
    """Return the plan that writes what became of the pull request of a finished Run, and follows it further.

    Parameters
    ----------
    world
        The world of the Run.
    status
        The status that the plan writes for other reasons.
    now
        The time.
    """
    made = status.pull_request
    if made is None or not _is_followed(world, made, now):
        return Plan(status=status)
    access = find_access(world.project, world.run.namespace, status.repository_url or "", world.credentials)
    if isinstance(access, Problem):
        return Plan(status=status, look_again=now + RETRY)
    ask = _build_ask(access, made, status)
    fact = world.facts.find(ask)
    new = made if fact is None else with_fact(made, fact, now)
    follow = Follow(ask, new.observed_time or status.finish_time or now)
    plan = _write(world, status, made, new)
    if new.phase is PullRequestPhase.MERGED:
        return plan
    end = _end_of_following(status, new)
    return replace(plan, follow=follow, look_again=end)


def with_fact(made: PullRequest, fact: PullRequestLifeFact, now: datetime) -> PullRequest:
    """Return a pull request with what its host says of it.

    A fact that is older than what is known already changes nothing, and neither does one of a pull request that was
    merged. Times in the future are of a clock that was set back since, and hinder nothing.

    Parameters
    ----------
    made
        The pull request as the status has it.
    fact
        What its host said.
    now
        The time.
    """
    if made.phase is PullRequestPhase.MERGED:
        return made
    if made.observed_time is not None and fact.seen_time < made.observed_time <= now:
        return made
    checks = read_checks(made, fact)
    new = made.updated(
        phase=_phase_of(made, fact, checks),
        state=fact.state,
        is_draft=fact.is_draft,
        title=one_line(fact.title, TITLE_LENGTH),
        base_branch=fact.base_branch,
        head_commit=fact.head_commit,
        checks=checks,
        merge_time=fact.merge_time,
        merge_commit=fact.merge_commit,
        close_time=fact.close_time,
    )
    return made if new == made else new.updated(observed_time=fact.seen_time)


def _phase_of(made: PullRequest, fact: PullRequestLifeFact, checks: Checks | None) -> PullRequestPhase:
    if fact.state is PullRequestState.MERGED:
        return PullRequestPhase.MERGED
    if fact.state is PullRequestState.CLOSED:
        return made.phase
    is_blocked = checks is not None and checks.status is ChecksStatus.FAILED
    return PullRequestPhase.BLOCKED_ON_CI if is_blocked else PullRequestPhase.CREATED


def _is_followed(world: RunWorld, made: PullRequest, now: datetime) -> bool:
    run = world.run
    if world.is_namespace_ending or run.is_deleting or starts_again(run) or made.number is None:
        return False
    if made.phase not in {PullRequestPhase.CREATED, PullRequestPhase.BLOCKED_ON_CI}:
        return False
    end = _end_of_following(run.status, made)
    return end is None or now < end


def _end_of_following(status: RunStatus, made: PullRequest) -> datetime | None:
    """Return when a closed pull request is looked at no more; None: it is not closed."""
    if made.state is not PullRequestState.CLOSED:
        return None
    closed = made.close_time or status.finish_time
    return None if closed is None else closed + REOPENING


def _build_ask(access: RepositoryAccess, made: PullRequest, status: RunStatus) -> PullRequestLifeAsk:
    # A Secret is read anew for each look, so its version, which changes with it, says nothing.
    return PullRequestLifeAsk(replace(access, secret_version=None), made.number or 0, status.branch or "")


def _write(world: RunWorld, status: RunStatus, old: PullRequest, new: PullRequest) -> Plan:
    if new == old:
        return Plan(status=status)
    written = status.updated(pull_request=new)
    merge = build_merge_notification(world.run, written)
    records = record_notifications(world, () if merge is None else (merge,))
    return Plan(records=records, status=written, events=tuple(_events(world.run, old, new)))


def _events(run: Run, old: PullRequest, new: PullRequest) -> Iterator[Event]:
    """Yield what people should see of a change."""
    if new.base_branch != old.base_branch and old.base_branch is not None:
        yield _event(Reason.PULL_REQUEST_RETARGETED, new, branch=new.base_branch, old=old.base_branch)
    was_closed = old.state is PullRequestState.CLOSED
    if new.state is PullRequestState.CLOSED and not was_closed:
        yield _event(Reason.CLOSED_UNMERGED, new, branch=run.status.branch)
    if new.state is PullRequestState.OPEN and was_closed:
        yield _event(Reason.PULL_REQUEST_REOPENED, new)
    if new.phase is old.phase:
        return
    if new.phase is PullRequestPhase.MERGED:
        yield _event(Reason.PULL_REQUEST_MERGED, new, branch=new.base_branch)
    elif new.phase is PullRequestPhase.BLOCKED_ON_CI:
        text = sentence(Reason.BLOCKED_ON_CI, url=new.url, checks=_name_failed(new.checks))
        yield Event(Reason.BLOCKED_ON_CI.value, text, is_warning=True)
    else:
        yield _event(Reason.CHECKS_RECOVERED, new)


def _event(reason: Reason, made: PullRequest, **values: object) -> Event:
    return Event(reason.value, sentence(reason, url=made.url, **values))


def _name_failed(checks: Checks | None) -> str:
    """Return some failed checks as the part of a sentence."""
    names = [cut(check.name, _NAME_LENGTH) for check in find_failed(checks)]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) or "its host does not say which") + more
