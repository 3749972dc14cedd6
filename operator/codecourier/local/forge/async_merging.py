"""Merges in the background: asked for, answered with a uuid, judged later.

Semantics are those of https://docs.github.com/rest/pulls/pulls#merge-a-pull-request-asynchronously and
https://github.github.io/gh-stack/reference/merge-api/: only the pull request's state is judged at once, rules when the
merge runs, and a result is kept for 24 hours after its last change. Sentences are those of the examples in GitHub's
published description, where it has some.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.gates import Gates
from codecourier.local.forge.merge_records import MergeOrder, MergeRequest
from codecourier.local.forge.merging import MergeService
from codecourier.local.forge.pulls import PullService
from codecourier.local.forge.queueing import QueueService
from codecourier.local.forge.records import Pull, Repository, now
from codecourier.local.forge.stacking import StackService
from codecourier.local.forge.store import ForgeStore

__all__ = ["AsyncMergeService"]

_KEPT = timedelta(hours=24)


class AsyncMergeService:
    """Takes requests for merges and runs them.

    A request is pending → merged, enqueued or failed. It runs with the next request for its repository, or later where
    the repository says so: after a number of polls, or when the control API asks.
    """

    def __init__(
        self,
        store: ForgeStore,
        pulls: PullService,
        merges: MergeService,
        gates: Gates,
        queues: QueueService,
        stacks: StackService,
    ) -> None:
        self._store = store
        self._pulls = pulls
        self._merges = merges
        self._gates = gates
        self._queues = queues
        self._stacks = stacks

    def submit(self, repository: Repository, pull: Pull, order: MergeOrder, action: str) -> MergeRequest:
        """Record a request for an open pull request and return it.

        An order without an expected head takes the present one.
        """
        request = MergeRequest.model_validate(
            {
                "id": self._store.next_id(),
                "repository_id": repository.id,
                "uuid": str(uuid.uuid4()),
                "number": pull.number,
                "order": order.model_copy(update={"expected_sha": order.expected_sha or pull.head_sha}),
                "action": action,
                "polls_left": repository.merge_polls,
                "message": "Merge request enqueued.",
                "updated_at": now(),
            }
        )
        self._store.write(request, counts=[("merge_requests", f"{repository.full_name}#{pull.number}")])
        return request

    def pending(self, repository: Repository, pull: Pull) -> MergeRequest | None:
        """Return the request for a pull request that has not run, or None."""
        return next((found for found in self._kept(repository, pull.number) if found.status == "pending"), None)

    def poll(self, repository: Repository, number: int, wanted: str) -> MergeRequest | None:
        """Return a request by its uuid, or None if there is none, or its time is over."""
        found = next((found for found in self._kept(repository, number) if found.uuid == wanted), None)
        if found is None or found.status != "pending":
            return found
        left = max(0, found.polls_left - 1)
        self._store.write(found.model_copy(update={"polls_left": left}))
        return found.model_copy(update={"message": "Merge request is in progress."})

    def run_due(self, repository: Repository) -> None:
        """Run the requests of a repository whose time has come."""
        for request in self._store.of_repository(MergeRequest, repository.id):
            if request.status == "pending" and request.polls_left == 0:
                self.run(repository, request)

    def run_all(self, repository: Repository) -> int:
        """Run all pending requests of a repository; returns how many there were."""
        pending = [
            found for found in self._store.of_repository(MergeRequest, repository.id) if found.status == "pending"
        ]
        for request in pending:
            self.run(repository, request)
        return len(pending)

    def run(self, repository: Repository, request: MergeRequest) -> None:
        """Merge what a request asks for, or record why it could not be merged."""
        self._pulls.follow(repository)
        pull = self._pulls.find(repository, request.number)
        if pull is None:
            self._end(request, "failed", "Pull request was not found.")
        elif pull.merged_at is not None:
            self._end(request, "merged", "Pull request was merged.", pull.merge_commit_sha)
        elif pull.state == "closed":
            self._end(request, "failed", "Pull request is closed.")
        else:
            self._merge(repository, pull, request)

    def age(self, repository: Repository, seconds: float) -> None:
        """Let time pass for the results of a repository."""
        for request in self._store.of_repository(MergeRequest, repository.id):
            past = request.updated_at - timedelta(seconds=seconds)
            self._store.write(request.model_copy(update={"updated_at": past}))

    def _merge(self, repository: Repository, pull: Pull, request: MergeRequest) -> None:
        has_queue = self._gates.rules(repository, pull.base_ref).queue is not None
        try:
            if request.action == "merge_queue" or (request.action == "default" and has_queue):
                self._queues.enqueue(repository, pull, request.order)
                self._end(request, "enqueued", "Pull request was added to the merge queue.")
            else:
                stack = self._stacks.find(repository, pull.number)
                if stack is None:
                    sha = self._merges.merge(repository, pull, request.order)
                else:
                    sha = self._stacks.merge(repository, stack, pull, request.order)
                self._end(request, "merged", "Pull request was merged.", sha)
        except RefusedError as error:
            self._end(request, "failed", error.message)
        self._pulls.follow(repository)

    def _end(self, request: MergeRequest, status: str, message: str, sha: str | None = None) -> None:
        changes = {"status": status, "message": message, "sha": sha, "updated_at": now()}
        self._store.write(MergeRequest.model_validate({**request.model_dump(), **changes}))

    def _kept(self, repository: Repository, number: int) -> list[MergeRequest]:
        return [
            request
            for request in self._store.of_repository(MergeRequest, repository.id)
            if request.number == number and request.updated_at + _KEPT > now()
        ]
