"""Finds the credential for the repository that a plan names."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.github.credentials import AppInstallation, Credential, PersonalToken, RepositoryRef
from codecourier.github.secret import Secret
from codecourier.kube.api import SECRETS, Json, KubeApi
from codecourier.kube.errors import NotFound

__all__ = ["AppIdentity", "Credentials", "decode_key"]

_TOKEN_KEY = "token"  # noqa: S105  a key's name


@dataclass(frozen=True)
class AppIdentity:
    """The GitHub App that the cluster's administrator configured."""

    app_id: int
    private_key: Secret
    host: str = "github.com"
    """The only host that the App's key signs for."""


class Credentials:
    """Finds the credential that a plan names for a repository.

    Parameters
    ----------
    api
        Where Secrets are read: they are not cached, so that a fixed one works at once and none stays in memory.
    app
        The App, None where the administrator configured none.
    """

    def __init__(self, api: KubeApi, app: AppIdentity | None) -> None:
        self._api = api
        self._app = app

    async def find(self, repository: RepositoryAccess | Problem) -> RepositoryRef | Problem:
        """Return the repository with its credential, or why there is none."""
        if isinstance(repository, Problem):
            return repository
        credential = await self._credential(repository)
        return credential if isinstance(credential, Problem) else RepositoryRef(repository.url, credential)

    async def _credential(self, repository: RepositoryAccess) -> Credential | Problem:
        if repository.installation_id is not None:
            return self._app_credential(repository.url, repository.installation_id)
        name = repository.secret or ""
        try:
            secret = await self._api.get(SECRETS, repository.namespace, name)
        except NotFound:
            return _missing(repository.url, f"Secret '{name}' is not there. Create it with the key '{_TOKEN_KEY}'.")
        token = decode_key(secret, _TOKEN_KEY)
        if not token:
            return _missing(repository.url, f"Secret '{name}' has no text in its key '{_TOKEN_KEY}'.")
        return PersonalToken(Secret(token))

    def _app_credential(self, url: str, installation_id: int) -> Credential | Problem:
        if self._app is None:
            return _missing(url, "the operator has no GitHub App; its administrator has to configure one.")
        return AppInstallation(self._app.app_id, self._app.private_key, installation_id, self._app.host)


def _missing(url: str, detail: str) -> Problem:
    return Problem(Reason.CREDENTIALS_MISSING, sentence(Reason.CREDENTIALS_MISSING, repository=url, detail=detail))


def decode_key(secret: Json, key: str) -> str:
    """Return a key of a Secret as text without surrounding white space; empty when it is absent or not text."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(key, "")).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""
