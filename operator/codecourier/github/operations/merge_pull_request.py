"""Merge a pull request, at one head only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from codecourier.checks import MergeStrategy
from codecourier.github.answers import Field, unreadable
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError, ForgeRefused
from codecourier.github.gateway import Request
from codecourier.github.graphql import change
from codecourier.github.needs import Need
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = [
    "MergeConflicts",
    "MergeProgress",
    "MergePullRequest",
    "MergeRefused",
    "MergeRequested",
]

_ENQUEUE = """
mutation Enqueue($pull: ID!, $head: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $pull, expectedHeadOid: $head}) { mergeQueueEntry { state } }
}
"""
"""https://docs.github.com/graphql/reference/pulls#enqueuepullrequest: for hosts that cannot merge in the background."""

_IN_QUEUE = "already"
"""What GitHub says of a pull request that is in the queue: it is enqueued already."""

_UUID = re.compile(r"[0-9A-Za-z-]{1,64}")
_MERGE = Need((("contents", "write"), ("pull_requests", "write")))


class MergeProgress(StrEnum):
    """What became of a request to merge; what it ended with is seen at the pull request."""

    MERGED = "Merged"
    PENDING = "Pending"
    """The host works on it."""

    QUEUED = "Queued"
    """The pull request is in the branch's merge queue."""


class MergeRefused(ForgeError):
    """The host does not merge the pull request as it is now: a rule forbids it, or its state does."""


class MergeConflicts(MergeRefused):
    """The head, or the base branch, is not where it was."""


class MergeRequested(ForgeError):
    """Another request to merge the pull request is there, with other options."""


class _NoAsync(ForgeError):
    """The host cannot merge in the background."""


_REFUSED, _EXISTS = 400, 409
"""Answers that say what became of a request to merge in the background, as the successes do."""

_WORDS = {"pending": MergeProgress.PENDING, "enqueued": MergeProgress.QUEUED, "merged": MergeProgress.MERGED}

_SYNC_REFUSALS = (
    Refusal(frozenset({405, 422}), MergeRefused, "the host does not merge the pull request"),
    Refusal(frozenset({409}), MergeConflicts, "a branch has moved"),
)
_ASYNC_REFUSALS = (
    Refusal(frozenset({404, 405, 501}), _NoAsync, "the host does not merge in the background"),
    Refusal(frozenset({422}), MergeRefused, "the host does not merge the pull request"),
)


@dataclass(frozen=True)
class MergePullRequest(Operation[MergeProgress]):
    """Merge a pull request if its head is still the one that was verified.

    In the background where the host can (https://docs.github.com/rest/pulls/pulls, `merge-async`), which is repeatable:
    a request for the same head that is there already is the same one. Otherwise at once. Whatever is answered or lost,
    the pull request itself shows what happened.
    """

    is_write: ClassVar[bool] = True

    number: int
    head: str
    """The only commit that may be merged."""

    strategy: MergeStrategy
    has_queue: bool = False
    """Whether the base branch has a merge queue, which merges by its own method."""

    @property
    def _method(self) -> str:
        """GitHub's word."""
        return self.strategy.value.lower()

    def run(self, session: Session) -> MergeProgress:
        """See `Operation.run`.

        Raises
        ------
        MergeRefused
            If the host does not merge it as it is now.
        MergeRequested
            If another request is there, with other options.
        """
        try:
            answer = self._ask(session)
        except _NoAsync:
            return self._enqueue(session) if self.has_queue else self._merge_now(session)
        uuid = answer.at("details", "uuid").data
        if answer.status == _EXISTS:
            self._check_options(answer)
        if answer.at("status").data != "pending" or not isinstance(uuid, str) or not _UUID.fullmatch(uuid):
            return _read(answer)
        # Rules are judged in the background: what refuses it is known there only.
        return _read(session.send(Request("GET", f"{self._path(session)}/{uuid}", need=_MERGE)))

    def _path(self, session: Session) -> str:
        return f"{session.address.path}/pulls/{self.number}/merge-async"

    def _ask(self, session: Session) -> Field:
        request = Request(
            "PUT",
            self._path(session),
            body={"sha": self.head, "merge_method": self._method, "merge_action": "default"},
            refusals=_ASYNC_REFUSALS,
            need=_MERGE,
            answers=frozenset({_REFUSED, _EXISTS}),
        )
        return session.send(request)

    def _check_options(self, answer: Field) -> None:
        details = answer.at("details")
        method = details.at("merge_method").data
        if details.at("expected_head_sha").data != self.head or method not in {self._method, "default"}:
            raise MergeRequested(
                f"{answer.what}: another request to merge the pull request is there, by {method} and for commit "
                f"{details.at('expected_head_sha').data}",
                status=_EXISTS,
            )

    def _merge_now(self, session: Session) -> MergeProgress:
        request = Request(
            "PUT",
            f"{session.address.path}/pulls/{self.number}/merge",
            body={"sha": self.head, "merge_method": self._method},
            refusals=_SYNC_REFUSALS,
            need=_MERGE,
        )
        session.send(request)
        return MergeProgress.MERGED

    def _enqueue(self, session: Session) -> MergeProgress:
        place = session.send(Request("GET", f"{session.address.path}/pulls/{self.number}", need=_MERGE))
        try:
            change(session, _ENQUEUE, {"pull": place.at("node_id").text(), "head": self.head}, _MERGE)
        except ForgeRefused as error:
            if _IN_QUEUE not in error.message.lower():
                raise MergeRefused(error.message, status=error.status) from None
        return MergeProgress.QUEUED


def _read(answer: Field) -> MergeProgress:
    word = answer.at("status").data
    if word == "failed":
        said = answer.at("details", "message").data
        raise MergeRefused(f"{answer.what}: the host does not merge the pull request: {said}", status=answer.status)
    if word not in _WORDS:
        raise unreadable(answer.what, "its status is none that is documented")
    return _WORDS[word]
