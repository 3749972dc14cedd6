"""What the rest of the program sees of a forge: data, and one interface that GitHub and a simulation both implement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from codecourier.github.secret import Secret
from codecourier.pull_request import PullRequestState

__all__ = [
    "AppInstallation",
    "Credential",
    "Forge",
    "PersonalToken",
    "PullRequestDraft",
    "PullRequestFacts",
    "RepositoryFacts",
    "RepositoryRef",
    "Revocation",
    "TokenPair",
]


@dataclass(frozen=True)
class PersonalToken:
    """A fine-grained personal access token; it cannot be narrowed for a single step."""

    secret: Secret


@dataclass(frozen=True)
class AppInstallation:
    """A GitHub App on an account's repositories: short-lived tokens are minted from it, each narrowed."""

    app_id: int
    """Number of the App."""

    private_key: Secret
    """The App's RSA key in PEM."""

    installation_id: int
    """Number of the installation."""

    host: str = "github.com"
    """Where the App is registered, with the port unless it is 443. Its key signs for this host and for no other,
    whatever address a repository claims: what it signs would let another host act as the App everywhere."""


Credential = PersonalToken | AppInstallation


@dataclass(frozen=True)
class RepositoryRef:
    """A repository and how to be let in."""

    url: str
    """`https://HOST/OWNER/NAME`, with or without `.git`."""

    credential: Credential


@dataclass(frozen=True)
class RepositoryFacts:
    """What the forge says of a repository."""

    id: int
    """Number of the repository; it survives renames."""

    default_branch: str
    """Short name."""

    clone_url: str
    """Where git clones it from, over https and without credentials."""


@dataclass(frozen=True)
class PullRequestFacts:
    """What the forge says of a pull request."""

    number: int
    url: str
    """Its page, for people."""

    state: PullRequestState
    is_draft: bool
    head_branch: str
    """Short name."""

    head_sha: str
    """The last commit that the forge saw on the head branch while the pull request was open."""

    base_branch: str
    """Short name."""

    has_marker: bool
    """Whether it is ours: its body carries the marker that was asked for, or this call opened it."""

    title: str
    created_at: datetime


@dataclass(frozen=True)
class PullRequestDraft:
    """A pull request to open, both branches in the same repository."""

    title: str
    body: str
    """Carries the marker, by which it is found again when the answer is lost."""

    head: str
    """Short name of the branch with the changes."""

    base: str
    """Short name of the branch to merge into."""

    is_draft: bool = False


@dataclass(frozen=True)
class TokenPair:
    """The credentials of one try, one for each step that talks to the forge."""

    read: Secret
    """For checkout."""

    write: Secret
    """For publish."""

    expires_at: datetime | None
    """When the first of them ends; None if the forge does not say (personal tokens)."""


class Revocation(StrEnum):
    """What became of a token that was to be revoked."""

    REVOKED = "Revoked"
    ALREADY_INVALID = "AlreadyInvalid"
    """It had ended before: expired, revoked, or its installation is gone."""


class Forge(Protocol):
    """A forge. Every call is bounded in time and raises only errors of `codecourier.github.errors`.

    No call repeats itself: after `Unavailable` the caller looks what is there before it tries again.
    """

    async def repository(self, repo: RepositoryRef) -> RepositoryFacts:
        """Look a repository up."""

    async def branch_head(self, repo: RepositoryRef, branch: str) -> str | None:
        """Give the commit at the tip of a branch; None if the repository has no such branch."""

    async def find_pull_requests(self, repo: RepositoryRef, head_branch: str, marker: str) -> list[PullRequestFacts]:
        """Find the pull requests from a branch of the repository, in every state, newest first, at most 100.

        Parameters
        ----------
        repo
            The repository of both branches.
        head_branch
            Short name of the head branch.
        marker
            What `has_marker` is about.
        """

    async def open_pull_request(self, repo: RepositoryRef, draft: PullRequestDraft) -> PullRequestFacts:
        """Open a pull request.

        Raises
        ------
        AlreadyExists
            If there is an open one for the two branches. It may be adopted only if it has our marker.
        """

    async def mint_tokens(self, repo: RepositoryRef) -> TokenPair:
        """Make the credentials of a try, narrowed to the repository and the step where the credential allows it.

        Raises
        ------
        CredentialsRefused
            Also if the forge answers with a token that can do anything else than what was asked.
        """

    async def revoke(self, url: str, token: Secret) -> Revocation:
        """End a token that `mint_tokens` made with an App for the repository at this address.

        The token itself lets the request in: neither the Project nor the App need be there any more. A personal token
        can be ended only by its owner.
        """
