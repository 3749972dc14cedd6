"""Finds the credential for the repository that a plan names, if its owner lets it go there."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from codecourier.cache.store import Store
from codecourier.core.shared.consent import (
    SecretMetadata,
    find_app_problem,
    find_host_problem,
    find_secret_problem,
)
from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.naming import ANNOTATION_APP_REPOSITORIES, LABEL_REPOSITORY_CREDENTIAL
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.github.credentials import AppInstallation, Credential, PersonalToken, RepositoryRef
from codecourier.github.secret import Secret
from codecourier.hosts.secret_reads import SecretReads
from codecourier.kube.api import NAMESPACES, Json, KubeApi
from codecourier.kube.errors import Forbidden, NotFound

__all__ = ["AppIdentity", "Credentials", "UnknownNamespaceError", "decode_key", "metadata_of"]

_TOKEN_KEY = "token"  # noqa: S105  a key's name


_PERMIT = "Give it the permissions that its documentation lists."


class UnknownNamespaceError(Exception):
    """The caches have an object of a namespace and not yet the Namespace, which says what the App may be used for."""

    def __init__(self, namespace: str) -> None:
        super().__init__(f"the Namespace {namespace} is not known yet")


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
        Where Secrets are read: their values are not cached, so that a fixed one works at once and none stays in memory.
    store
        Has the Namespaces, which say for which repositories the App may be used.
    hosts
        The hosts that may be asked, in lower case, each with its port unless that is 443.
    app
        The App, None where the administrator configured none.
    reader
        The program that reads them, as messages name it.
    """

    def __init__(
        self,
        api: KubeApi,
        store: Store,
        hosts: frozenset[str],
        app: AppIdentity | None,
        *,
        reader: str = "the operator",
    ) -> None:
        self._store = store
        self._reader = reader
        self._hosts = hosts
        self._app = app
        self._reads = SecretReads(api)

    async def find(self, repository: RepositoryAccess | Problem) -> RepositoryRef | Problem:
        """Return the repository with its credential, or why there is none.

        Raises
        ------
        UnknownNamespaceError
            If the Namespace, which was made a moment ago, is not known yet; the queue retries.
        """
        if isinstance(repository, Problem):
            return repository
        credential = find_host_problem(self._hosts, repository.url) or await self._credential(repository)
        return credential if isinstance(credential, Problem) else RepositoryRef(repository.url, credential)

    async def version(self, repository: RepositoryAccess) -> str:
        """Return what changes with the credential of a repository and with what its owner allows."""
        if repository.installation_id is not None:
            namespace = self._store.raw(NAMESPACES, None, repository.namespace) or {"metadata": {}}
            return str((namespace["metadata"].get("annotations") or {}).get(ANNOTATION_APP_REPOSITORIES))
        try:
            secret = await self._reads.read(repository.namespace, repository.secret or "", repository.secret_version)
        except (Forbidden, NotFound):
            return ""
        return f"{secret['metadata']['uid']} {secret['metadata']['resourceVersion']}"

    async def _credential(self, repository: RepositoryAccess) -> Credential | Problem:
        if repository.installation_id is not None:
            return self._app_credential(repository, repository.installation_id)
        name = repository.secret or ""
        try:
            secret = await self._reads.read(repository.namespace, name, repository.secret_version)
        except NotFound:
            detail = f"Create it with the key '{_TOKEN_KEY}' and the label {LABEL_REPOSITORY_CREDENTIAL}=true."
            return _missing(repository.url, f"Secret '{name}' is not there. {detail}")
        except Forbidden:
            return _missing(repository.url, f"the account of {self._reader} may not read Secret '{name}'. {_PERMIT}")
        # Before the value is looked at: what a Secret is not meant for must not even show whether it has the key.
        problem = find_secret_problem(metadata_of(secret), repository.url)
        if problem is not None:
            return problem
        token = decode_key(secret, _TOKEN_KEY)
        if not token:
            return _missing(repository.url, f"Secret '{name}' has no text in its key '{_TOKEN_KEY}'.")
        return PersonalToken(Secret(token))

    def _app_credential(self, repository: RepositoryAccess, installation_id: int) -> Credential | Problem:
        if self._app is None:
            detail = f"{self._reader} has no GitHub App; its administrator has to configure one."
            return _missing(repository.url, detail)
        namespace = self._store.raw(NAMESPACES, None, repository.namespace)
        if namespace is None:
            raise UnknownNamespaceError(repository.namespace)
        prefixes = (namespace["metadata"].get("annotations") or {}).get(ANNOTATION_APP_REPOSITORIES)
        problem = find_app_problem(repository.namespace, prefixes, repository.url)
        if problem is not None:
            return problem
        return AppInstallation(self._app.app_id, self._app.private_key, installation_id, self._app.host)


def _missing(url: str, detail: str) -> Problem:
    return Problem(Reason.CREDENTIALS_MISSING, sentence(Reason.CREDENTIALS_MISSING, repository=url, detail=detail))


def metadata_of(secret: Json) -> SecretMetadata:
    """Return what a Secret says of itself."""
    metadata = secret["metadata"]
    return SecretMetadata(
        name=metadata["name"],
        type=secret.get("type") or "",
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
    )


def decode_key(secret: Json, key: str) -> str:
    """Return a key of a Secret as text without surrounding white space; empty when it is absent or not text."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(key, "")).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""
