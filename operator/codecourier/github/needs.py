"""Which permissions the requests of an operation need of a GitHub App."""

from __future__ import annotations

from dataclasses import dataclass, replace

from codecourier.github.errors import CredentialsRefused, ForgeRefused
from codecourier.github.refusals import Refusal

__all__ = ["OPERATOR_NEED", "WORKFLOWS_REFUSAL", "Need", "WorkflowsForbidden"]


class WorkflowsForbidden(ForgeRefused):
    """The credential may not change workflow files, and what was asked for would."""


WORKFLOWS_REFUSAL = Refusal(
    frozenset({403, 404, 405, 409, 422}),
    WorkflowsForbidden,
    "the credential may not change workflow files",
    words="create or update workflow",
)
"""GitHub's words: `refusing to allow a GitHub App to create or update workflow ... without workflows permission`."""


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

    def and_workflows(self, *, if_: bool) -> Need:
        """Return the need with the permission to change workflow files, where that is asked for."""
        return replace(self, permissions=(*self.permissions, ("workflows", "write"))) if if_ else self


OPERATOR_NEED = Need((("contents", "read"), ("pull_requests", "write")))
"""What most operations need: the tips of branches, and pull requests."""
