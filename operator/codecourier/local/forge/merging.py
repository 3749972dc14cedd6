"""Merges: merge, squash and rebase, made for real.

https://docs.github.com/rest/pulls/pulls#merge-a-pull-request has the statuses. That a base branch which moved is a 405
was reported by users in https://github.com/akuity/kargo/pull/6490.
"""

from __future__ import annotations

from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.gates import Gates
from codecourier.local.forge.git import BareRepository, RefMovedError, Signature
from codecourier.local.forge.merge_records import MergeOrder
from codecourier.local.forge.pulls import PullService, refuse_workflow_changes
from codecourier.local.forge.records import MergeIntent, Pull, Repository
from codecourier.local.forge.repositories import RepositoryService
from codecourier.local.forge.store import ForgeStore

__all__ = ["MergeService", "made_commit"]

_COMMITTER = "GitHub"


class MergeService:
    """Merges pull requests.

    The result is made first, then recorded as intent, then the base branch is moved by compare-and-swap, then the pull
    request is marked: after a crash in between, `PullService.follow` finishes it or forgets it.
    """

    def __init__(self, store: ForgeStore, repositories: RepositoryService, pulls: PullService, gates: Gates) -> None:
        self._store = store
        self._repositories = repositories
        self._pulls = pulls
        self._gates = gates

    def merge(self, repository: Repository, pull: Pull, order: MergeOrder) -> str:
        """Merge an open pull request and return the new tip of its base branch.

        Raises
        ------
        RefusedError
            405 if it cannot be merged or the base branch moved, 409 if the head moved, 403 if it would change workflow
            files.
        """
        git = self._repositories.git(repository)
        self.check(repository, pull, order)
        if not order.may_change_workflows:
            refuse_workflow_changes(git, pull.head_sha, known=[pull.base_sha])
        sha = made_commit(git, repository, pull, order)
        intended = pull.model_copy(update={"merge_intent": MergeIntent(sha=sha, login=order.login)})
        self._store.write(intended)
        try:
            git.update_ref(f"refs/heads/{pull.base_ref}", sha, old=pull.base_sha)
        except RefMovedError as error:
            self._store.write(pull)
            raise RefusedError(405, "Base branch was modified. Review and try the merge again.") from error
        self._pulls.mark_merged(repository, intended, sha=sha, login=order.login, topic="merges")
        self._delete_branch(git, repository, pull)
        return sha

    def check(self, repository: Repository, pull: Pull, order: MergeOrder) -> None:
        """Refuse a merge that cannot be made now; see `merge`."""
        if pull.state == "closed":
            raise RefusedError(405, "Pull Request is not mergeable")
        if order.expected_sha is not None and order.expected_sha != pull.head_sha:
            raise RefusedError(409, "Head branch was modified. Review and try the merge again.")
        if pull.draft:
            raise RefusedError(405, "Pull Request is still a draft")
        self._gates.check_queue(repository, pull)
        self._gates.check_method(repository, pull, order.method)
        self._gates.check(self._repositories.git(repository), repository, pull)

    def _delete_branch(self, git: BareRepository, repository: Repository, pull: Pull) -> None:
        """Delete the head branch where the repository asks for it, unless it moved in between."""
        is_here = pull.fork_owner is None and pull.head_ref != repository.default_branch
        if repository.delete_branch_on_merge and is_here:
            ref = f"refs/heads/{pull.head_ref}"
            if git.ref(ref) == pull.head_sha:
                git.update_ref(ref, None, old=pull.head_sha)
                self._store.write(counts=[("ref_writes", f"{repository.full_name} delete {ref}")])


def made_commit(git: BareRepository, repository: Repository, pull: Pull, order: MergeOrder) -> str:
    """Make the commits of a merge onto the pull request's base and return the last; no branch moves.

    Raises
    ------
    RefusedError
        405 if a commit cannot be rebased.
    """
    if order.method == "rebase":
        return _rebase(git, pull)
    if order.method == "squash":
        return _squash(git, pull, order.title or f"{pull.title} (#{pull.number})", order.message, order.login)
    subject = order.title or f"Merge pull request #{pull.number} from {repository.owner}/{pull.head_ref}"
    text = f"{subject}\n\n{pull.title if order.message is None else order.message}\n"
    tree = git.merge_tree(pull.base_sha, pull.head_sha) or ""
    return git.commit_tree(tree, [pull.base_sha, pull.head_sha], text, _person(order.login), _COMMITTER)


def _squash(git: BareRepository, pull: Pull, title: str, message: str | None, login: str) -> str:
    if message is None:
        commits = reversed(git.commits("--no-merges", f"{pull.base_sha}..{pull.head_sha}"))
        message = "\n\n".join(f"* {commit.message}" for commit in commits)
    tree = git.merge_tree(pull.base_sha, pull.head_sha) or ""
    return git.commit_tree(tree, [pull.base_sha], f"{title}\n\n{message}\n", _person(login), _COMMITTER)


def _rebase(git: BareRepository, pull: Pull) -> str:
    tip = pull.base_sha
    commits = git.commits("--reverse", "--topo-order", "--no-merges", f"{pull.base_sha}..{pull.head_sha}")
    for commit in commits:
        tree = _picked_tree(git, commit.sha, commit.parents[0], tip)
        if tree is None:
            raise RefusedError(405, "This branch can't be rebased")
        tip = git.commit_tree(tree, [tip], f"{commit.message}\n", commit.author, _COMMITTER)
    return tip


def _picked_tree(git: BareRepository, sha: str, parent: str, onto: str) -> str | None:
    """Return the tree of a commit picked onto another, or None on conflict.

    Git 2.39's `merge-tree` takes no merge base, so both sides become children of a copy of the commit's parent.
    """
    author = Signature("forge", "noreply@forge.example", "2000-01-01T00:00:00+00:00")
    fork = git.commit_tree(f"{parent}^{{tree}}", [], "", author, _COMMITTER)
    ours = git.commit_tree(f"{onto}^{{tree}}", [fork], "", author, _COMMITTER)
    theirs = git.commit_tree(f"{sha}^{{tree}}", [fork], "", author, _COMMITTER)
    return git.merge_tree(ours, theirs)


def _person(login: str) -> Signature:
    return Signature(login, f"{login}@users.noreply.forge.example", "")
