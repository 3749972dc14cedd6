"""Which permissions the requests of an operation need of a GitHub App."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.github.errors import CredentialsRefused

__all__ = ["OPERATOR_NEED", "Need"]


@dataclass(frozen=True)
class Need:
    """Permissions of the token with which requests are sent: these, and no others."""

    permissions: tuple[tuple[str, str], ...]
    """Names and levels, as GitHub's API calls them."""

    error: type[CredentialsRefused] = CredentialsRefused
    """Raised where the App's installation lacks one of them."""

    @property
    def words(self) -> str:
        """The permissions, as messages name them."""
        return ", ".join(f"{name}: {level}" for name, level in self.permissions)


OPERATOR_NEED = Need((("contents", "read"), ("pull_requests", "write")))
"""What most operations need: the tips of branches, and pull requests."""
