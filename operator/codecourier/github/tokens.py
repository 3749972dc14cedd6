"""Tokens of a GitHub App: narrowed when they are minted, and used only if they are what was asked for."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from github.Auth import AppAuth, AppAuthToken, Auth, Token

from codecourier.github.address import RepositoryAddress
from codecourier.github.answers import Field, unreadable
from codecourier.github.credentials import AppInstallation, Credential, InstallationToken, PersonalToken
from codecourier.github.errors import CredentialsRefused, ForgeError, ForgeNotFound
from codecourier.github.gateway import Gateway, Login, Request
from codecourier.github.needs import OPERATOR_NEED, Need
from codecourier.github.refusals import Refusal
from codecourier.github.secret import Secret

__all__ = ["REVOCATION_PATH", "Logins", "Minted", "Wish", "check_minted"]

REVOCATION_PATH = "/installation/token"
"""Where an installation's token revokes itself."""

_IMPLIED_PERMISSIONS = {"metadata": "read"}
"""GitHub adds this to every token, asked or not."""

_RENEWAL_MARGIN = timedelta(minutes=5)
_MOST_TOKENS = 1024
"""How many of the operator's own tokens are kept; the least recently minted one is dropped first."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True)
class Minted:
    """A token of an installation for one repository."""

    token: Secret
    expires_at: datetime
    repository_id: int


@dataclass(frozen=True)
class Wish:
    """Permissions and repository to request for a token."""

    permissions: Mapping[str, str]
    repository_id: int | None = None
    """Number of the only repository; None while only its name is known."""

    need: Need = OPERATOR_NEED
    """What the installation must have; named, and its error raised, where it lacks a permission."""

    @classmethod
    def of(cls, need: Need) -> Wish:
        """Return the wish for a token of the operator's own."""
        return cls(dict(need.permissions), need=need)


def check_minted(field: Field, wish: Wish, full_name: str) -> Minted:
    """Read a minted token and check that it can do exactly what was asked for.

    Parameters
    ----------
    field
        The answer.
    wish
        What was asked for.
    full_name
        Owner and name of the only repository.

    Raises
    ------
    CredentialsRefused
        If it has another permission or another repository, or does not say which it has.
    """
    granted = field.at("permissions").data
    if not isinstance(granted, dict) or {**granted, **_IMPLIED_PERMISSIONS} != {
        **wish.permissions,
        **_IMPLIED_PERMISSIONS,
    }:
        raise _too_wide(full_name, f"permissions {granted}, asked were {dict(wish.permissions)}")
    repositories = field.at("repositories")
    if not isinstance(repositories.data, list) or len(repositories.data) != 1:
        raise _too_wide(full_name, "not exactly one repository")
    (repository,) = repositories.items()
    number, name = repository.at("id").number(), repository.at("full_name").text()
    if name.lower() != full_name.lower() or wish.repository_id not in {None, number}:
        # Its name may be that of another account's private repository, on which the App is installed too.
        raise _too_wide(full_name, "another repository")
    return Minted(_read_token(field), field.at("expires_at").time(), number)


def _refusals(address: RepositoryAddress, credential: AppInstallation, need: Need) -> tuple[Refusal, ...]:
    """Return what each refusal to mint a token means."""
    installation = f"installation {credential.installation_id} of the GitHub App {credential.app_id}"
    # The tokens of sandboxes are minted with the operator's own.
    wanted = f"contents: write and {need.words}" if need == OPERATOR_NEED else need.words
    return (
        Refusal(
            frozenset({404}),
            CredentialsRefused,
            f"there is no {installation}; check its number and that the App is installed",
        ),
        Refusal(
            frozenset({422}),
            need.error,
            f"the {installation} lacks a permission; it needs {wanted}",
            words="permission",
        ),
        Refusal(
            frozenset({422}),
            ForgeNotFound,
            f"the {installation} does not include {address.full_name}; add it in the installation's settings",
            words="repositor",
        ),
    )


