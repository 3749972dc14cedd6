"""Which of a Project's repositories an object works on, and how requests to it are let in."""

from __future__ import annotations

from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.project import Project, Repository

__all__ = ["find_access", "find_repository", "is_same_repository", "normalise_repository_url"]


def normalise_repository_url(url: str) -> str:
    """Return the address in the form in which equal repositories have equal addresses.

    Hosts take owner and name in any case, with or without `.git` and a last slash.
    """
    return url.rstrip("/").removesuffix(".git").lower()


def is_same_repository(left: str, right: str) -> bool:
    """Tell whether two addresses name the same repository."""
    return normalise_repository_url(left) == normalise_repository_url(right)


def find_repository(project: Project, url: str | None) -> Repository | Reason:
    """Return the Project's repository of this address, or its default one for None, or why there is none."""
    if url is None:
        default = next((r for r in project.spec.repositories if r.is_default), None)
        return default if default is not None else Reason.NO_DEFAULT_REPOSITORY
    found = next((r for r in project.spec.repositories if is_same_repository(r.url, url)), None)
    return found if found is not None else Reason.REPOSITORY_NOT_ALLOWED


def find_access(project: Project | None, namespace: str, url: str | None) -> RepositoryAccess | Problem:
    """Return how a repository is reached with a credential of the namespace's Project, or why it cannot be.

    Parameters
    ----------
    project
        The Project; None where the namespace has none.
    namespace
        The namespace.
    url
        Address of the repository; None: the Project's default one.
    """
    if project is None:
        return Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
    found = find_repository(project, url)
    if isinstance(found, Reason):
        return Problem(found, sentence(found, repository=url))
    if found.app is not None:
        return RepositoryAccess(namespace, found.url, installation_id=found.app.installation_id)
    if found.credential_ref is not None:
        return RepositoryAccess(namespace, found.url, secret=found.credential_ref.name)
    detail = "the Project names neither a Secret nor an App."
    text = sentence(Reason.CREDENTIALS_MISSING, repository=found.url, detail=detail)
    return Problem(Reason.CREDENTIALS_MISSING, text)
