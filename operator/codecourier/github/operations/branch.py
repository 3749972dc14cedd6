"""What the operations on branches have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from codecourier.github.answers import Field
from codecourier.github.errors import ForgeError

__all__ = ["HEADS", "BranchFacts", "BranchKept", "BranchMoved", "BranchNotFound", "read_name"]

HEADS = "refs/heads/"
"""What the full name of a branch begins with."""

_NAME_MAX_LENGTH = 1024


class BranchNotFound(ForgeError):
    """The repository has no such branch."""


class BranchKept(ForgeError):
    """The branch is one that must not be deleted."""


class BranchMoved(ForgeError):
    """Another commit was pushed to the branch meanwhile, so that it was not deleted."""


@dataclass(frozen=True)
class BranchFacts:
    """What the forge says of a branch."""

    name: str
    """Short name, as git has it: up to 1,024 characters, of any script."""

    sha: str
    author: str | None
    """Login of the last commit's author, else the name in the commit; None if the forge does not say."""

    committed_at: datetime | None
    """When the last commit was made; None if the forge does not say."""

    is_protected: bool
    is_default: bool


def read_name(field: Field) -> str:
    """Return the short name of a branch."""
    return field.text(_NAME_MAX_LENGTH)
