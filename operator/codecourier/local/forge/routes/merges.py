"""Merges of pull requests, at once and in the background.

https://docs.github.com/rest/pulls/pulls#merge-a-pull-request and what follows it there.
"""

from __future__ import annotations

from typing import Any, get_args

from codecourier.local.forge.call import Answer, Call, Endpoint
from codecourier.local.forge.errors import RefusedError, not_found
from codecourier.local.forge.merge_records import MergeMethod, MergeOrder, MergeRequest

__all__ = ["ENDPOINTS"]

_METHODS = get_args(MergeMethod)
_ACTIONS = ("default", "direct_merge", "merge_queue")


def _is_merged(call: Call) -> Answer:
    if call.pull.merged_at is None:
        raise not_found()
    return Answer(status=204)


def _merge(call: Call) -> Answer:
    call.forge.stacks.check_direct(call.repository, call.pull)
    sha = call.forge.merges.merge(call.repository, call.pull, _order(call))
    call.forge.follow(call.repository)
    return Answer({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def _submit(call: Call) -> Answer:
    _check_offered(call)
    pull, order = call.pull, _order(call)
    action = call.optional_text("merge_action") or "default"
    if action not in _ACTIONS:
        raise RefusedError(422, f"Invalid request.\n\nmerge_action is not a member of [{', '.join(_ACTIONS)}].")
    pending = call.forge.async_merges.pending(call.repository, pull)
    if pending is not None:
        known = pending.model_copy(update={"message": "A merge request already exists for this pull request."})
        return Answer(_result(known), status=409)
    if pull.merged_at is not None:
        details = {"message": "Pull request is already merged.", "sha": pull.merge_commit_sha}
        return Answer({"status": "merged", "details": details})
    if call.forge.queues.find(call.repository, pull) is not None:
        return Answer({"status": "enqueued", "details": {"message": "Pull request is already in the merge queue."}})
    if pull.state == "closed" or pull.draft:
        message = "Pull request is closed." if pull.state == "closed" else "Pull request is a draft."
        return Answer({"status": "failed", "details": {"message": message}}, status=400)
    return Answer(_result(call.forge.async_merges.submit(call.repository, pull, order, action)), status=202)


def _poll(call: Call) -> Answer:
    _check_offered(call)
    found = call.forge.async_merges.poll(call.repository, call.pull.number, call.parameters["uuid"])
    if found is None:
        raise not_found()
    return Answer(_result(found))


def _check_offered(call: Call) -> None:
    if not call.repository.has_async_merges:
        raise not_found()


def _order(call: Call) -> MergeOrder:
    method = call.optional_text("merge_method") or "merge"
    if method not in _METHODS:
        raise RefusedError(422, f"Invalid request.\n\nmerge_method is not a member of [{', '.join(_METHODS)}].")
    return MergeOrder.model_validate(
        {
            "method": method,
            "expected_sha": call.optional_text("sha"),
            "title": call.optional_text("commit_title"),
            "message": call.optional_text("commit_message"),
            "login": call.login,
            "may_change_workflows": call.may("workflows", "write"),
        }
    )


def _result(request: MergeRequest) -> dict[str, Any]:
    """Return a request as `pull-request-merge-async-result`."""
    details: dict[str, Any] = {"message": request.message}
    if request.status == "pending":
        details |= {
            "uuid": request.uuid,
            "merge_method": request.order.method,
            "merge_action": request.action,
            "expected_head_sha": request.order.expected_sha,
        }
    elif request.status == "merged":
        details["sha"] = request.sha
    return {"status": request.status, "details": details}


_PULL = "/repos/{owner}/{repo}/pulls/{number}"
_READ, _WRITE = ("pull_requests", "read"), ("contents", "write")

ENDPOINTS = (
    Endpoint("GET", f"{_PULL}/merge", _is_merged, ("contents", "read")),
    Endpoint("PUT", f"{_PULL}/merge", _merge, _WRITE),
    Endpoint("PUT", f"{_PULL}/merge-async", _submit, _WRITE),
    Endpoint("GET", f"{_PULL}/merge-async/{{uuid}}", _poll, _READ),
)
