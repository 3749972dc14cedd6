"""Issues, and comments on issues and pull requests."""

from __future__ import annotations

from collections.abc import Iterable

from codecourier.local.forge.errors import RefusedError, not_found
from codecourier.local.forge.records import Comment, Issue, Pull, Repository, now
from codecourier.local.forge.store import Count, ForgeStore

__all__ = ["IssueService", "next_number"]


def next_number(store: ForgeStore, repository: Repository) -> int:
    """Return the number of the next issue or pull request of a repository; both share one sequence."""
    numbers = [pull.number for pull in store.of_repository(Pull, repository.id)]
    numbers += [issue.number for issue in store.of_repository(Issue, repository.id)]
    return max(numbers, default=0) + 1


class IssueService:
    """Makes issues and comments, and moves them.

    An issue is open ⇄ closed, then transferred or deleted; those two keep their number, and take no comment.
    """

    def __init__(self, store: ForgeStore) -> None:
        self._store = store

    def find(self, repository: Repository, number: int) -> Issue | None:
        """Return an issue by its number, also one that was transferred or deleted, or None."""
        issues = self._store.of_repository(Issue, repository.id)
        return next((issue for issue in issues if issue.number == number), None)

    def create(self, repository: Repository, *, login: str | None, title: str, body: str | None) -> Issue:
        """Make an issue; without a login its author has deleted the account."""
        issue = Issue(
            id=self._store.next_id(),
            repository_id=repository.id,
            number=next_number(self._store, repository),
            title=title,
            body=body,
            login=login,
            created_at=now(),
            updated_at=now(),
        )
        self._store.write(issue)
        return issue

    def change(self, issue: Issue, **changes: object) -> Issue:
        """Change fields of an issue."""
        changed = issue.model_copy(update={**changes, "updated_at": now()})
        self._store.write(changed)
        return changed

    def transfer(self, repository: Repository, issue: Issue, target: Repository) -> Issue:
        """Move an issue with its comments to another repository; returns what it is there."""
        moved = self.create(target, login=issue.login, title=issue.title, body=issue.body)
        comments = self.comments(repository, issue.number)
        copies = [
            comment.model_copy(update={"id": self._store.next_id(), "repository_id": target.id, "number": moved.number})
            for comment in comments
        ]
        self._store.write(issue.model_copy(update={"transferred_to": moved.id}), *copies, remove=comments)
        return moved

    def delete(self, repository: Repository, issue: Issue) -> None:
        """Delete an issue with its comments."""
        gone = issue.model_copy(update={"is_deleted": True})
        self._store.write(gone, remove=self.comments(repository, issue.number))

    def comments(self, repository: Repository, number: int) -> list[Comment]:
        """Return the comments of an issue or pull request, oldest first."""
        return [found for found in self._store.of_repository(Comment, repository.id) if found.number == number]

    def find_comment(self, repository: Repository, comment_id: int) -> Comment:
        """Return a comment.

        Raises
        ------
        RefusedError
            404 if the repository has no such comment.
        """
        found = self._store.get(Comment, comment_id)
        if found is None or found.repository_id != repository.id:
            raise not_found()
        return found

    def comment(self, repository: Repository, number: int, *, login: str | None, body: str) -> Comment:
        """Write a comment on an issue or pull request.

        Raises
        ------
        RefusedError
            403 if the issue is locked.
        """
        self._check_unlocked(repository, number, "create")
        comment = Comment(
            id=self._store.next_id(),
            repository_id=repository.id,
            number=number,
            body=body,
            login=login,
            created_at=now(),
            updated_at=now(),
        )
        self._write(comment, [("comments_created", f"{repository.full_name}#{number}")])
        return comment

    def edit(self, repository: Repository, comment: Comment, body: str) -> Comment:
        """Replace the text of a comment.

        Raises
        ------
        RefusedError
            403 if the issue is locked.
        """
        self._check_unlocked(repository, comment.number, "update")
        changed = comment.model_copy(update={"body": body, "updated_at": now()})
        self._write(changed)
        return changed

    def _write(self, comment: Comment, counts: Iterable[Count] = ()) -> None:
        self._store.write(comment, counts=counts)

    def _check_unlocked(self, repository: Repository, number: int, verb: str) -> None:
        issue = self.find(repository, number)
        if issue is not None and issue.locked:
            raise RefusedError(403, f"Unable to {verb} comment because issue is locked.")
