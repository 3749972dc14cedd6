"""How a repository is reached: its address and the credential for it."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.github.secret import Secret

__all__ = ["AppInstallation", "Credential", "InstallationToken", "PersonalToken", "RepositoryRef"]


@dataclass(frozen=True)
class PersonalToken:
    """A fine-grained personal access token; it cannot be narrowed for a single step."""

    secret: Secret


@dataclass(frozen=True)
class InstallationToken:
    """A token that was minted from an App's installation; it is sent as it is."""

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
    even if a repository's address names one: with the signature another host could act as the App everywhere."""


Credential = PersonalToken | InstallationToken | AppInstallation


@dataclass(frozen=True)
class RepositoryRef:
    """A repository and the credential for it."""

    url: str
    """Follows the grammar of `codecourier.address`."""

    credential: Credential
