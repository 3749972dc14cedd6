"""Operations of the control API on checks, rules and merges, as CI and the users of a forge work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codecourier.local.forge.control_issues import named_repository
from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.merge_records import RuleSet
from codecourier.local.forge.records import CommitStatus, Pull, RateBudget, Repository, Token, now

__all__ = ["MERGE_OPERATIONS"]

_Body = Mapping[str, Any]

_SETTINGS = (
    "allow_merge_commit",
    "allow_squash_merge",
    "allow_rebase_merge",
    "delete_branch_on_merge",
    "has_async_merges",
    "merge_polls",
    "holds_merges",
)


def _set_merging(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    changes = {name: body[name] for name in _SETTINGS if body.get(name) is not None}
    forge.store.write(Repository.model_validate({**repository.model_dump(), **changes}))
    return {}


def _add_rules(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    rules = {key: value for key, value in body.items() if key != "repository"}
    made = RuleSet.model_validate({**rules, "id": forge.store.next_id(), "repository_id": repository.id})
    forge.store.write(made)
    return {"id": made.id}


def _remove_rules(forge: Forge, body: _Body) -> dict[str, Any]:
    rules = forge.store.get(RuleSet, int(body["id"]))
    if rules is None:
        raise RefusedError(404, f"there is no ruleset {body['id']}")
    forge.store.write(remove=[rules])
    return {}


def _set_status(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    status = CommitStatus.model_validate(
        {
            "id": forge.store.next_id(),
            "repository_id": repository.id,
            "sha": _commit(forge, repository, body),
            "state": body["state"],
            "context": body["context"],
            "description": body.get("description"),
            "target_url": body.get("target_url"),
            "login": body["login"],
            "created_at": now(),
        }
    )
    forge.store.write(status)
    forge.follow(repository)
    return {"id": status.id}


def _set_check(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    names = ("status", "conclusion", "title", "summary", "text", "details_url", "external_id")
    changes = {name: body[name] for name in names if body.get(name) is not None}
    if changes.get("conclusion"):
        changes["status"] = "completed"
    sha, app = _commit(forge, repository, body), body["app"]
    run = forge.checks.report(repository, sha=sha, name=body["name"], app=app, changes=changes)
    forge.follow(repository)
    return {"id": run.id, "suite_id": run.suite_id}


def _create_suite(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    return {"id": forge.checks.suite(repository, _commit(forge, repository, body), body["app"]).id}


def _commit(forge: Forge, repository: Repository, body: _Body) -> str:
    sha = forge.repositories.git(repository).resolve(str(body["sha"]))
    if sha is None:
        raise RefusedError(404, f"there is no commit {body['sha']} in {repository.full_name}")
    return sha


def _run_merges(forge: Forge, body: _Body) -> dict[str, Any]:
    return {"ran": forge.run_merges(named_repository(forge, body))}


def _list_queue(forge: Forge, body: _Body) -> dict[str, Any]:
    entries = forge.queues.entries(named_repository(forge, body), body["branch"])
    return {"entries": [{"number": entry.number, "state": entry.state, "sha": entry.sha} for entry in entries]}


def _set_collaborator(forge: Forge, body: _Body) -> dict[str, Any]:
    forge.repositories.user(body["login"])
    forge.reviews.set_permission(named_repository(forge, body), body["login"], body["permission"])
    return {}


def _review(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    pull = _named_pull(forge, repository, body)
    said = {name: body[name] for name in ("login", "state", "body", "comments")}
    return {"id": forge.reviews.submit(repository, pull, **said).id}


def _move_to_fork(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    forge.repositories.user(body["owner"])
    forge.pulls.move_to_fork(repository, _named_pull(forge, repository, body), body["owner"])
    return {}


def _named_pull(forge: Forge, repository: Repository, body: _Body) -> Pull:
    pull = forge.pulls.find(repository, int(body["number"]))
    if pull is None:
        raise RefusedError(404, f"there is no pull request {body['number']} in {repository.full_name}")
    return pull


def _age_merges(forge: Forge, body: _Body) -> dict[str, Any]:
    forge.async_merges.age(named_repository(forge, body), float(body["seconds"]))
    return {}


def _list_rates(forge: Forge, _: _Body) -> dict[str, Any]:
    return {"rates": [_rate(forge, budget) for budget in forge.store.all(RateBudget) if budget.id]}


def _rate(forge: Forge, budget: RateBudget) -> dict[str, Any]:
    holder, resource = forge.limits.holder(budget)
    token = forge.store.get(Token, holder)
    return {
        "login": token.login if token else forge.app.login,
        "installation_id": 0 if token else holder,
        "resource": resource,
        "limit": budget.limit,
        "used": budget.used,
        "unchanged": budget.unchanged,
    }


MERGE_OPERATIONS: dict[str, Callable[[Forge, _Body], dict[str, Any]]] = {
    "add-rules": _add_rules,
    "age-merges": _age_merges,
    "create-suite": _create_suite,
    "list-queue": _list_queue,
    "list-rates": _list_rates,
    "move-to-fork": _move_to_fork,
    "remove-rules": _remove_rules,
    "review": _review,
    "run-merges": _run_merges,
    "set-check": _set_check,
    "set-collaborator": _set_collaborator,
    "set-merging": _set_merging,
    "set-status": _set_status,
}
