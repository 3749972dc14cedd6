"""Stacks of pull requests: https://docs.github.com/rest/pulls/stacks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from codecourier.local.forge.call import Answer, Call, Endpoint, paginate
from codecourier.local.forge.errors import not_found, validation_failed
from codecourier.local.forge.merge_records import Stack
from codecourier.local.forge.records import Pull
from codecourier.local.forge.shapes import node_id, repository_url, short_pull_shape, stamp

__all__ = ["ENDPOINTS"]


def _list_stacks(call: Call) -> Answer:
    stacks, wanted = call.forge.stacks.all(call.repository), call.query.get("pull_request")
    chosen = [stack for stack in stacks if wanted is None or wanted in map(str, stack.pulls)]
    return paginate(call, chosen, lambda stack: _shape(call, stack, _brief))


def _get_stack(call: Call) -> Answer:
    wanted = call.parameters["stack"]
    found = next((stack for stack in call.forge.stacks.all(call.repository) if str(stack.number) == wanted), None)
    if found is None:
        raise not_found()
    return Answer(_shape(call, found, partial(_whole, call)))


def _create_stack(call: Call) -> Answer:
    numbers = call.body.get("pull_requests")
    if not isinstance(numbers, list) or not all(isinstance(number, int) for number in numbers):
        raise validation_failed("PullRequestStack", "pull_requests must be numbers")
    made = call.forge.stacks.create(call.repository, numbers)
    return Answer(_shape(call, made, partial(_whole, call)), status=201)


def _shape(call: Call, stack: Stack, member: Callable[[Pull], dict[str, Any]]) -> dict[str, Any]:
    """Return a stack; what it says of its pull requests differs between a list and a single one."""
    members = call.forge.stacks.members(call.repository, stack)
    return {
        "id": stack.id,
        "number": stack.number,
        "node_id": node_id("PullRequestStack", stack.id),
        "url": f"{repository_url(call.forge, call.repository)}/stacks/{stack.number}",
        "base": {"ref": stack.base_ref},
        "open": any(pull.state == "open" for pull in members),
        "created_at": stamp(stack.created_at),
        "pull_requests": [member(pull) for pull in members],
    }


def _whole(call: Call, pull: Pull) -> dict[str, Any]:
    return short_pull_shape(call.forge, call.repository, pull)


def _brief(pull: Pull) -> dict[str, Any]:
    return {
        "number": pull.number,
        "state": pull.state,
        "draft": pull.draft,
        "merged_at": stamp(pull.merged_at),
        "head": {"ref": pull.head_ref, "sha": pull.head_sha},
    }


_STACKS = "/repos/{owner}/{repo}/stacks"
_READ, _WRITE = ("pull_requests", "read"), ("pull_requests", "write")

ENDPOINTS = (
    Endpoint("GET", _STACKS, _list_stacks, _READ),
    Endpoint("POST", _STACKS, _create_stack, _WRITE),
    Endpoint("GET", f"{_STACKS}/{{stack}}", _get_stack, _READ),
)
