"""States and branches of pull requests, shared by core, controller and the forge's client. Standard library only."""

from __future__ import annotations

import re
from enum import StrEnum

__all__ = ["PullRequestState", "is_branch_name"]

_NAME = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]{1,244}")
_NO_NAME = re.compile(r"^[-/.]|[/.]$|\.\.|//|@\{|/\.|\.lock$|^refs/|^@$")
"""What the CRDs refuse beyond that."""


def is_branch_name(name: str) -> bool:
    """Tell whether a status can hold the short name of a branch, as the CRDs have it."""
    return _NAME.fullmatch(name) is not None and _NO_NAME.search(name) is None


class PullRequestState(StrEnum):
    """State of a pull request at its host."""

    OPEN = "Open"
    CLOSED = "Closed"
    """Closed without a merge."""

    MERGED = "Merged"
