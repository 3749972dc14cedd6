"""Find out whether a user who may write to the repository has approved a commit of a pull request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from codecourier.checks import Approval
from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError
from codecourier.github.gateway import Request
from codecourier.github.operations.get_pull_request import PULL_REQUEST_REFUSALS
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["FindApproval"]

_PAGE_SIZE = 100
_MOST_PAGES = 5
"""How many pages of reviews are read; a pull request with more counts as not approved."""

_MOST_REVIEWERS = 10
"""About how many of those who approve a commit the host is asked what they may do."""

_VERDICTS = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})
"""Reviews that replace what the same user has said before; a comment does not."""

_WRITERS = frozenset({"admin", "write"})
"""GitHub's words for roles that may push; it says `write` of maintainers too."""


class _NoUser(ForgeError):
    """The host has no such user."""


_USER_REFUSALS = (Refusal(frozenset({404}), _NoUser, "there is no such user"),)


@dataclass(frozen=True)
class FindApproval(Operation[Approval]):
    """Find out whether a user who may write to the repository has approved a commit of a pull request.

    https://docs.github.com/rest/pulls/reviews#list-reviews-for-a-pull-request and
    https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user. The latest verdict
    of each user counts, and one that was dismissed does not.
    """

    number: int
    commit: str

    def run(self, session: Session) -> Approval:
        """See `Operation.run`.

        Raises
        ------
        PullRequestNotFound
            If there is no pull request of this number.
        """
        reviews: list[Field] = []
        for page in range(1, _MOST_PAGES + 1):
            found = session.send(
                Request(
                    "GET",
                    f"{session.address.path}/pulls/{self.number}/reviews",
                    query={"per_page": _PAGE_SIZE, "page": page},
                    refusals=PULL_REQUEST_REFUSALS,
                )
            ).items()
            reviews += found
            if len(found) < _PAGE_SIZE:
                return self._judge(session, _verdicts(reviews))
        return Approval.UNREAD

    def _judge(self, session: Session, verdicts: Iterable[Field]) -> Approval:
        approving = [review for review in verdicts if review.at("state").data == "APPROVED"]
        current = [review for review in approving if review.at("commit_id").data == self.commit]
        if not current:
            return Approval.OUTDATED if approving else Approval.MISSING
        for review in current[:_MOST_REVIEWERS]:
            if _may_write(session, review.at("user", "login").text()):
                return Approval.GIVEN
        return Approval.UNREAD if len(current) > _MOST_REVIEWERS else Approval.NOT_BY_WRITER


def _verdicts(reviews: Iterable[Field]) -> list[Field]:
    """Return the latest verdict of each person; what an App or a deleted account said does not count."""
    latest: dict[int, Field] = {}
    for review in reviews:
        if str(review.at("state").data) in _VERDICTS and review.at("user").data is not None:
            user = review.at("user", "id").number()
            # The list is in the order of time: https://docs.github.com/rest/pulls/reviews.
            latest[user] = review
    return [review for review in latest.values() if review.at("user", "type").data == "User"]


def _may_write(session: Session, login: str) -> bool:
    path = f"{session.address.path}/collaborators/{quote(login, safe='')}/permission"
    try:
        place = session.send(Request("GET", path, refusals=_USER_REFUSALS))
    except _NoUser:
        return False
    return str(place.at("permission").data) in _WRITERS
