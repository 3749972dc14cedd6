"""How the readers of issues and merges ask a repository's host."""

from __future__ import annotations

from typing import Protocol, TypeVar

from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.github.api import Operation

__all__ = ["AskHost"]

R = TypeVar("R")


class AskHost(Protocol):
    """Carries out an operation for a plan."""

    async def __call__(
        self, access: RepositoryAccess | Problem, operation: Operation[R], number: int = 0
    ) -> R | Problem:
        """Return the outcome, or the problem that prevents it; it names the issue or pull request with the number."""
