"""Merge queues: pull requests are merged one behind the other, each after the checks of what it comes to.

Semantics are those of https://docs.github.com/repositories/configuring-branches-and-merges-in-your-repository/\
configuring-pull-request-merges/managing-a-merge-queue: each entry is merged onto the entry ahead on a temporary branch,
its required checks are those of that commit, and one that fails or was pushed to leaves the queue. Users reported the
words of refusals in https://github.com/ClickHouse/ClickHouse/pull/109183 and https://github.com/devantler-tech/platform/pull/3138.
"""

from __future__ import annotations

from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.gates import Gates
from codecourier.local.forge.git import BareRepository, RefMovedError
from codecourier.local.forge.merge_records import MergeOrder, QueueEntry, QueueExit
from codecourier.local.forge.merging import made_commit
from codecourier.local.forge.pulls import PullService, refuse_workflow_changes
from codecourier.local.forge.records import MergeIntent, Pull, Repository, now
from codecourier.local.forge.repositories import RepositoryService
from codecourier.local.forge.store import ForgeStore

__all__ = ["QueueService"]


class QueueService:
    """Takes pull requests into merge queues and merges them.

    An entry is queued → awaiting checks → mergeable → merged, or leaves the queue from any of these.
    """

    def __init__(self, store: ForgeStore, repositories: RepositoryService, pulls: PullService, gates: Gates) -> None:
        self._store = store
        self._repositories = repositories
        self._pulls = pulls
        self._gates = gates

    def entries(self, repository: Repository, branch: str) -> list[QueueEntry]:
        """Return the entries of a branch's queue in their order."""
        return [entry for entry in self._store.of_repository(QueueEntry, repository.id) if entry.branch == branch]

    def find(self, repository: Repository, pull: Pull) -> QueueEntry | None:
        """Return a pull request's entry, or None."""
        return self._gates.queue_entry(repository, pull)

    def enqueue(self, repository: Repository, pull: Pull, order: MergeOrder) -> QueueEntry:
        """Take an open pull request into the queue of its base branch; the queue's method replaces that of the order.

        Raises
        ------
        RefusedError
            422 if the branch has no queue, or the pull request may not enter it now.
        """
        rules = self._gates.rules(repository, pull.base_ref)
        if rules.queue is None:
            raise RefusedError(422, "Merge queue is not enabled for this branch.")
        if self.find(repository, pull) is not None:
            raise RefusedError(422, "Pull request is already in the queue")
        if order.expected_sha not in {None, pull.head_sha}:
            raise RefusedError(422, "Pull request head does not match the expected head.")
        if pull.state == "closed" or pull.draft:
            raise RefusedError(422, f"Pull request is {'closed' if pull.state == 'closed' else 'a draft'}.")
        git = self._repositories.git(repository)
        try:
            self._gates.check(git, repository, pull)
            if not order.may_change_workflows:
                refuse_workflow_changes(git, pull.head_sha, known=[pull.base_sha])
        except RefusedError as error:
            raise RefusedError(422, f"Pull request {error.message}") from error
        changes = {"method": rules.queue, "expected_sha": pull.head_sha, "title": None, "message": None}
        entry = QueueEntry(
            id=self._store.next_id(),
            repository_id=repository.id,
            number=pull.number,
            branch=pull.base_ref,
            order=order.model_copy(update=changes),
            enqueued_at=now(),
        )
        self._store.write(entry, counts=[("enqueues", f"{repository.full_name}#{pull.number}")])
        return entry

    def dequeue(self, repository: Repository, entry: QueueEntry, reason: str) -> None:
        """Take an entry out of its queue; those behind it are merged anew."""
        left = QueueExit(
            id=self._store.next_id(),
            repository_id=repository.id,
            number=entry.number,
            reason=reason,
            left_at=now(),
        )
        self._store.write(left, remove=[entry], counts=[("dequeues", f"{repository.full_name}#{entry.number}")])
        self._drop_branch(repository, entry)

    def advance(self, repository: Repository) -> None:
        """Build and merge as many entries as checks allow, in all queues of a repository."""
        for branch in sorted({entry.branch for entry in self._store.of_repository(QueueEntry, repository.id)}):
            self._advance_branch(repository, branch)

    def _advance_branch(self, repository: Repository, branch: str) -> None:
        git = self._repositories.git(repository)
        tip = git.ref(f"refs/heads/{branch}")
        is_first = True
        for queued in self.entries(repository, branch):
            pull = self._pulls.find(repository, queued.number)
            if tip is None or pull is None or not _is_as_queued(pull, queued):
                self.dequeue(repository, queued, "manual")
                continue
            entry = queued if queued.base_sha == tip else self._build(git, repository, pull, queued, tip)
            missing = self._gates.missing_checks(repository, branch, entry.sha) if entry else []
            if entry is None or any(word == "failing" for _, word in missing):
                self.dequeue(repository, entry or queued, "failed_checks" if entry else "merge_conflict")
                continue
            entry = entry.model_copy(update={"state": "AWAITING_CHECKS" if missing else "MERGEABLE"})
            self._store.write(entry)
            is_first = is_first and not missing and self._merge(git, repository, pull, entry)
            tip = entry.sha

    def _build(
        self, git: BareRepository, repository: Repository, pull: Pull, entry: QueueEntry, base: str
    ) -> QueueEntry | None:
        """Merge an entry onto a commit, on its temporary branch; returns None on conflict."""
        self._drop_branch(repository, entry)
        onto = pull.model_copy(update={"base_sha": base})
        if git.merge_tree(base, pull.head_sha) is None:
            return None
        try:
            sha = made_commit(git, repository, onto, entry.order)
        except RefusedError:
            return None
        built = entry.model_copy(update={"base_sha": base, "sha": sha})
        git.run("update-ref", _temporary(built), sha)
        return built

    def _merge(self, git: BareRepository, repository: Repository, pull: Pull, entry: QueueEntry) -> bool:
        """Move the branch to the first entry's commit; returns whether it was where it was expected."""
        intended = pull.model_copy(update={"merge_intent": MergeIntent(sha=entry.sha, login=entry.order.login)})
        self._store.write(intended)
        try:
            git.update_ref(f"refs/heads/{entry.branch}", entry.sha, old=entry.base_sha)
        except RefMovedError:
            self._store.write(pull)
            return False
        self._pulls.mark_merged(repository, intended, sha=entry.sha, login=entry.order.login, topic="merges")
        self._store.write(remove=[entry])
        self._drop_branch(repository, entry)
        return True

    def _drop_branch(self, repository: Repository, entry: QueueEntry) -> None:
        if entry.sha:
            self._repositories.git(repository).run("update-ref", "-d", _temporary(entry))


def _is_as_queued(pull: Pull, entry: QueueEntry) -> bool:
    """Return whether a pull request is still what was taken into the queue."""
    is_same = (pull.head_sha, pull.base_ref) == (entry.order.expected_sha, entry.branch)
    return is_same and pull.state == "open" and not pull.draft


def _temporary(entry: QueueEntry) -> str:
    return f"refs/heads/gh-readonly-queue/{entry.branch}/pr-{entry.number}-{entry.base_sha}"
