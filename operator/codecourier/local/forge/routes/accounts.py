"""The sender's rate limit, the App's installations and their tokens."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from codecourier.local.forge.call import Answer, Call, Endpoint
from codecourier.local.forge.errors import RefusedError, not_accessible, not_found
from codecourier.local.forge.limits import GRAPHQL, budget_of
from codecourier.local.forge.records import Installation, Permissions, Repository
from codecourier.local.forge.shapes import installation_shape, repository_shape, stamp

__all__ = ["ENDPOINTS"]

_SEARCH_LIMIT = 30
"""Of what the forge does not offer."""


def _get_rate_limit(call: Call) -> Answer:
    token = call.principal.token if call.principal else None
    budget_id = budget_of(token) if token else 0
    core = call.forge.limits.figures(budget_id)
    graph = call.forge.limits.figures(budget_id, GRAPHQL)
    search = {"limit": _SEARCH_LIMIT, "remaining": _SEARCH_LIMIT, "reset": core["reset"], "used": 0}
    return Answer({"resources": {"core": core, "graphql": graph, "search": search}, "rate": core})


def _find_installation(call: Call) -> Answer:
    _check_for_app(call)
    repository = call.forge.repositories.find(call.parameters["owner"], call.parameters["repo"])
    if repository is not None:
        for installation in call.forge.store.all(Installation):
            if _covers(installation, repository):
                return Answer(installation_shape(call.forge, installation))
    raise not_found()


def _mint_token(call: Call) -> Answer:
    _check_for_app(call)
    number = call.parameters["id"]
    installation = call.forge.store.get(Installation, int(number)) if number.isdecimal() else None
    if installation is None:
        raise not_found()
    chosen = _chosen_repositories(call, installation)
    ids = None if chosen is None else [repository.id for repository in chosen]
    value, token = call.forge.tokens.mint(installation, ids, _asked_permissions(call))
    body: dict[str, Any] = {
        "token": value,
        "expires_at": stamp(token.expires_at),
        "permissions": token.permissions,
        "repository_selection": "all" if token.repository_ids is None else "selected",
    }
    if chosen is not None:
        body["repositories"] = [repository_shape(call.forge, repository) for repository in chosen]
    return Answer(body, status=201)


def _chosen_repositories(call: Call, installation: Installation) -> list[Repository] | None:
    ids, names = call.body.get("repository_ids"), call.body.get("repositories")
    if ids is None and names is None:
        return None
    covered = [found for found in call.forge.store.all(Repository) if _covers(installation, found)]
    asked_ids, asked_names = _asked(ids, int), {name.lower() for name in _asked(names, str)}
    chosen = [found for found in covered if found.id in asked_ids or found.name.lower() in asked_names]
    if not chosen or not _are_all_found(asked_ids, asked_names, chosen):
        problem = "does not exist or is not accessible to the parent installation"
        raise RefusedError(422, f"There is at least one repository that {problem}.")
    return chosen


def _asked(value: object, kind: type) -> set[Any]:
    if value is None:
        return set()
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise RefusedError(422, "Invalid request.\n\nrepositories are given as a list of names or of ids.")
    return set(value)


def _are_all_found(ids: Collection[int], names: Collection[str], chosen: list[Repository]) -> bool:
    has_ids = set(ids) <= {repository.id for repository in chosen}
    return has_ids and set(names) <= {repository.name.lower() for repository in chosen}


def _asked_permissions(call: Call) -> Permissions | None:
    asked = call.body.get("permissions")
    if not asked:
        # None, and no permission at all, mean all of the installation's.
        return None
    if not isinstance(asked, dict) or not all(level in {"read", "write"} for level in asked.values()):
        raise RefusedError(422, "Invalid request.\n\npermissions have the level read or write.")
    return asked


def _revoke_token(call: Call) -> Answer:
    token = call.principal.token if call.principal else None
    if token is None or token.holder != "installation":
        raise not_accessible("personal")
    call.forge.tokens.revoke(token)
    return Answer(status=204)


def _covers(installation: Installation, repository: Repository) -> bool:
    chosen = installation.repository_ids
    return installation.account == repository.owner and (chosen is None or repository.id in chosen)


def _check_for_app(call: Call) -> None:
    if call.principal is None or call.principal.holder != "app":
        raise RefusedError(401, "A JSON web token could not be decoded")


ENDPOINTS = (
    Endpoint("GET", "/rate_limit", _get_rate_limit),
    Endpoint("POST", "/app/installations/{id}/access_tokens", _mint_token),
    Endpoint("DELETE", "/installation/token", _revoke_token),
    # The App sees where it is installed, without a token for the repository.
    Endpoint("GET", "/repos/{owner}/{repo}/installation", _find_installation),
)
