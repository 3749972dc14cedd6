"""Reviews of pull requests, and the comments on lines that belong to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codecourier.local.forge.merge_records import Collaborator, Review, ReviewComment
from codecourier.local.forge.records import Pull, Repository, now
from codecourier.local.forge.store import ForgeStore

__all__ = ["ReviewService"]


class ReviewService:
    """Records what reviewers say."""

    def __init__(self, store: ForgeStore) -> None:
        self._store = store

    def submit(
        self,
        repository: Repository,
        pull: Pull,
        *,
        login: str,
        state: str,
        body: str,
        comments: Sequence[Mapping[str, Any]],
    ) -> Review:
        """Record a review of a pull request's head with its comments on lines.

        Raises
        ------
        ValueError
            For a state, or a comment, that cannot be.
        """
        shared = {"repository_id": repository.id, "number": pull.number, "login": login, "sha": pull.head_sha}
        review = Review.model_validate(
            {**shared, "id": self._store.next_id(), "state": state, "body": body, "submitted_at": now()}
        )
        made = [
            ReviewComment.model_validate(
                {
                    **shared,
                    "id": self._store.next_id(),
                    "review_id": review.id,
                    "path": comment["path"],
                    "line": comment.get("line", 1),
                    "body": comment["body"],
                    "created_at": now(),
                }
            )
            for comment in comments
        ]
        self._store.write(review, *made)
        return review

    def reviews(self, repository: Repository, pull: Pull) -> list[Review]:
        """Return a pull request's reviews, oldest first."""
        return [found for found in self._store.of_repository(Review, repository.id) if found.number == pull.number]

    def comments(self, repository: Repository, pull: Pull) -> list[ReviewComment]:
        """Return the comments on lines of a pull request, oldest first."""
        found = self._store.of_repository(ReviewComment, repository.id)
        return [comment for comment in found if comment.number == pull.number]

    def set_permission(self, repository: Repository, login: str, permission: str) -> None:
        """Say what a user may do in a repository.

        Raises
        ------
        ValueError
            For an unknown permission.
        """
        known = [user.id for user in self._store.of_repository(Collaborator, repository.id) if user.login == login]
        number = known[0] if known else self._store.next_id()
        fields = {"id": number, "repository_id": repository.id, "login": login, "permission": permission}
        self._store.write(Collaborator.model_validate(fields))
