"""Merge queues: whether a pull request is in one, why it left, and how it is taken into or out of it.

https://docs.github.com/graphql/reference/pulls (`enqueuePullRequest`, `dequeuePullRequest`, `MergeQueueEntry`,
`RemovedFromMergeQueueEvent`): GitHub's REST API shows nothing of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeRefused, scrub
from codecourier.github.graphql import GraphQLMissing, ask, change
from codecourier.github.needs import Need
from codecourier.github.session import Session

__all__ = ["MERGE", "LeaveQueue", "LookAtQueue", "QueuePlace", "enqueue"]

_PLACE = """
query QueuePlace($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      id
      state
      isInMergeQueue
      mergeQueueEntry { position }
      timelineItems(last: 1, itemTypes: [REMOVED_FROM_MERGE_QUEUE_EVENT]) {
        nodes { ... on RemovedFromMergeQueueEvent { id reason } }
      }
    }
  }
}
"""
_ENTER = """
mutation Enqueue($pull: ID!, $head: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $pull, expectedHeadOid: $head}) { mergeQueueEntry { state } }
}
"""
_LEAVE = """
mutation Dequeue($pull: ID!) {
  dequeuePullRequest(input: {id: $pull}) { mergeQueueEntry { state } }
}
"""
_IN_QUEUE = ("already", "queue")
"""What GitHub says of a pull request that is to be enqueued again has both words."""

_ID_MAX_LENGTH = 200
_REASON_MAX_LENGTH = 200

_READ = Need((("contents", "read"), ("pull_requests", "read")))
MERGE = Need((("contents", "write"), ("pull_requests", "write")))
"""What a merge needs, by a queue or without one."""


@dataclass(frozen=True)
class QueuePlace:
    """Where a pull request is in the merge queue of its base branch."""

    is_open: bool
    is_queued: bool
    position: int | None
    """From 1; None: the host does not say, or it is in no queue."""

    exit_id: str | None
    """The host's name of its last exit from a queue; None: there was none."""

    exit_reason: str
    """Why that was, in the host's words; empty: it does not say."""


@dataclass(frozen=True)
class LookAtQueue(Operation[QueuePlace]):
    """Look whether a pull request is in a merge queue, and how it last left one."""

    number: int

    def run(self, session: Session) -> QueuePlace:
        """See `Operation.run`.

        Raises
        ------
        ForgeRefused
            If the host has no GraphQL API, or none with merge queues.
        """
        pull = _find(session, self.number, _READ)
        left = pull.at("timelineItems", "nodes")
        last = left.items()[-1] if left.data else pull.at("none")
        position = pull.at("mergeQueueEntry", "position").data
        return QueuePlace(
            is_open=pull.at("state").text() == "OPEN",
            is_queued=pull.at("isInMergeQueue").data is True,
            position=position if isinstance(position, int) and position > 0 else None,
            exit_id=None if last.data is None else last.at("id").text(_ID_MAX_LENGTH),
            exit_reason=scrub(str(last.at("reason").data or ""))[:_REASON_MAX_LENGTH],
        )


@dataclass(frozen=True)
class LeaveQueue(Operation[None]):
    """Take a pull request out of the merge queue; one that is in none is left as it is."""

    is_write: ClassVar[bool] = True

    number: int

    def run(self, session: Session) -> None:
        """See `Operation.run`."""
        pull = _find(session, self.number, MERGE)
        if pull.at("isInMergeQueue").data is True:
            change(session, _LEAVE, {"pull": pull.at("id").text()}, MERGE)


def enqueue(session: Session, number: int, head: str, need: Need = MERGE) -> None:
    """Take a pull request into the merge queue of its base branch at one head; that it is there already is success.

    Raises
    ------
    ForgeRefused
        If it may not enter the queue.
    """
    pull = _find(session, number, need)
    try:
        change(session, _ENTER, {"pull": pull.at("id").text(), "head": head}, need)
    except ForgeRefused as error:
        if not all(word in error.message.lower() for word in _IN_QUEUE):
            raise


def _find(session: Session, number: int, need: Need) -> Field:
    variables = {"owner": session.address.owner, "name": session.address.name, "number": number}
    try:
        return ask(session, _PLACE, variables, need).at("repository", "pullRequest")
    except GraphQLMissing as error:
        # Without it nothing says whether a pull request left the queue, so it might enter it again unverified.
        message = f"the host shows no places in merge queues; merge the pull request at the host ({error.message})"
        raise ForgeRefused(message, status=error.status) from None
