"""Statuses and check runs, what they mean for a merge, and merges: merge, squash and rebase, made for real."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.git import BareRepository, RefMovedError, Signature
from codecourier.local.forge.pulls import PullService, refuse_workflow_changes
from codecourier.local.forge.records import CheckRun, CommitStatus, MergeIntent, Protection, Pull, Repository
from codecourier.local.forge.repositories import RepositoryService
from codecourier.local.forge.store import ForgeStore

__all__ = [
    "MergeMethod",
    "MergeService",
    "combined_state",
    "find_protection",
    "latest_runs",
    "latest_statuses",
    "merge_state",
]

MergeMethod = Literal["merge", "squash", "rebase"]

_COMMITTER = "GitHub"
_GREEN = {"success", "neutral", "skipped"}


def latest_statuses(store: ForgeStore, repository: Repository, sha: str) -> list[CommitStatus]:
    """Return the newest status of each context at a commit."""
    found = [status for status in store.of_repository(CommitStatus, repository.id) if status.sha == sha]
    return list({status.context: status for status in found}.values())


def latest_runs(store: ForgeStore, repository: Repository, sha: str) -> list[CheckRun]:
    """Return the newest check run of each name at a commit."""
    found = [run for run in store.of_repository(CheckRun, repository.id) if run.sha == sha]
    return list({run.name: run for run in found}.values())


def combined_state(states: Iterable[str]) -> str:
    """Return the outcome of statuses together, in GitHub's words."""
    found = set(states)
    if found & {"error", "failure"}:
        return "failure"
    return "success" if found == {"success"} else "pending"


def _combined_outcome(store: ForgeStore, repository: Repository, sha: str) -> dict[str, str]:
    """Return success, failure or pending for each status context and check run name at a commit."""
    outcomes = {status.context: combined_state([status.state]) for status in latest_statuses(store, repository, sha)}
    for run in latest_runs(store, repository, sha):
        if run.status != "completed":
            outcomes[run.name] = "pending"
        else:
            outcomes[run.name] = "success" if run.conclusion in _GREEN else "failure"
    return outcomes


def find_protection(store: ForgeStore, repository: Repository, branch: str) -> Protection | None:
    """Return a branch's protection, or None."""
    rules = store.of_repository(Protection, repository.id)
    return next((rule for rule in rules if rule.branch == branch), None)


def merge_state(store: ForgeStore, git: BareRepository, repository: Repository, pull: Pull, *, mergeable: bool) -> str:
    """Return a pull request's `mergeable_state` in GitHub's words."""
    outcomes = _combined_outcome(store, repository, pull.head_sha)
    rules = find_protection(store, repository, pull.base_ref)
    required = [outcomes.get(name) for name in rules.required_checks] if rules else []
    if pull.state == "closed":
        return "unknown"
    if not mergeable:
        return "dirty"
    if pull.draft:
        return "draft"
    if any(outcome != "success" for outcome in required):
        return "blocked"
    if rules and rules.strict and not git.is_ancestor(pull.base_sha, pull.head_sha):
        return "behind"
    return "clean" if all(outcome == "success" for outcome in outcomes.values()) else "unstable"


class MergeService:
    """Merges pull requests.

    The result is made first, then recorded as intent, then the base branch is moved by compare-and-swap, then the pull
    request is marked: after a crash in between, `PullService.follow` finishes it or forgets it.
    """

    def __init__(self, store: ForgeStore, repositories: RepositoryService, pulls: PullService) -> None:
        self._store = store
        self._repositories = repositories
        self._pulls = pulls

    def merge(
        self,
        repository: Repository,
        pull: Pull,
        *,
        method: MergeMethod,
        expected_sha: str | None,
        title: str | None,
        message: str | None,
        login: str,
        may_change_workflows: bool,
    ) -> str:
        """Merge an open pull request and return the new tip of its base branch.

        An `expected_sha` of None takes any head; a title or message of None is GitHub's own.

        Raises
        ------
        RefusedError
            405 if it cannot be merged, 409 if a branch moved, 403 if it would change workflow files.
        """
        git = self._repositories.git(repository)
        self._check(git, repository, pull, expected_sha)
        if not may_change_workflows:
            refuse_workflow_changes(git, pull.head_sha, known=[pull.base_sha])
        subject = title or f"Merge pull request #{pull.number} from {repository.owner}/{pull.head_ref}"
        if method == "rebase":
            sha = _rebase(git, pull)
        elif method == "squash":
            sha = _squash(git, pull, title or f"{pull.title} (#{pull.number})", message, login)
        else:
            text = f"{subject}\n\n{pull.title if message is None else message}\n"
            tree = git.merge_tree(pull.base_sha, pull.head_sha) or ""
            sha = git.commit_tree(tree, [pull.base_sha, pull.head_sha], text, _person(login), _COMMITTER)
        intended = pull.model_copy(update={"merge_intent": MergeIntent(sha=sha, login=login)})
        self._store.write(intended)
        try:
            git.update_ref(f"refs/heads/{pull.base_ref}", sha, old=pull.base_sha)
        except RefMovedError as error:
            self._store.write(pull)
            raise RefusedError(409, "Base branch was modified. Review and try the merge again.") from error
        self._pulls.mark_merged(repository, intended, sha=sha, login=login, topic="merges")
        return sha

    def _check(self, git: BareRepository, repository: Repository, pull: Pull, expected_sha: str | None) -> None:
        if pull.state == "closed":
            raise RefusedError(405, "Pull Request is not mergeable")
        if expected_sha is not None and expected_sha != pull.head_sha:
            raise RefusedError(409, "Head branch was modified. Review and try the merge again.")
        if pull.draft:
            raise RefusedError(405, "Pull Request is still a draft")
        mergeable = git.merge_tree(pull.base_sha, pull.head_sha) is not None
        state = merge_state(self._store, git, repository, pull, mergeable=mergeable)
        if state == "dirty":
            raise RefusedError(405, "Pull Request is not mergeable")
        if state == "behind":
            raise RefusedError(405, "Head branch is out of date. Review and try the merge again.")
        if state == "blocked":
            raise RefusedError(405, "Required status check is expected or failing.")


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
