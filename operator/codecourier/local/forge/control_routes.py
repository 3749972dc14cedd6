"""The control API: what a user does on a forge's web pages, and what only a stand-in can do.

Each operation is `POST /_control/<name>` with a JSON object, guarded by the control token. `ForgeControl` in
`control.py` is its client.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from codecourier.local.forge.control_issues import ISSUE_OPERATIONS, named_repository
from codecourier.local.forge.control_merges import MERGE_OPERATIONS
from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.gates import find_protection
from codecourier.local.forge.git import GitError
from codecourier.local.forge.limits import CORE, budget_of
from codecourier.local.forge.records import Fault, Installation, Protection, Repository, Token, now

__all__ = ["CONTROL_PREFIX", "COUNTER_TOPICS", "control_routes"]

CONTROL_PREFIX = "/_control/"

COUNTER_TOPICS = (
    "clones",
    "comments_created",
    "dequeues",
    "enqueues",
    "faults",
    "fetches",
    "merge_requests",
    "merges",
    "merges_by_push",
    "pulls_created",
    "ref_writes",
    "requests",
    "tokens_minted",
    "tokens_revoked",
)
"""Groups of counters that are raised together with what they count; pushes are counted by a hook of git."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_Body = Mapping[str, Any]

_Operation = Callable[[Forge, _Body], dict[str, Any]]


def control_routes(forge: Forge) -> list[Route]:
    """Return the routes of the control API."""

    async def serve(request: Request) -> Response:
        expected = f"Bearer {forge.control_token}"
        if not hmac.compare_digest(request.headers.get("authorization", ""), expected):
            return JSONResponse({"message": "the control API asks for the control token"}, 401)
        operation = _OPERATIONS.get(request.path_params["operation"])
        if operation is None:
            return JSONResponse({"message": f"operations are {', '.join(sorted(_OPERATIONS))}"}, 404)
        return await run_in_threadpool(_run, forge, operation, json.loads(await request.body() or b"{}"))

    return [Route(f"{CONTROL_PREFIX}{{operation}}", serve, methods=["POST"])]


def _run(forge: Forge, operation: _Operation, body: _Body) -> Response:
    with forge.store.lock:
        try:
            return JSONResponse(operation(forge, body))
        except RefusedError as error:
            return JSONResponse(error.body(), error.status)
        except KeyError as error:
            return JSONResponse({"message": f"the field {error} is missing"}, 422)
        except (ValidationError, GitError, ValueError, re.error) as error:
            return JSONResponse({"message": str(error)}, 422)


def _create_repository(forge: Forge, body: _Body) -> dict[str, Any]:
    owner, _, name = str(body["repository"]).partition("/")
    if not (_NAME.fullmatch(owner) and _NAME.fullmatch(name)) or name.endswith(".git"):
        raise RefusedError(422, f"{body['repository']} is no name of the form owner/name")
    repository = forge.repositories.create(
        owner,
        name,
        files={path: content for path, content in _files(body).items() if content is not None},
        private=bool(body.get("private", True)),
    )
    tip = forge.repositories.git(repository).ref(f"refs/heads/{repository.default_branch}")
    return {"id": repository.id, "sha": tip, "clone_url": f"{forge.base_url}/{repository.full_name}.git"}


