"""Look at many pull requests at once: what became of them, and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.errors import CredentialsRefused, Unavailable
from codecourier.github.graphql import GraphQLMissing, ask_partly
from codecourier.github.needs import Need
from codecourier.github.session import Session
from codecourier.pull_request import PullRequestState

__all__ = [
    "LOOK",
    "LOOK_AT_CHECKS",
    "MOST_LOOKS",
    "CheckView",
    "ChecksForbidden",
    "KeptAnswer",
    "LookAtPullRequests",
    "PullRequestLook",
    "PullRequestLooks",
]

MOST_LOOKS = 50
"""How many pull requests one query may ask for. With their checks GitHub counts 100 requests: one point."""

_TEXT_MAX_LENGTH = 4096
_STATES = {
    "OPEN": PullRequestState.OPEN,
    "CLOSED": PullRequestState.CLOSED,
    "MERGED": PullRequestState.MERGED,
}

_PULL = """
  p{number}: pullRequest(number: {number}) {{
    state isDraft title headRefName headRefOid baseRefName isCrossRepository mergedAt closedAt mergeCommit {{ oid }}
    {checks}
  }}
"""
_CHECKS = """
    commits(last: 1) {{ nodes {{ commit {{ oid statusCheckRollup {{
      state
      contexts(first: 100) {{
        totalCount
        nodes {{
          ... on CheckRun {{ name status conclusion isRequired(pullRequestNumber: {number}) }}
          ... on StatusContext {{ context state isRequired(pullRequestNumber: {number}) }}
        }}
      }}
    }} }} }} }}
"""
_QUERY = """
query PullRequests($owner: String!, $name: String!) {{
  rateLimit {{ limit remaining resetAt }}
  repository(owner: $owner, name: $name) {{ {pulls} }}
}}
"""
"""https://docs.github.com/graphql/reference/pulls#pullrequest."""


class ChecksForbidden(CredentialsRefused):
    """The installation of the App lacks a permission to read checks. Everything else is asked for without it."""


LOOK = Need((("contents", "read"), ("pull_requests", "read")))
LOOK_AT_CHECKS = Need((*LOOK.permissions, ("checks", "read"), ("statuses", "read")), ChecksForbidden)


@dataclass(frozen=True)
class CheckView:
    """A check of the commit at the head; see `codecourier.core.shared.following.CheckFact`."""

    name: str
    status: str
    conclusion: str | None
    is_required: bool


@dataclass(frozen=True)
class PullRequestLook:
    """What a pull request is now."""

    state: PullRequestState
    is_draft: bool
    title: str
    head_branch: str
    """Short name."""

    is_from_fork: bool
    head_sha: str
    base_branch: str
    """Short name."""

    merged_at: datetime | None
    merge_sha: str | None
    closed_at: datetime | None
    """When it was merged or closed."""

    checks: tuple[CheckView, ...] | None
    """Those that the host named; None: it says nothing of any."""

    rollup: str | None
    """The host's word for all checks."""

    has_more_checks: bool
    """Whether there are checks that are not named: too many, or ones that the credential may not read."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a host said of one thing, kept so that the host has to say only whether it still holds."""

    path: str
    """Of the request."""

    etag: str
    """The host's name for the answer; empty: it gave none."""

    value: object
    """What was read from it."""


@dataclass(frozen=True)
class PullRequestLooks:
    """What the pull requests are now."""

    found: Mapping[int, PullRequestLook]
    """By number; one that cannot be read is absent."""

    limit: int | None
    """Points that the credential has in an hour; None: the host counts none."""

    remaining: int
    """Points that are left to it."""

    reset_at: datetime | None
    """When it has all again."""

    cost: int = 1
    """Points or requests that the looks took; answers that only said that nothing has changed count as well."""

    has_graphql: bool = True
    """Whether the host can be asked for many at once. If not, nothing was found."""

    kept: Mapping[tuple[str, str | int], KeptAnswer] = field(default_factory=dict)
    """Answers for the next looks at the same pull requests; see `LookAtEachPullRequest.kept`."""


