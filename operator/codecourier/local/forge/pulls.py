"""Pull requests, which follow the branches of their repository."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from codecourier.local.forge.errors import RefusedError, invalid_field, validation_failed
from codecourier.local.forge.git import BareRepository
from codecourier.local.forge.issues import next_number
from codecourier.local.forge.records import Pull, Repository, now
from codecourier.local.forge.repositories import RepositoryService
from codecourier.local.forge.store import Count, ForgeStore

__all__ = ["PullService", "is_mergeable", "refuse_workflow_changes"]

_WORKFLOWS = ".github/workflows"


class PullService:
    """Opens pull requests and keeps them in step with their branches.

    A pull request is open → closed or merged; closed → open. Pushes, deleted branches and merges by hand take effect by
    `follow`, which runs before every request for the repository and after every push. Invariants: while one is open,
    its head SHA is the tip of its head branch and `refs/pull/<number>/head` is the same commit; a merged one never
    changes its state again; it becomes merged once, and that is when it is counted.
    """

    def __init__(self, store: ForgeStore, repositories: RepositoryService) -> None:
        self._store = store
        self._repositories = repositories

    def find(self, repository: Repository, number: int) -> Pull | None:
        """Return a pull request by its number, or None."""
        pulls = self._store.of_repository(Pull, repository.id)
        return next((pull for pull in pulls if pull.number == number), None)

    def open(
        self, repository: Repository, *, login: str, title: str, body: str | None, head: str, base: str, draft: bool
    ) -> Pull:
        """Open a pull request.

        Raises
        ------
        RefusedError
            422 if a branch is missing, nothing is to be merged, or there is one already.
        """
        owner, _, branch = head.rpartition(":")
        git = self._repositories.git(repository)
        head_sha = git.ref(f"refs/heads/{branch}") if owner.lower() in {"", repository.owner.lower()} else None
        base_sha = git.ref(f"refs/heads/{base}")
        if head_sha is None:
            raise invalid_field("PullRequest", "head")
        if base_sha is None:
            raise invalid_field("PullRequest", "base")
        if git.is_ancestor(head_sha, base_sha):
            raise validation_failed("PullRequest", f"No commits between {base} and {branch}")
        self._refuse_second(repository, branch, base, other_than=0)
        pull = Pull(
            id=self._store.next_id(),
            repository_id=repository.id,
            number=next_number(self._store, repository),
            title=title,
            body=body,
            draft=draft,
            head_ref=branch,
            head_sha=head_sha,
            base_ref=base,
            base_sha=base_sha,
            login=login,
            created_at=now(),
            updated_at=now(),
        )
        self._store.write(pull, counts=[("pulls_created", repository.full_name)])
        self.follow(repository)
        return pull

    def reopen(self, repository: Repository, pull: Pull) -> Pull:
        """Open a closed pull request again.

        Raises
        ------
        RefusedError
            422 if it was merged, a branch is gone or another has taken its place.
        """
        git = self._repositories.git(repository)
        head_sha = git.ref(f"refs/heads/{pull.head_ref}")
        base_sha = git.ref(f"refs/heads/{pull.base_ref}")
        if pull.merged_at is not None or head_sha is None or base_sha is None:
            raise validation_failed("PullRequest", f"state cannot be changed. The {pull.head_ref} branch was deleted.")
        self._refuse_second(repository, pull.head_ref, pull.base_ref, other_than=pull.id)
        changes: dict[str, object] = {
            "state": "open",
            "closed_at": None,
            "head_sha": head_sha,
            "base_sha": base_sha,
            "updated_at": now(),
        }
        return self._change(pull, changes)

    def move_to_fork(self, repository: Repository, pull: Pull, owner: str) -> Pull:
        """Let the head branch be one of a fork: this repository keeps the pull request's own ref only."""
        moved = self._change(pull, {"fork_owner": owner})
        git, ref = self._repositories.git(repository), f"refs/heads/{pull.head_ref}"
        git.update_ref(ref, None, old=git.ref(ref))
        return moved

    def close(self, pull: Pull) -> Pull:
        """Close a pull request without a merge."""
        return self._change(pull, {"state": "closed", "closed_at": now(), "updated_at": now()})

    def retarget(self, repository: Repository, pull: Pull, base: str) -> Pull:
        """Give an open pull request another base branch.

        Raises
        ------
        RefusedError
            422 if there is no such branch, or another pull request for the pair.
        """
        base_sha = self._repositories.git(repository).ref(f"refs/heads/{base}")
        if base_sha is None:
            raise invalid_field("PullRequest", "base")
        self._refuse_second(repository, pull.head_ref, base, other_than=pull.id)
        return self._change(pull, {"base_ref": base, "base_sha": base_sha, "updated_at": now()})

    def follow(self, repository: Repository) -> None:
        """Bring the open pull requests of a repository up to its branches."""
        pulls = [pull for pull in self._store.of_repository(Pull, repository.id) if pull.state == "open"]
        if not pulls:
            return
        git = self._repositories.git(repository)
        refs = git.refs()
        for pull in pulls:
            self._follow_one(repository, git, refs, pull)

    def mark_merged(self, repository: Repository, pull: Pull, *, sha: str, login: str, topic: str) -> Pull:
        """Record that a pull request was merged, and count it in `merges`, or in `merges_by_push`."""
        changes: dict[str, object] = {
            "state": "closed",
            "merged_at": now(),
            "closed_at": now(),
            "updated_at": now(),
            "merged_by": login,
            "merge_commit_sha": sha,
            "merge_intent": None,
        }
        return self._change(pull, changes, counts=[(topic, f"{repository.full_name}#{pull.number}")])

    def _follow_one(self, repository: Repository, git: BareRepository, refs: dict[str, str], pull: Pull) -> None:
        head_ref = f"refs/heads/{pull.head_ref}" if pull.fork_owner is None else f"refs/pull/{pull.number}/head"
        head, base = refs.get(head_ref), refs.get(f"refs/heads/{pull.base_ref}")
        pull = self._settle_merge(repository, git, pull, base)
        if pull.state == "closed":
            return
        if head is None:
            self.close(pull)
            return
        if base is None:
            self._lose_base(repository, pull)
            return
        if refs.get(f"refs/pull/{pull.number}/head") != head:
            git.run("update-ref", f"refs/pull/{pull.number}/head", head)
        if (head, base) == (pull.head_sha, pull.base_sha):
            return
        if not git.is_ancestor(head, base):
            self._change(pull, {"head_sha": head, "base_sha": base, "updated_at": now()})
        elif base != pull.base_sha:
            self.mark_merged(repository, pull, sha=base, login=pull.login, topic="merges_by_push")
        else:
            self.close(pull)

    def _settle_merge(self, repository: Repository, git: BareRepository, pull: Pull, base: str | None) -> Pull:
        """Finish a merge that a crash interrupted, or forget it if the base branch had not moved."""
        intent = pull.merge_intent
        if intent is None:
            return pull
        if base is not None and git.is_ancestor(intent.sha, base):
            return self.mark_merged(repository, pull, sha=intent.sha, login=intent.login, topic="merges")
        return self._change(pull, {"merge_intent": None})

    def _lose_base(self, repository: Repository, pull: Pull) -> None:
        """Follow GitHub: a base branch deleted after its own merge hands its dependants to that merge's base."""
        pulls = self._store.of_repository(Pull, repository.id)
        merged = [other for other in pulls if other.head_ref == pull.base_ref and other.merged_at is not None]
        try:
            if merged:
                self.retarget(repository, pull, merged[-1].base_ref)
                return
        except RefusedError:
            pass
        self.close(pull)

    def _refuse_second(self, repository: Repository, head: str, base: str, *, other_than: int) -> None:
        for pull in self._store.of_repository(Pull, repository.id):
            is_same = pull.state == "open" and pull.id != other_than and (pull.head_ref, pull.base_ref) == (head, base)
            if is_same:
                message = f"A pull request already exists for {repository.owner}:{head}."
                raise validation_failed("PullRequest", message)

    def _change(self, pull: Pull, changes: dict[str, object], counts: Iterable[Count] = ()) -> Pull:
        changed = pull.model_copy(update=changes)
        self._store.write(changed, counts=counts)
        return changed


def is_mergeable(git: BareRepository, pull: Pull) -> bool:
    """Return whether an open pull request merges without conflict."""
    return git.merge_tree(pull.base_sha, pull.head_sha) is not None


def refuse_workflow_changes(git: BareRepository, sha: str, known: Sequence[str] | None = None) -> None:
    """Refuse commits that change workflow files.

    Parameters
    ----------
    git
        The repository.
    sha
        The newest commit.
    known
        Commits whose history is not looked at; None for all branches.

    Raises
    ------
    RefusedError
        403 naming the file.
    """
    excluded = ["--branches"] if known is None else known
    changed = git.text("log", "-1", "--format=", "--name-only", "-c", sha, "--not", *excluded, "--", _WORKFLOWS)
    if changed:
        path = changed.splitlines()[0]
        message = f"refusing to allow the token to create or update workflow `{path}` without `workflows` permission"
        raise RefusedError(403, message)
