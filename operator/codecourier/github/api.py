"""What the rest of the program sees of a forge: one interface, which GitHub's client and a simulation implement.

What a forge can be asked for is data: an `Operation` from `codecourier.github.operations`, one module for each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Protocol, TypeVar

from codecourier.github.credentials import Credential, RepositoryRef
from codecourier.github.session import Session

__all__ = ["Forge", "Operation"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Operation(ABC, Generic[R_co]):
    """Something to ask of a forge for one repository, with all that is needed to ask for it.

    A subclass is a frozen dataclass whose fields are the arguments. Its module holds its requests, how their answers
    are read and, as `Refusal`s, what it means when the forge refuses one.
    """

    is_write: ClassVar[bool] = False
    """Whether it changes something at the forge, so that a lost answer leaves open whether it did."""

    def needs_host(self, _credential: Credential) -> bool:
        """Return whether anything is asked of the host."""
        return True

    @abstractmethod
    def run(self, session: Session) -> R_co:
        """Ask the forge, on a thread that may block, and return what it answers.

        Raises
        ------
        ForgeError
            If the forge did not do what was asked.
        """


class Forge(Protocol):
    """A forge."""

    async def do(self, repo: RepositoryRef, operation: Operation[R]) -> R:
        """Carry out an operation once, within a bounded time.

        After `Unavailable` the caller looks at what is there before it tries again.

        Raises
        ------
        ForgeError
            If the forge did not do what was asked, and nothing else.
        """
