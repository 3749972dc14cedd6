from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from codecourier.address import ADDRESS_FORM, split_address
from codecourier.github.errors import ForgeRefused

__all__ = ["PUBLIC_HOST", "RepositoryAddress", "quote_branch"]

PUBLIC_HOST = "github.com"


@dataclass(frozen=True)
class RepositoryAddress:
    """The parts of a repository's address, and where its host's API is."""

    host: str
    """In lower case, with the port unless it is 443."""

    owner: str
    name: str

    @classmethod
    def parse(cls, url: str) -> RepositoryAddress:
        """Split an address into its parts.

        Raises
        ------
        ForgeRefused
            If it does not follow the grammar of `codecourier.address`.
        """
        parts = split_address(url)
        if parts is None:
            raise ForgeRefused(f"the repository address {url!r} must be {ADDRESS_FORM}")
        return cls(*parts)

    @property
    def api_url(self) -> str:
        """Root of the host's API: GitHub's own, or that of GitHub Enterprise, which the local forge imitates."""
        return "https://api.github.com" if self.host == PUBLIC_HOST else f"https://{self.host}/api/v3"

    @property
    def graphql_url(self) -> str:
        """Where the host's GraphQL API is."""
        return f"{self.api_url.removesuffix('/v3')}/graphql"

    @property
    def api_origin(self) -> str:
        """Scheme, host and port of the API."""
        return self.api_url.removesuffix("/api/v3")

    @property
    def path(self) -> str:
        """The repository's path below the root of the API."""
        return f"/repos/{self.owner}/{self.name}"

    @property
    def full_name(self) -> str:
        """Owner and name."""
        return f"{self.owner}/{self.name}"


def quote_branch(branch: str) -> str:
    """Return a branch as a part of a path.

    Raises
    ------
    ForgeRefused
        If the path would name something other than a branch.
    """
    if not branch or any(part in {"", ".", ".."} for part in branch.split("/")):
        raise ForgeRefused(f"{branch!r} is not a branch name")
    return quote(branch, safe="/")