@dataclass(frozen=True)
class LookAtPullRequests(Operation[PullRequestLooks]):
    """Look at up to 50 pull requests of the repository with one query.

    GitHub's REST API has no request for several of them with their checks.
    """

    numbers: tuple[int, ...]
    """Which pull requests."""

    def __post_init__(self) -> None:
        if not 0 < len(self.numbers) <= MOST_LOOKS:
            raise ValueError(f"one query asks for 1 to {MOST_LOOKS} pull requests, not {len(self.numbers)}")

    def run(self, session: Session) -> PullRequestLooks:
        """See `Operation.run`; a host without a GraphQL API, or with one that lacks this, is an answer."""
        try:
            data = self._ask_for_all(session)
        except GraphQLMissing:
            return PullRequestLooks({}, limit=None, remaining=0, reset_at=None, has_graphql=False)
        rate, repository = data.at("rateLimit"), data.at("repository")
        looks = {number: _find_look(repository.at(f"p{number}")) for number in self.numbers}
        return PullRequestLooks(
            found={number: look for number, look in looks.items() if look is not None},
            limit=None if rate.data is None else rate.at("limit").number(),
            remaining=_read_count(rate.at("remaining")),
            reset_at=None if rate.data is None else rate.at("resetAt").time(),
        )

    def _ask_for_all(self, session: Session) -> Field:
        try:
            return self._ask(session, has_checks=True)
        except ChecksForbidden:
            return self._ask(session, has_checks=False)

    def _ask(self, session: Session, *, has_checks: bool) -> Field:
        pulls = "".join(_build_pull(number, has_checks=has_checks) for number in self.numbers)
        variables = {"owner": session.address.owner, "name": session.address.name}
        need = LOOK_AT_CHECKS if has_checks else LOOK
        return ask_partly(session, _QUERY.format(pulls=pulls), variables, need, "repository")


def _build_pull(number: int, *, has_checks: bool) -> str:
    return _PULL.format(number=number, checks=_CHECKS.format(number=number) if has_checks else "")


def _find_look(place: Field) -> PullRequestLook | None:
    """Return what is said of one pull request; None: it cannot be read, which hides none of the others."""
    try:
        return None if place.data is None else _read(place)
    except Unavailable:
        return None


def _read(place: Field) -> PullRequestLook:
    rollup = _find_rollup(place)
    contexts = rollup.at("contexts", "nodes")
    named = tuple(_read_checks(contexts.items() if contexts.data is not None else ()))
    has_checks = place.at("commits").data is not None
    return PullRequestLook(
        state=_STATES.get(place.at("state").text(), PullRequestState.OPEN),
        is_draft=place.at("isDraft").data is True,
        title=place.at("title").text(_TEXT_MAX_LENGTH),
        head_branch=place.at("headRefName").text(),
        is_from_fork=place.at("isCrossRepository").data is True,
        head_sha=place.at("headRefOid").commit(),
        base_branch=place.at("baseRefName").branch(),
        merged_at=_read_time(place.at("mergedAt")),
        merge_sha=None if place.at("mergeCommit").data is None else place.at("mergeCommit", "oid").commit(),
        closed_at=_read_time(place.at("closedAt")),
        checks=named if has_checks else None,
        rollup=_read_word(rollup.at("state")),
        has_more_checks=_read_count(rollup.at("contexts", "totalCount")) > len(named),
    )


def _find_rollup(place: Field) -> Field:
    """Return the checks of the commit at the head; those of an older one, if the head has moved meanwhile, are none."""
    commits = place.at("commits", "nodes")
    commit = commits.items()[0].at("commit") if commits.data else place.at("commits")
    is_head = commit.at("oid").data == place.at("headRefOid").data
    return commit.at("statusCheckRollup") if is_head else place.at("none")


def _read_checks(contexts: Iterable[Field]) -> Iterable[CheckView]:
    for context in contexts:
        is_required = context.at("isRequired").data is True
        name, state = _read_word(context.at("name")), _read_word(context.at("state"))
        if name is not None:
            status, conclusion = _read_word(context.at("status")), _read_word(context.at("conclusion"))
            yield CheckView(name, status or "QUEUED", conclusion, is_required)
        elif state is not None and (name := _read_word(context.at("context"))) is not None:
            is_open = state in {"PENDING", "EXPECTED"}
            yield CheckView(name, state if is_open else "COMPLETED", None if is_open else state, is_required)


def _read_word(place: Field) -> str | None:
    return place.word() or None


def _read_count(place: Field) -> int:
    return place.data if isinstance(place.data, int) and place.data > 0 else 0


def _read_time(place: Field) -> datetime | None:
    return None if place.data is None else place.time()
