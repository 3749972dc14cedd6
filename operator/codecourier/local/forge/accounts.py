"""Credentials: their holders, what they see and what they may do."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import jwt

from codecourier.local.forge.errors import RefusedError, bad_credentials
from codecourier.local.forge.records import Installation, Permissions, Repository, Token, now
from codecourier.local.forge.store import ForgeStore

__all__ = ["App", "Principal", "TokenService", "has_permission"]

_TOKEN_LIFETIME = timedelta(hours=1)
"""Of an installation token, as GitHub grants it."""

_LONGEST_JWT_SECONDS = 600
"""GitHub refuses an App's assertion that lives longer."""

_CLOCK_SKEW_SECONDS = 60
"""How far an assertion's `iat` may lie ahead."""

_NOT_FOR_PERSONAL_TOKENS = {"checks"}
"""Permissions that GitHub grants to Apps only."""


@dataclass(frozen=True)
class App:
    """The forge's only GitHub App."""

    id: int
    client_id: str
    slug: str
    owner: str
    public_key: str
    """PEM."""

    @property
    def login(self) -> str:
        """The name under which its installations act."""
        return f"{self.slug}[bot]"


@dataclass(frozen=True)
class Principal:
    """The sender of a request."""

    holder: Literal["personal", "installation", "app"]
    login: str
    token: Token | None
    """None for the App itself."""

    def sees(self, repository: Repository) -> bool:
        """Return whether a repository exists for it."""
        token = self.token
        if token is None:
            return False
        is_chosen = token.repository_ids is None or repository.id in token.repository_ids
        return not repository.private or (token.account == repository.owner and is_chosen)

    def may(self, repository: Repository, permission: str, level: str) -> bool:
        """Return whether it holds a permission in a repository that it sees."""
        token = self.token
        if token is None:
            return False
        is_chosen = token.repository_ids is None or repository.id in token.repository_ids
        is_granted = token.account == repository.owner and is_chosen
        if is_granted and has_permission(token.permissions, permission, level):
            return True
        return not repository.private and level == "read"


def has_permission(permissions: Permissions, permission: str, level: str) -> bool:
    """Return whether permissions contain one; every token may read metadata."""
    if (permission, level) == ("metadata", "read"):
        return True
    granted = permissions.get(permission)
    return granted in {"write", level}


class TokenService:
    """Makes, reads and revokes credentials."""

    def __init__(self, store: ForgeStore, app: App) -> None:
        self._store = store
        self._app = app
        self._ids = {token.digest: token.id for token in store.all(Token)}

    def create_personal(
        self, login: str, account: str, repositories: Iterable[Repository], permissions: Permissions
    ) -> tuple[str, Token]:
        """Make a fine-grained personal token; returns it and its record.

        Raises
        ------
        RefusedError
            422 for a permission that such tokens cannot have.
        """
        refused = sorted(_NOT_FOR_PERSONAL_TOKENS & permissions.keys())
        if refused:
            raise RefusedError(422, f"a personal token cannot have the permission {refused[0]}: use the App")
        value = f"github_pat_{secrets.token_hex(11)}_{secrets.token_hex(29)}"
        token = Token(
            id=self._store.next_id(),
            digest=_digest(value),
            holder="personal",
            login=login,
            permissions=permissions,
            repository_ids=frozenset(repository.id for repository in repositories),
            account=account,
            expires_at=None,
        )
        self._store.write(token)
        self._ids[token.digest] = token.id
        return value, token

    def mint(
        self, installation: Installation, repository_ids: Collection[int] | None, permissions: Permissions | None
    ) -> tuple[str, Token]:
        """Make a token of an installation, narrowed as asked; returns it and its record.

        Raises
        ------
        RefusedError
            422 if more is asked than the installation has.
        """
        granted = installation.permissions if permissions is None else permissions
        if not all(has_permission(installation.permissions, name, level) for name, level in granted.items()):
            raise RefusedError(422, "The permissions requested are not granted to this installation.")
        value = f"ghs_{secrets.token_urlsafe(27).replace('-', 'a').replace('_', 'b')}"
        token = Token(
            id=self._store.next_id(),
            digest=_digest(value),
            holder="installation",
            login=self._app.login,
            installation_id=installation.id,
            permissions={**granted, "metadata": "read"},
            repository_ids=installation.repository_ids if repository_ids is None else frozenset(repository_ids),
            account=installation.account,
            expires_at=now() + _TOKEN_LIFETIME,
        )
        self._store.write(token, counts=[("tokens_minted", str(installation.id))])
        self._ids[token.digest] = token.id
        return value, token

    def revoke(self, token: Token) -> None:
        """Revoke a token at once."""
        count = ("tokens_revoked", str(token.installation_id))
        self._store.write(token.model_copy(update={"revoked": True}), counts=[count])

    def find(self, value: str) -> Token | None:
        """Return the record of a token's value, also of one that is revoked or expired, or None."""
        token_id = self._ids.get(_digest(value))
        return None if token_id is None else self._store.get(Token, token_id)

    def principal(self, authorization: str | None) -> Principal | None:
        """Return the sender of an Authorization header; None without one.

        Raises
        ------
        RefusedError
            401 for a credential that is not, or no longer, one.
        """
        if not authorization:
            return None
        scheme, _, value = authorization.partition(" ")
        value = _password(value) if scheme.lower() == "basic" else value.strip()
        if value.count(".") == 2:  # noqa: PLR2004 - a JWT has three parts
            return self._assertion(value)
        token = self.find(value)
        if token is None or token.revoked or (token.expires_at is not None and token.expires_at <= now()):
            raise bad_credentials()
        return Principal(holder=token.holder, login=token.login, token=token)

    def _assertion(self, value: str) -> Principal:
        try:
            claims = jwt.decode(
                value,
                self._app.public_key,
                algorithms=["RS256"],
                leeway=_CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat", "iss"], "verify_iss": False, "verify_sub": False},
            )
        except jwt.ExpiredSignatureError as error:
            message = "'Expiration time' claim ('exp') must be a numeric value representing the future time"
            raise RefusedError(401, f"{message} at which the assertion expires") from error
        except jwt.InvalidTokenError as error:
            raise RefusedError(401, "A JSON web token could not be decoded") from error
        if str(claims["iss"]) not in {str(self._app.id), self._app.client_id}:
            raise RefusedError(401, "'Issuer' claim ('iss') must be an Integer")
        if claims["exp"] - now().timestamp() > _LONGEST_JWT_SECONDS + _CLOCK_SKEW_SECONDS:
            raise RefusedError(401, "'Expiration time' claim ('exp') is too far in the future")
        return Principal(holder="app", login=self._app.slug, token=None)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError) as error:
        raise bad_credentials() from error
