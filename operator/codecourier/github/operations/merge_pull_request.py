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
from codecourier.github.needs import WORKFLOWS_REFUSAL, Need, WorkflowsForbidden
from codecourier.github.operations.merge_queue import MERGE, enqueue
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = [
    "MergeAnswer",
    "MergeConflicts",
    "MergeProgress",
    "MergePullRequest",
    "MergeRefused",
    "MergeRequested",
]

_UUID = re.compile(r"[0-9A-Za-z-]{1,64}")


class MergeProgress(StrEnum):
    """What became of a request to merge; what it ended with is seen at the pull request."""

    MERGED = "Merged"
    PENDING = "Pending"
    """The host works on it."""

    QUEUED = "Queued"
    """The pull request is in the branch's merge queue."""


@dataclass(frozen=True)
class MergeAnswer:
    """What a host says to a request to merge."""

    progress: MergeProgress
    request: str | None = None
    """Number of the request that it works on; None: it works on none."""


class MergeRefused(ForgeError):
    """The host does not merge the pull request as it is now: a rule forbids it, or its state does."""


class MergeConflicts(MergeRefused):
    """The head, or the base branch, is not where the host expected it; nothing was merged.

    Users reported that GitHub also says so, with 405, of a base branch that has not moved.
    """


class MergeRequested(ForgeError):
    """Another request to merge the pull request is there, with other options."""


class _RequestGone(ForgeError):
    """The host does not know a request to merge in the background any more: it keeps what became of one for a day."""


class _NoAsync(ForgeError):
    """The host cannot merge in the background."""


_REFUSED, _EXISTS = 400, 409
"""Answers that say what became of a request to merge in the background, as the successes do."""

_WORDS = {"pending": MergeProgress.PENDING, "enqueued": MergeProgress.QUEUED, "merged": MergeProgress.MERGED}

_MOVED = "branch was modified"
"""What GitHub says of a head or a base that moved, with 405, 409, or later: "Base branch was modified. …"."""

_SYNC_REFUSALS = (
    WORKFLOWS_REFUSAL,
    Refusal(frozenset({405, 422}), MergeConflicts, "a branch has moved", _MOVED),
    Refusal(frozenset({405, 422}), MergeRefused, "the host does not merge the pull request"),
    Refusal(frozenset({409}), MergeConflicts, "a branch has moved"),
)
_ASYNC_REFUSALS = (
    WORKFLOWS_REFUSAL,
    Refusal(frozenset({404, 405, 501}), _NoAsync, "the host does not merge in the background"),
    Refusal(frozenset({422}), MergeRefused, "the host does not merge the pull request"),
)
_GONE = (Refusal(frozenset({404}), _RequestGone, "the request to merge is not known any more"),)


@dataclass(frozen=True)
class MergePullRequest(Operation[MergeAnswer]):
    """Merge a pull request if its head is still the one that was verified.

    In the background where the host can (https://docs.github.com/rest/pulls/pulls, `merge-async`), which is repeatable:
    a request for the same head that is there already is the same one. Otherwise at once. Whatever is answered or lost,
    the pull request itself shows what happened.

    Rules are judged in the background, and the host keeps what became of a request for a day. So a request that is
    known is looked at first: to ask again would make another one, and the reason of a refusal would never be read.
    """

    is_write: ClassVar[bool] = True

    number: int
    head: str
    """The only commit that may be merged."""

    strategy: MergeStrategy
    has_queue: bool = False
    """Whether the base branch has a merge queue, which merges by its own method."""

    request: str | None = None
    """Number of the request that was made before; None: none is known."""

    with_workflows: bool = False
    """Whether an App's installation may change workflow files, so that the merge may."""

    @property
    def _need(self) -> Need:
        return MERGE.and_workflows(if_=self.with_workflows)

    @property
    def _method(self) -> str:
        """GitHub's word."""
        return self.strategy.value.lower()

    def run(self, session: Session) -> MergeAnswer:
        """See `Operation.run`.

        Raises
        ------
        MergeRefused
            If the host does not merge it as it is now.
        MergeRequested
            If another request is there, with other options.
        WorkflowsForbidden
            If it changes workflow files and the credential may not.
        """
        found = None if self.request is None else self._poll(session, self.request)
        return found or self._request_merge(session)

    def _poll(self, session: Session, uuid: str) -> MergeAnswer | None:
        """Return what became of a request; None: the host does not know it any more."""
        try:
            answer = session.send(Request("GET", f"{self._path(session)}/{uuid}", refusals=_GONE, need=self._need))
        except _RequestGone:
            return None
        progress = _read(answer)
        return MergeAnswer(progress, uuid if progress is MergeProgress.PENDING else None)

    def _request_merge(self, session: Session) -> MergeAnswer:
        try:
            answer = self._ask(session)
        except _NoAsync:
            return MergeAnswer(self._enqueue(session) if self.has_queue else self._merge_now(session))
        uuid = answer.at("details", "uuid").data
        if answer.status == _EXISTS:
            self._check_options(answer)
        if answer.at("status").data != "pending" or not isinstance(uuid, str) or not _UUID.fullmatch(uuid):
            return MergeAnswer(_read(answer))
        return self._poll(session, uuid) or MergeAnswer(MergeProgress.PENDING)

    def _path(self, session: Session) -> str:
        return f"{session.address.path}/pulls/{self.number}/merge-async"

    def _ask(self, session: Session) -> Field:
        request = Request(
            "PUT",
            self._path(session),
            body={"sha": self.head, "merge_method": self._method, "merge_action": "default"},
            refusals=_ASYNC_REFUSALS,
            need=self._need,
            answers=frozenset({_REFUSED, _EXISTS}),
        )
        return session.send(request)

    def _check_options(self, answer: Field) -> None:
        """Follow another request only if it does the same; a queue merges by its own method, whatever was asked for."""
        details = answer.at("details")
        head, method, action = (details.at(n).word() for n in ("expected_head_sha", "merge_method", "merge_action"))
        actions = {"default", "merge_queue" if self.has_queue else "direct_merge"}
        if head != self.head or action not in actions or not (self.has_queue or method == self._method):
            said = f"by {method}, as {action} and for commit {head}"
            message = f"{answer.what}: another request to merge the pull request is there, {said}"
            raise MergeRequested(message, status=_EXISTS)

    def _merge_now(self, session: Session) -> MergeProgress:
        request = Request(
            "PUT",
            f"{session.address.path}/pulls/{self.number}/merge",
            body={"sha": self.head, "merge_method": self._method},
            refusals=_SYNC_REFUSALS,
            need=self._need,
        )
        session.send(request)
        return MergeProgress.MERGED

    def _enqueue(self, session: Session) -> MergeProgress:
        try:
            enqueue(session, self.number, self.head, self._need)
        except ForgeRefused as error:
            raise MergeRefused(error.message, status=error.status) from None
        return MergeProgress.QUEUED


def _read(answer: Field) -> MergeProgress:
    word = answer.at("status").word()
    if word == "failed":
        said = str(answer.at("details", "message").data)
        error: type[ForgeError] = MergeConflicts if _MOVED in said.lower() else MergeRefused
        if WORKFLOWS_REFUSAL.words in said.lower():
            error = WorkflowsForbidden
        raise error(f"{answer.what}: the host does not merge the pull request: {said}", status=answer.status)
    if word not in _WORDS:
        raise unreadable(answer.what, "its status is none that is documented")
    return _WORDS[word]
