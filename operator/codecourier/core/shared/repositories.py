"""Which of a Project's repositories an object works on."""

from __future__ import annotations

from codecourier.core.shared.reasons import Reason
from codecourier.resources.project import Project, Repository

__all__ = ["find_repository", "is_same_repository", "normalise_repository_url"]


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
