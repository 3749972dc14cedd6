"""From a namespace and an address to a repository that can be called."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from codecourier.cache.store import Store
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.naming import PROJECT_NAME
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.repositories import find_repository
from codecourier.github.credentials import AppInstallation, Credential, PersonalToken, RepositoryRef
from codecourier.github.secret import Secret
from codecourier.kinds.sources import PROJECT_SOURCE
from codecourier.kube.api import SECRETS, Json, KubeApi
from codecourier.kube.errors import NotFound
from codecourier.resources.project import Repository

__all__ = ["AppIdentity", "Credentials", "decode_key"]

_TOKEN_KEY = "token"  # noqa: S105  a key's name


@dataclass(frozen=True)
class AppIdentity:
    """The GitHub App that the cluster's administrator gave to the operator."""

    app_id: int
    private_key: Secret
    host: str = "github.com"
    """The only host that the App's key signs for."""


class Credentials:
    """Finds the credential of a repository in the Project and its Secret.

    Parameters
    ----------
    api
        Where Secrets are read: they are not cached, so that a repaired one is seen at once and none lies in memory.
    store
        Where the Project is found.
    app
        The App, None where the administrator gave none.
    """

    def __init__(self, api: KubeApi, store: Store, app: AppIdentity | None) -> None:
        self._api = api
        self._store = store
        self._app = app

    async def find(self, namespace: str, url: str) -> RepositoryRef | Problem:
        """Return the repository with its credential, or why there is none."""
        project = self._store.get(PROJECT_SOURCE, namespace, PROJECT_NAME)
        if project is None:
            return Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
        repository = find_repository(project, url)
        if isinstance(repository, Reason):
            return Problem(repository, sentence(repository, repository=url))
        credential = await self._credential(namespace, repository)
        if isinstance(credential, Problem):
            return credential
        return RepositoryRef(repository.url, credential)

    async def _credential(self, namespace: str, repository: Repository) -> Credential | Problem:
        if repository.app is not None:
            if self._app is None:
                return _missing(
                    repository.url, "the operator has no GitHub App; its administrator has to configure one."
                )
            return AppInstallation(
                self._app.app_id, self._app.private_key, repository.app.installation_id, self._app.host
            )
        if repository.credential_ref is None:
            return _missing(repository.url, "the Project names neither a Secret nor an App.")
        name = repository.credential_ref.name
        try:
            secret = await self._api.get(SECRETS, namespace, name)
        except NotFound:
            return _missing(repository.url, f"Secret '{name}' is not there. Create it with the key '{_TOKEN_KEY}'.")
        token = decode_key(secret, _TOKEN_KEY)
        if not token:
            return _missing(repository.url, f"Secret '{name}' has no text in its key '{_TOKEN_KEY}'.")
        return PersonalToken(Secret(token))


def _missing(url: str, detail: str) -> Problem:
    return Problem(Reason.CREDENTIALS_MISSING, sentence(Reason.CREDENTIALS_MISSING, repository=url, detail=detail))


def decode_key(secret: Json, key: str) -> str:
    """Return a key of a Secret as text without surrounding white space; empty when it is absent or no text."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(key, "")).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""
