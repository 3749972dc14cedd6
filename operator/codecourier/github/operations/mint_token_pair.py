"""Make the tokens of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from codecourier.github.api import Operation
from codecourier.github.credentials import AppInstallation, Credential
from codecourier.github.errors import ForgeError
from codecourier.github.secret import Secret
from codecourier.github.session import Session
from codecourier.github.tokens import Wish

__all__ = ["MintTokenPair", "TokenPair"]


@dataclass(frozen=True)
class TokenPair:
    """The credentials of one sandbox, one for each step that talks to the forge."""

    read: Secret
    """For checkout."""

    write: Secret
    """For publish."""

    expires_at: datetime | None
    """When the first of them expires; None if the forge does not say (personal tokens)."""


@dataclass(frozen=True)
class MintTokenPair(Operation[TokenPair]):
    """Make the credentials of a sandbox, narrowed to the repository and the step where the credential allows it.

    What a refusal means is said beside the request, in `codecourier.github.tokens`: the operator's own tokens are
    minted by the same one. `CredentialsRefused` is also raised for a token that can do more than was asked for.
    """

    is_write: ClassVar[bool] = True

    with_workflows: bool = False
    """Whether the token for publish may change workflow files; other credentials than an App's have one token."""

    def needs_host(self, credential: Credential) -> bool:
        """See `Operation.needs_host`: other credentials cannot be narrowed."""
        return isinstance(credential, AppInstallation)

    def run(self, session: Session) -> TokenPair:
        """See `Operation.run`."""
        credential, logins = session.credential, session.logins
        if not isinstance(credential, AppInstallation):
            return TokenPair(credential.secret, credential.secret, None)
        where = (session.address, credential, session.deadline)
        repository_id = logins.own_token(*where)[0].repository_id
        read = logins.mint(*where, Wish({"contents": "read"}, repository_id))
        try:
            wanted = {"contents": "write"} | ({"workflows": "write"} if self.with_workflows else {})
            write = logins.mint(*where, Wish(wanted, repository_id))
        except ForgeError:
            logins.discard(session.address, read.token, session.deadline)
            raise
        return TokenPair(read.token, write.token, min(read.expires_at, write.expires_at))
