"""Accounts and installations in GitHub's shapes, and the small values that all shapes share."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any, overload

from codecourier.local.forge.forge import Forge
from codecourier.local.forge.records import Installation

__all__ = ["installation_shape", "node_id", "stamp", "user_shape"]


def node_id(kind: str, number: int | str) -> str:
    """Return a GraphQL node id; opaque to clients."""
    return base64.urlsafe_b64encode(f"{kind}:{number}".encode()).decode()


@overload
def stamp(time: datetime) -> str: ...
@overload
def stamp(time: None) -> None: ...
def stamp(time: datetime | None) -> str | None:
    """Return a moment as the API writes it."""
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%SZ")


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