class Logins:
    """Sends requests with credentials; the operator's own tokens of Apps are kept until shortly before they expire.

    Parameters
    ----------
    gateway
        The way to the forges.
    clock
        Gives the time in UTC.
    """

    def __init__(self, gateway: Gateway, clock: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], Minted] = OrderedDict()

    def send(self, address: RepositoryAddress, credential: Credential, request: Request, deadline: float) -> Field:
        """Send a request for one repository.

        A kept token that the forge refuses with 401, as after its revocation by people, is replaced once: the forge
        did nothing for it.
        """
        if not isinstance(credential, AppInstallation):
            return self._gateway.send(address, _token_login(address, credential), request, deadline)
        minted, is_fresh = self.own_token(address, credential, deadline, request.need)
        try:
            return self._gateway.send(address, _installation_login(address, credential, minted), request, deadline)
        except CredentialsRefused as error:
            if error.status != 401 or is_fresh:  # noqa: PLR2004 - HTTP
                raise
        self.forget(address, credential)
        minted, _ = self.own_token(address, credential, deadline, request.need)
        return self._gateway.send(address, _installation_login(address, credential, minted), request, deadline)

    def send_as_app(
        self, address: RepositoryAddress, credential: AppInstallation, request: Request, deadline: float
    ) -> Field:
        """Send a request with the App's own signature, for what no token of an installation may see."""
        return self._gateway.send(address, _app_login(address, credential), request, deadline)

    def own_token(
        self, address: RepositoryAddress, credential: AppInstallation, deadline: float, need: Need = OPERATOR_NEED
    ) -> tuple[Minted, bool]:
        """Return the operator's own token for a repository, and whether it was minted just now."""
        key = (*_key(address, credential), need.words)
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept.expires_at - _RENEWAL_MARGIN > self._clock():
            return kept, False
        minted = self.mint(address, credential, deadline, Wish.of(need))
        with self._lock:
            self._kept[key] = minted
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_TOKENS:
                self._kept.popitem(last=False)
        return minted, True

    def mint(self, address: RepositoryAddress, credential: AppInstallation, deadline: float, wish: Wish) -> Minted:
        """Mint a token; one that can do anything but what was asked for is revoked and refused.

        Raises
        ------
        CredentialsRefused
            If the App's key is refused, the installation lacks a permission, or the token can do something else.
        ForgeNotFound
            If the installation does not include the repository.
        """
        number = wish.repository_id
        narrowing = {"repositories": [address.name]} if number is None else {"repository_ids": [number]}
        request = Request(
            "POST",
            f"/app/installations/{credential.installation_id}/access_tokens",
            body={**narrowing, "permissions": dict(wish.permissions)},
            refusals=_refusals(address, credential, wish.need),
        )
        try:
            field = self._gateway.send(address, _app_login(address, credential), request, deadline)
        except ForgeNotFound:
            # The kept number may belong to a repository that was deleted and created again under the same name.
            self.forget(address, credential)
            raise
        try:
            return check_minted(field, wish, address.full_name)
        except ForgeError:
            with contextlib.suppress(ForgeError):
                self.discard(address, _read_token(field), deadline)
            raise

    def discard(self, address: RepositoryAddress, token: Secret, deadline: float) -> None:
        """Revoke a token that will not be used; if the forge does not, the token expires by itself."""
        login = _token_login(address, InstallationToken(token))
        with contextlib.suppress(ForgeError):
            self._gateway.send(address, login, Request("DELETE", REVOCATION_PATH), deadline)

    def forget(self, address: RepositoryAddress, credential: AppInstallation) -> None:
        """Drop the operator's own tokens for a repository."""
        key = _key(address, credential)
        with self._lock:
            for kept in [kept for kept in self._kept if kept[: len(key)] == key]:
                del self._kept[kept]


def _key(address: RepositoryAddress, credential: AppInstallation) -> tuple[str, ...]:
    return (
        address.host,
        address.full_name.lower(),
        str(credential.app_id),
        str(credential.installation_id),
        credential.private_key.fingerprint,
    )


def _token_login(address: RepositoryAddress, credential: PersonalToken | InstallationToken) -> Login:
    value = credential.secret.reveal()
    if not _TOKEN.fullmatch(value):
        raise CredentialsRefused(
            f"the token for {address.full_name} is empty or has characters that no token has "
            "(a line break at its end?); store it again"
        )
    return Login(Token(value), f"{address.host}/token/{credential.secret.fingerprint}")


def _installation_login(address: RepositoryAddress, credential: AppInstallation, minted: Minted) -> Login:
    budget_key = f"{address.host}/installation/{credential.app_id}/{credential.installation_id}"
    return Login(Token(minted.token.reveal()), budget_key)


def _app_login(address: RepositoryAddress, credential: AppInstallation) -> Login:
    if credential.host.lower() != address.host:
        raise CredentialsRefused(
            f"the GitHub App is registered at {credential.host} and its key signs for no other host; "
            f"{address.host} needs a credential of its own"
        )
    return Login(_signed(credential), f"{address.host}/app/{credential.app_id}")


def _signed(credential: AppInstallation) -> Auth:
    auth = AppAuth(credential.app_id, private_key=credential.private_key.reveal() or "(empty)")
    # Signing raises errors of several libraries, any of which may quote the key.
    with contextlib.suppress(Exception):
        return AppAuthToken(auth.create_jwt())
    raise CredentialsRefused(
        f"the private key of the GitHub App {credential.app_id} cannot be used: "
        "it must be the RSA key in PEM that GitHub gave, unencrypted and whole"
    )


def _read_token(field: Field) -> Secret:
    value = field.at("token").text()
    if not _TOKEN.fullmatch(value):
        raise unreadable(field.what, "its token has characters that no header can carry")
    return Secret(value)


def _too_wide(full_name: str, what: str) -> CredentialsRefused:
    return CredentialsRefused(
        f"the forge answered with a token for {full_name} that is not what was asked for: {what}; it is not used"
    )
