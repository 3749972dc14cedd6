"""Stacks: pull requests that are built on each other, bottom first.

Semantics are those of https://docs.github.com/rest/pulls/stacks (a preview) and of
https://docs.github.com/rest/pulls/pulls#merge-a-pull-request-asynchronously: a pull request of a stack is merged in the
background only, and everything below it is merged with it. GitHub does not document the words of its refusals.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from codecourier.local.forge.errors import RefusedError, validation_failed
from codecourier.local.forge.merge_records import MergeOrder, Stack
from codecourier.local.forge.merging import MergeService
from codecourier.local.forge.pulls import PullService
from codecourier.local.forge.records import Pull, Repository, now
from codecourier.local.forge.store import ForgeStore

__all__ = ["StackService"]


class StackService:
    """Makes stacks and merges their pull requests, from the bottom up."""

    def __init__(self, store: ForgeStore, pulls: PullService, merges: MergeService) -> None:
        self._store = store
        self._pulls = pulls
        self._merges = merges

    def all(self, repository: Repository) -> list[Stack]:
        """Return the stacks of a repository, oldest first."""
        return self._store.of_repository(Stack, repository.id)

    def find(self, repository: Repository, number: int) -> Stack | None:
        """Return the stack that a pull request is of, or None."""
        return next((stack for stack in self.all(repository) if number in stack.pulls), None)

    def members(self, repository: Repository, stack: Stack) -> list[Pull]:
        """Return the pull requests of a stack, bottom first."""
        found = (self._pulls.find(repository, number) for number in stack.pulls)
        return [pull for pull in found if pull is not None]

    def create(self, repository: Repository, numbers: Sequence[int]) -> Stack:
        """Make a stack of open pull requests, bottom first.

        Raises
        ------
        RefusedError
            422 if one is not open, is of a stack already, or is not based on the one below.
        """
        pulls = [self._pulls.find(repository, number) for number in numbers]
        members = [pull for pull in pulls if pull is not None and pull.state == "open"]
        if len(members) < max(2, len(numbers)) or any(self.find(repository, number) for number in numbers):
            raise validation_failed("PullRequestStack", "pull_requests must be open and in no other stack")
        if any(upper.base_ref != lower.head_ref for lower, upper in pairwise(members)):
            raise validation_failed("PullRequestStack", "each base must be the head of the pull request below")
        stack = Stack(
            id=self._store.next_id(),
            repository_id=repository.id,
            number=len(self.all(repository)) + 1,
            base_ref=members[0].base_ref,
            pulls=tuple(numbers),
            created_at=now(),
        )
        self._store.write(stack)
        return stack

    def check_direct(self, repository: Repository, pull: Pull) -> None:
        """Refuse to merge a pull request of a stack other than in the background.

        Raises
        ------
        RefusedError
            405 saying so.
        """
        if self.find(repository, pull.number) is not None:
            raise RefusedError(405, "Pull requests of a stack must be merged asynchronously")

    def merge(self, repository: Repository, stack: Stack, pull: Pull, order: MergeOrder) -> str:
        """Merge a pull request and everything below it, and return the new tip of the stack's base.

        Raises
        ------
        RefusedError
            As `MergeService.merge`; what is below is merged by then.
        """
        if order.expected_sha not in {None, pull.head_sha}:
            raise RefusedError(409, "Head branch was modified. Review and try the merge again.")
        sha = ""
        for number in stack.pulls[: stack.pulls.index(pull.number) + 1]:
            member = self._pulls.find(repository, number)
            if member is None or member.state == "closed":
                continue
            if member.base_ref != stack.base_ref:
                member = self._pulls.retarget(repository, member, stack.base_ref)
            sha = self._merges.merge(repository, member, order.model_copy(update={"expected_sha": member.head_sha}))
            self._pulls.follow(repository)
        return sha
