"""Look at pull requests one by one, for hosts that cannot be asked for many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from codecourier.github.address import quote_branch
from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError, RateLimited, Unavailable
from codecourier.github.gateway import Request
from codecourier.github.needs import Need
from codecourier.github.operations.get_pull_request import PullRequestNotFound
from codecourier.github.operations.look_at_pull_requests import (
    LOOK,
    LOOK_AT_CHECKS,
    ChecksForbidden,
    CheckView,
    KeptAnswer,
    PullRequestLook,
    PullRequestLooks,
)
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session
from codecourier.pull_request import PullRequestState

__all__ = ["MOST_EACH", "LookAtEachPullRequest"]

T = TypeVar("T")

MOST_EACH = 5
"""How many pull requests are looked at in one operation: three requests each, and two for each base branch."""

_PAGE_SIZE = 100
_LAST_SECOND = 2**36
"""Of the times that are believed, in seconds since 1970."""

_TEXT_MAX_LENGTH = 4096
_PASSED = frozenset({"SUCCESS", "NEUTRAL", "SKIPPED"})


class _Absent(ForgeError):
    """The host does not have this, or does not show it to the credential."""


class _OddAnswer(Unavailable):
    """The host said something about a pull request that cannot be read."""


_NO_PULL = (Refusal(frozenset({404}), PullRequestNotFound, "there is no such pull request"),)
_ABSENT = (Refusal(frozenset({403, 404}), _Absent, "the host does not show it"),)
_UNREADABLE = (
    Refusal(frozenset({403}), ChecksForbidden, "the credential may not read checks"),
    Refusal(frozenset({404}), _Absent, "the host has no checks"),
)

_Name = tuple[str, str | int]
_Checks = tuple[tuple[CheckView, ...], bool]
"""Checks, and whether there are more of them."""


@dataclass(frozen=True)
class LookAtEachPullRequest(Operation[PullRequestLooks]):
    """Look at up to five pull requests of the repository: https://docs.github.com/rest/pulls/pulls#get-a-pull-request.

    Each request names the answer that is kept, if any; the host then says only that it still holds.
    """

    numbers: tuple[int, ...]
    """Which pull requests."""

    kept: Mapping[_Name, KeptAnswer] = field(default_factory=dict, compare=False)
    """Answers of earlier looks, as `PullRequestLooks.kept` has them."""

    def __post_init__(self) -> None:
        if not 0 < len(self.numbers) <= MOST_EACH:
            raise ValueError(f"one operation looks at 1 to {MOST_EACH} pull requests, not {len(self.numbers)}")

    def run(self, session: Session) -> PullRequestLooks:
        """See `Operation.run`."""
        reader = _Reader(session, self.kept)
        found: dict[int, PullRequestLook] = {}
        for number in self.numbers:
            path = f"{session.address.path}/pulls/{number}"
            try:
                look = reader.get(("pull", number), path, _read_pull, refusals=_NO_PULL)
                is_open = look.state is PullRequestState.OPEN
                found[number] = _with_checks(reader, number, look) if is_open else look
            except (PullRequestNotFound, _OddAnswer):
                # One that cannot be read hides none of the others.
                continue
        rate = _read_rate(session)
        limit, remaining, reset = (rate.at(name).data for name in ("limit", "remaining", "reset"))
        has_rate = all(isinstance(figure, int) for figure in (limit, remaining, reset)) and limit > 0
        return PullRequestLooks(
            found=found,
            limit=limit if has_rate else None,
            remaining=remaining if has_rate else 0,
            reset_at=datetime.fromtimestamp(min(max(reset, 0), _LAST_SECOND), UTC) if has_rate else None,
            cost=max(1, reader.requests),
            kept=reader.kept,
        )


class _Reader:
    """Sends requests that name the answers that are kept, counts them, and keeps what they answer.

    Parameters
    ----------
    session
        The way to the host.
    known
        Answers of earlier looks.
    """

    def __init__(self, session: Session, known: Mapping[_Name, KeptAnswer]) -> None:
        self.session = session
        self.requests = 0
        self.kept: dict[_Name, KeptAnswer] = {}
        self._known = known

    def get(
        self,
        name: _Name,
        path: str,
        read: Callable[[Field], T],
        *,
        refusals: tuple[Refusal, ...],
        query: Mapping[str, Any] | None = None,
        need: Need = LOOK,
    ) -> T:
        """Return what is read at a path; once in each operation.

        Raises
        ------
        ForgeError
            If the host does not show it.
        """
        known = self.kept.get(name)
        if known is not None:
            return cast("T", known.value)
        old = self._known.get(name)
        if old is not None and old.path != path:
            old = None
        etag = "" if old is None else old.etag
        self.requests += 1
        place = self.session.send(Request("GET", path, query=query or {}, refusals=refusals, etag=etag, need=need))
        value = cast("T", old.value) if old is not None and place.is_unchanged else _read(read, place)
        self.kept[name] = KeptAnswer(path, etag if place.is_unchanged else place.etag, value)
        return value


def _read(read: Callable[[Field], T], place: Field) -> T:
    try:
        return read(place)
    except Unavailable as error:
        raise _OddAnswer(error.message, may_have_happened=False, status=error.status) from None


def _with_checks(reader: _Reader, number: int, look: PullRequestLook) -> PullRequestLook:
    """Return an open pull request with its checks.

    A personal token may read commit statuses and no check runs. Where a status is there, the rest counts as not seen;
    without one, nothing is said of checks.
    """
    commit, query = f"{reader.session.address.path}/commits/{look.head_sha}", {"per_page": _PAGE_SIZE}
    found: list[CheckView] = []
    has_more = is_hidden = False
    for what, read in (("check-runs", _read_runs), ("status", _read_statuses)):
        try:
            checks, are_more = reader.get(
                (what, number), f"{commit}/{what}", read, refusals=_UNREADABLE, query=query, need=LOOK_AT_CHECKS
            )
        except ChecksForbidden:
            is_hidden = True
            continue
        except _Absent:
            continue
        found += checks
        has_more = has_more or are_more
    if is_hidden and not found:
        return look
    has_more = has_more or is_hidden
    required = _find_required(reader, look.base_branch) if found else frozenset()
    named = tuple(replace(check, is_required=check.name in required) for check in found)
    return replace(look, checks=named, rollup=_sum_up(named, has_more=has_more), has_more_checks=has_more)


def _find_required(reader: _Reader, branch: str) -> frozenset[str]:
    """Return the names of the checks that a branch requires, by its rules and its protection together."""
    names: set[str] = set()
    root, quoted = reader.session.address.path, quote_branch(branch)
    ways: tuple[tuple[str, str, Callable[[Field], frozenset[str]]], ...] = (
        ("rules", f"{root}/rules/branches/{quoted}", _read_rules),
        ("branch", f"{root}/branches/{quoted.replace('/', '%2F')}", _read_protection),
    )
    for what, path, read in ways:
        try:
            names |= reader.get((what, branch), path, read, refusals=_ABSENT)
        except _Absent:
            continue
    return frozenset(names)


def _read_pull(place: Field) -> PullRequestLook:
    is_merged = place.at("merged_at").data is not None
    is_open = place.at("state").text() == "open"
    source = place.at("head", "repo", "id").data
    closed = place.at("closed_at")
    return PullRequestLook(
        state=PullRequestState.MERGED if is_merged else PullRequestState.OPEN if is_open else PullRequestState.CLOSED,
        is_draft=place.at("draft").data is True,
        title=place.at("title").text(_TEXT_MAX_LENGTH),
        head_branch=place.at("head", "ref").text(),
        is_from_fork=source is None or source != place.at("base", "repo", "id").data,
        head_sha=place.at("head", "sha").commit(),
        base_branch=place.at("base", "ref").branch(),
        merged_at=place.at("merged_at").time() if is_merged else None,
        merge_sha=place.at("merge_commit_sha").commit() if is_merged else None,
        closed_at=None if closed.data is None else closed.time(),
        checks=None,
        rollup=None,
        has_more_checks=False,
    )


def _read_runs(place: Field) -> _Checks:
    def read() -> Iterator[CheckView]:
        for run in place.at("check_runs").items():
            conclusion = run.at("conclusion").data
            word = conclusion.upper() if isinstance(conclusion, str) and conclusion else None
            yield CheckView(run.at("name").text(), run.at("status").text().upper(), word, is_required=False)

    return _counted(place, tuple(read()))


def _read_statuses(place: Field) -> _Checks:
    def read() -> Iterator[CheckView]:
        for status in place.at("statuses").items():
            name, state = status.at("context").text(), status.at("state").text().upper()
            is_open = state == "PENDING"
            yield CheckView(name, state if is_open else "COMPLETED", None if is_open else state, is_required=False)

    return _counted(place, tuple(read()))


def _counted(place: Field, checks: tuple[CheckView, ...]) -> _Checks:
    total = place.at("total_count").data
    return checks, isinstance(total, int) and total > len(checks)


def _read_rules(place: Field) -> frozenset[str]:
    rules = [rule for rule in place.items() if rule.at("type").data == "required_status_checks"]
    return frozenset(
        check.at("context").text()
        for rule in rules
        for check in rule.at("parameters", "required_status_checks").items()
    )


def _read_protection(place: Field) -> frozenset[str]:
    contexts = place.at("protection", "required_status_checks", "contexts")
    return frozenset(name.text() for name in contexts.items()) if contexts.data is not None else frozenset()


def _sum_up(checks: tuple[CheckView, ...], *, has_more: bool) -> str | None:
    """Return the word for all checks; what is not known to have passed has not passed."""
    if not checks:
        return None
    ended = [check.conclusion for check in checks if check.conclusion is not None]
    if any(word not in _PASSED for word in ended):
        return "FAILURE"
    return "PENDING" if has_more or len(ended) < len(checks) else "SUCCESS"


def _read_rate(session: Session) -> Field:
    """Return what is left of the limit; the request itself counts for nothing. Null: the host counts none, or not now.

    https://docs.github.com/rest/rate-limit/rate-limit#get-rate-limit-status-for-the-authenticated-user.
    """
    try:
        place = session.send(Request("GET", "/rate_limit", refusals=_ABSENT, need=LOOK))
    except (_Absent, RateLimited):
        return Field("GET /rate_limit", None)
    return place.at("resources", "core")
