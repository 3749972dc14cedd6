"""Which of a Project's repositories an object works on, and how requests to it are let in."""

from __future__ import annotations

from codecourier.core.shared.consent import is_same_repository, repository_key
from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.secrets import UNWATCHED, WatchedSecrets
from codecourier.resources.project import Project, Repository

__all__ = ["find_access", "find_named_repository", "find_repository"]


def find_repository(project: Project, url: str | None) -> Repository | Reason:
    """Return the Project's repository of this address, or its default one for None, or why there is none."""
    if url is None:
        default = next((r for r in project.spec.repositories if r.is_default), None)
        return default if default is not None else Reason.NO_DEFAULT_REPOSITORY
    found = next((r for r in project.spec.repositories if is_same_repository(r.url, url)), None)
    return found if found is not None else Reason.REPOSITORY_NOT_ALLOWED


def find_named_repository(project: Project, url: str | None) -> Repository | Reason:
    """Return the same as `find_repository`, also for an address that a repository of the Project had before."""
    found = find_repository(project, url)
    if url is None or not isinstance(found, Reason):
        return found
    key = repository_key(url)
    moved = (r for r in project.spec.repositories if key in map(repository_key, r.former_urls))
    return next(moved, found)


def find_access(
    project: Project | None, namespace: str, url: str | None, credentials: WatchedSecrets = UNWATCHED
) -> RepositoryAccess | Problem:
    """Return how a repository is reached with a credential of the namespace's Project, or why it cannot be.

    Parameters
    ----------
    project
        The Project; None where the namespace has none.
    namespace
        The namespace.
    url
        Address of the repository; None: the Project's default one.
    credentials
        The Secrets of the namespace that are meant for repositories.
    """
    if project is None:
        return Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
    found = find_repository(project, url)
    if isinstance(found, Reason):
        return Problem(found, sentence(found, repository=url))
    if found.app is not None:
        return RepositoryAccess(namespace, found.url, installation_id=found.app.installation_id)
    if found.credential_ref is not None:
        name = found.credential_ref.name
        return RepositoryAccess(namespace, found.url, secret=name, secret_version=credentials.versions.get(name))
    detail = "the Project names neither a Secret nor an App."
    text = sentence(Reason.CREDENTIALS_MISSING, repository=found.url, detail=detail)
    return Problem(Reason.CREDENTIALS_MISSING, text)
