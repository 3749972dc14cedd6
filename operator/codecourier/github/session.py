"""The way to the forge of one operation."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.github.address import RepositoryAddress
from codecourier.github.answers import Field
from codecourier.github.credentials import Credential
from codecourier.github.gateway import Request
from codecourier.github.tokens import Logins

__all__ = ["Session"]


@dataclass(frozen=True)
class Session:
    """Where one operation goes, with which credential, and until when.

    Parameters
    ----------
    logins
        Sends requests with credentials.
    address
        The repository.
    credential
        The credential for it.
    deadline
        When the operation must be over, on the monotonic clock, in seconds.
    """

    logins: Logins
    address: RepositoryAddress
    credential: Credential
    deadline: float

    def send(self, request: Request) -> Field:
        """Send a request and return the JSON of the answer.

        Raises
        ------
        ForgeError
            If the forge did not do what was asked.
        """
        return self.logins.send(self.address, self.credential, request, self.deadline)