def _commit(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    git = forge.repositories.git(repository)
    message = body.get("message", "Change files")
    sha = forge.repositories.commit_files(
        git, body["branch"], _files(body), message=message, login=body.get("login", repository.owner)
    )
    forge.follow(repository)
    return {"sha": sha}


def _files(body: _Body) -> dict[str, bytes | None]:
    files: Mapping[str, str | None] = body.get("files", {})
    return {path: None if content is None else base64.b64decode(content) for path, content in files.items()}


def _create_token(forge: Forge, body: _Body) -> dict[str, Any]:
    repositories = [named_repository(forge, {"repository": name}) for name in body["repositories"]]
    accounts = {repository.owner for repository in repositories}
    if len(accounts) != 1:
        raise RefusedError(422, "a fine-grained token is for one or more repositories of one account")
    login = body["login"]
    forge.repositories.user(login)
    value, token = forge.tokens.create_personal(login, accounts.pop(), repositories, body["permissions"])
    return {"token": value, "id": token.id}


def _install_app(forge: Forge, body: _Body) -> dict[str, Any]:
    names = body.get("repositories")
    repositories = None if names is None else [named_repository(forge, {"repository": name}) for name in names]
    account = body["account"]
    # GitHub knows one installation for each account: a second one replaces what was granted.
    known = [found.id for found in forge.store.all(Installation) if found.account == account]
    installation = Installation(
        id=known[0] if known else forge.store.next_id(),
        account=account,
        repository_ids=None if repositories is None else frozenset(found.id for found in repositories),
        permissions=body["permissions"],
        created_at=now(),
    )
    forge.store.write(installation)
    return {"id": installation.id}


def _revoke_token(forge: Forge, body: _Body) -> dict[str, Any]:
    forge.store.write(_token(forge, body).model_copy(update={"revoked": True}))
    return {}


def _expire_installation(forge: Forge, body: _Body) -> dict[str, Any]:
    tokens = [token for token in forge.store.all(Token) if token.installation_id == body["installation_id"]]
    past = {"expires_at": now() - timedelta(seconds=1)}
    forge.store.write(*(token.model_copy(update=past) for token in tokens))
    return {"expired": len(tokens)}


def _set_rate(forge: Forge, body: _Body) -> dict[str, Any]:
    budget_id = budget_of(_token(forge, body))
    limit, remaining, seconds = int(body["limit"]), int(body["remaining"]), int(body["reset_seconds"])
    resource = str(body.get("resource") or CORE)
    forge.limits.set(budget_id, limit=limit, remaining=remaining, reset_seconds=seconds, resource=resource)
    return {}


def _token(forge: Forge, body: _Body) -> Token:
    token = forge.tokens.find(body["token"])
    if token is None:
        raise RefusedError(404, "the forge never made this token")
    return token


def _protect(forge: Forge, body: _Body) -> dict[str, Any]:
    repository = named_repository(forge, body)
    rules = {key: value for key, value in body.items() if key != "repository"}
    old = find_protection(forge.store, repository, body["branch"])
    number = old.id if old else forge.store.next_id()
    forge.store.write(Protection.model_validate({**rules, "id": number, "repository_id": repository.id}))
    return {}


def _add_fault(forge: Forge, body: _Body) -> dict[str, Any]:
    fault = Fault.model_validate({**body, "id": forge.store.next_id()})
    re.compile(fault.method), re.compile(fault.path)
    forge.store.write(fault)
    return {"id": fault.id}


def _list_faults(forge: Forge, _: _Body) -> dict[str, Any]:
    return {"faults": [fault.model_dump(mode="json") for fault in forge.store.all(Fault)]}


def _clear_faults(forge: Forge, body: _Body) -> dict[str, Any]:
    faults = [fault for fault in forge.store.all(Fault) if body.get("id") in {None, fault.id}]
    forge.store.write(remove=faults)
    return {"cleared": len(faults)}


def _counters(forge: Forge, _: _Body) -> dict[str, Any]:
    pushes: Counter[str] = Counter()
    for repository in forge.store.all(Repository):
        pushes.update(f"{repository.full_name} {push.ref}" for push in forge.repositories.pushes(repository))
    return {**{topic: forge.store.counts(topic) for topic in COUNTER_TOPICS}, "pushes": dict(pushes)}


def _pushes(forge: Forge, body: _Body) -> dict[str, Any]:
    pushes = forge.repositories.pushes(named_repository(forge, body))
    return {"pushes": [{"ref": push.ref, "old": push.old, "new": push.new, "login": push.login} for push in pushes]}


_OPERATIONS: dict[str, _Operation] = {
    "add-fault": _add_fault,
    "clear-faults": _clear_faults,
    "commit": _commit,
    "counters": _counters,
    "create-repository": _create_repository,
    "create-token": _create_token,
    "expire-installation": _expire_installation,
    "install-app": _install_app,
    "list-faults": _list_faults,
    "protect": _protect,
    "pushes": _pushes,
    "revoke-token": _revoke_token,
    "set-rate": _set_rate,
    **ISSUE_OPERATIONS,
    **MERGE_OPERATIONS,
}
