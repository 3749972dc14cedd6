"""Revoke a token of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError
from codecourier.github.gateway import Request
from codecourier.github.refusals import OTHER_STATUSES, Refusal
from codecourier.github.session import Session
from codecourier.github.tokens import REVOCATION_PATH

__all__ = ["Revocation", "RevokeToken"]


class Revocation(StrEnum):
    """What became of a token that was to be revoked."""

    REVOKED = "Revoked"
    ALREADY_INVALID = "AlreadyInvalid"
    """It had expired, was revoked before, or its installation is gone."""


class _TokenUnknown(ForgeError):
    """The forge knows no such token, or no longer. A redirect does not say so: a proxy may have answered."""


class _RevocationRefused(ForgeError):
    """Something refused the request, but the token may work: revoking it has to be tried again until it expires."""


_REFUSALS = (
    Refusal(frozenset({401, 404}), _TokenUnknown, "the forge does not know the token"),
    Refusal(OTHER_STATUSES, _RevocationRefused, "the token was not revoked; it is tried again"),
)


@dataclass(frozen=True)
class RevokeToken(Operation[Revocation]):
    """Revoke the `InstallationToken` that is the credential: neither the Project nor the App need exist any more.

    A personal token can be revoked only by its owner.
    """

    is_write: ClassVar[bool] = True

    def run(self, session: Session) -> Revocation:
        """See `Operation.run`."""
        try:
            session.send(Request("DELETE", REVOCATION_PATH, refusals=_REFUSALS))
        except _TokenUnknown:
            return Revocation.ALREADY_INVALID
        return Revocation.REVOKED
