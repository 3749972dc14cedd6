"""Operations of the control API on issues, as users work on the web pages of a forge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.records import Issue, Repository, now

__all__ = ["ISSUE_OPERATIONS", "named_repository"]

_Body = Mapping[str, Any]


def named_repository(forge: Forge, body: _Body) -> Repository:
    """Return the repository that a request names.

    Raises
    ------
    RefusedError
        404 if there is none.
    """
    owner, _, name = str(body["repository"]).partition("/")
    found = forge.repositories.find(owner, name)
    if found is None:
        raise RefusedError(404, f"there is no repository {body['repository']} on the forge")
    return found


def _named_issue(forge: Forge, body: _Body) -> tuple[Repository, Issue]:
    repository = named_repository(forge, body)
    issue = forge.issues.find(repository, int(body["number"]))
    if issue is None:
        raise RefusedError(404, f"there is no issue {body['number']} in {repository.full_name}")
    return repository, issue


def _create_issue(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    issue = forge.issues.create(repository, login=body["login"], title=body["title"], body=body["body"])
    return {"number": issue.number}


def _comment_issue(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    made = forge.issues.comment(repository, int(body["number"]), login=body["login"], body=body["body"])
    return {"id": made.id}


def _change_issue(forge: Forge, body: _Body) -> dict[str, Any]:
    _, issue = _named_issue(forge, body)
    changes = {name: body[name] for name in ("title", "body", "state", "locked") if body.get(name) is not None}
    if "state" in changes:
        changes["closed_at"] = None if changes["state"] == "open" else now()
    Issue.model_validate({**issue.model_dump(), **changes})
    forge.issues.change(issue, **changes)
    return {}


def _transfer_issue(forge: Forge, body: _Body) -> dict[str, Any]:
    repository, issue = _named_issue(forge, body)
    target = named_repository(forge, {"repository": body["target"]})
    return {"number": forge.issues.transfer(repository, issue, target).number}


def _delete_issue(forge: Forge, body: _Body) -> dict[str, Any]:
    forge.issues.delete(*_named_issue(forge, body))
    return {}


def _set_issues(forge: Forge, body: _Body) -> dict[str, Any]:
    forge.store.write(named_repository(forge, body).model_copy(update={"has_issues": bool(body["enabled"])}))
    return {}


def _rename_repository(forge: Forge, body: _Body) -> dict[str, Any]:
    return {"full_name": forge.repositories.rename(named_repository(forge, body), str(body["name"])).full_name}


ISSUE_OPERATIONS: dict[str, Callable[[Forge, _Body], dict[str, Any]]] = {
    "change-issue": _change_issue,
    "comment-issue": _comment_issue,
    "create-issue": _create_issue,
    "delete-issue": _delete_issue,
    "rename-repository": _rename_repository,
    "set-issues": _set_issues,
    "transfer-issue": _transfer_issue,
}
