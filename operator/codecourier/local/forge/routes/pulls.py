"""Pull requests."""

from __future__ import annotations

from codecourier.local.forge.call import Answer, Call, Endpoint, paginate
from codecourier.local.forge.errors import invalid_field
from codecourier.local.forge.records import Pull, now
from codecourier.local.forge.shapes import pull_shape, short_pull_shape

__all__ = ["ENDPOINTS"]


def _list_pulls(call: Call) -> Answer:
    query = call.query
    pulls = [pull for pull in call.forge.store.of_repository(Pull, call.repository.id) if _is_wanted(call, pull)]
    key = query.get("sort", "created")
    if key == "updated":
        pulls.sort(key=lambda pull: pull.updated_at)
    is_descending = query.get("direction", "desc" if key == "created" else "asc") == "desc"
    ordered = pulls[::-1] if is_descending else pulls
    return paginate(call, ordered, lambda pull: short_pull_shape(call.forge, call.repository, pull))


def _is_wanted(call: Call, pull: Pull) -> bool:
    state, head, base = call.query.get("state", "open"), call.query.get("head"), call.query.get("base")
    if state not in {"all", pull.state}:
        return False
    # GitHub ignores a head without an owner.
    if head and ":" in head and head.lower() != f"{call.repository.owner}:{pull.head_ref}".lower():
        return False
    return not base or base == pull.base_ref


def _create_pull(call: Call) -> Answer:
    pull = call.forge.pulls.open(
        call.repository,
        login=call.login,
        title=call.text("title"),
        body=call.optional_text("body"),
        head=call.text("head"),
        base=call.text("base"),
        draft=bool(call.body.get("draft", False)),
    )
    return Answer(pull_shape(call.forge, call.repository, pull), status=201)


def _get_pull(call: Call) -> Answer:
    return Answer(pull_shape(call.forge, call.repository, call.pull))


def _update_pull(call: Call) -> Answer:
    pull = call.pull
    state, base = call.optional_text("state"), call.optional_text("base")
    if state not in {None, "open", "closed"}:
        raise invalid_field("PullRequest", "state")
    if base is not None and base != pull.base_ref:
        pull = call.forge.pulls.retarget(call.repository, pull, base)
    texts = {name: call.optional_text(name) for name in ("title", "body") if name in call.body}
    if texts:
        pull = pull.model_copy(update={**texts, "updated_at": now()})
        call.forge.store.write(pull)
    if state == "closed" and pull.state == "open":
        pull = call.forge.pulls.close(pull)
    elif state == "open" and pull.state == "closed":
        pull = call.forge.pulls.reopen(call.repository, pull)
    return Answer(pull_shape(call.forge, call.repository, pull))


_PULLS = "/repos/{owner}/{repo}/pulls"
_READ, _WRITE = ("pull_requests", "read"), ("pull_requests", "write")

ENDPOINTS = (
    Endpoint("GET", _PULLS, _list_pulls, _READ),
    Endpoint("POST", _PULLS, _create_pull, _WRITE),
    Endpoint("GET", f"{_PULLS}/{{number}}", _get_pull, _READ),
    Endpoint("PATCH", f"{_PULLS}/{{number}}", _update_pull, _WRITE),
)
