"""Accounts, the App, its installations and their tokens, in GitHub's shapes."""

from __future__ import annotations

from typing import Any

from codecourier.local.forge.forge import Forge
from codecourier.local.forge.records import Installation
from codecourier.local.forge.shapes.values import node_id, stamp

__all__ = ["app_shape", "installation_shape", "user_shape"]

_EPOCH = "2024-01-01T00:00:00Z"
"""When the App says it was made."""


def user_shape(forge: Forge, login: str) -> dict[str, Any]:
    """Return an account as `simple-user`."""
    user = forge.repositories.user(login)
    url = f"{forge.api_url}/users/{login}"
    return {
        "login": login,
        "id": user.id,
        "node_id": node_id("User", user.id),
        "avatar_url": f"{forge.base_url}/avatars/{user.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{forge.base_url}/{login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": "Bot" if user.is_bot else "User",
        "site_admin": False,
    }


def app_shape(forge: Forge) -> dict[str, Any]:
    """Return the App as `integration`."""
    app = forge.app
    return {
        "id": app.id,
        "slug": app.slug,
        "client_id": app.client_id,
        "node_id": node_id("Integration", app.id),
        "owner": user_shape(forge, app.owner),
        "name": app.slug,
        "description": None,
        "external_url": forge.base_url,
        "html_url": f"{forge.base_url}/apps/{app.slug}",
        "created_at": _EPOCH,
        "updated_at": _EPOCH,
        "permissions": {"metadata": "read"},
        "events": [],
        "installations_count": len(forge.store.all(Installation)),
    }


def installation_shape(forge: Forge, installation: Installation) -> dict[str, Any]:
    """Return an installation of the App as `installation`."""
    account = user_shape(forge, installation.account)
    created = stamp(installation.created_at)
    return {
        "id": installation.id,
        "account": account,
        "repository_selection": "all" if installation.repository_ids is None else "selected",
        "access_tokens_url": f"{forge.api_url}/app/installations/{installation.id}/access_tokens",
        "repositories_url": f"{forge.api_url}/installation/repositories",
        "html_url": f"{forge.base_url}/settings/installations/{installation.id}",
        "app_id": forge.app.id,
        "client_id": forge.app.client_id,
        "app_slug": forge.app.slug,
        "target_id": account["id"],
        "target_type": account["type"],
        "permissions": {**installation.permissions, "metadata": "read"},
        "events": [],
        "created_at": created,
        "updated_at": created,
        "single_file_name": None,
        "suspended_by": None,
        "suspended_at": None,
    }
