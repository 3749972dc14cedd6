"""Issues, and comments on issues and pull requests."""

from __future__ import annotations

from datetime import datetime

from codecourier.local.forge.call import Answer, Call, Endpoint, paginate
from codecourier.local.forge.errors import RefusedError, not_found
from codecourier.local.forge.issue_shapes import comment_shape, issue_shape
from codecourier.local.forge.records import Comment, Issue, Pull, Repository

__all__ = ["ENDPOINTS"]

_LONGEST_BODY = 65536


def _get_issue(call: Call) -> Answer:
    return Answer(issue_shape(call.forge, call.repository, _issue(call)))


def _list_comments(call: Call) -> Answer:
    issue, since = _issue(call), _since(call)
    comments = [
        comment
        for comment in call.forge.issues.comments(call.repository, issue.number)
        if since is None or comment.updated_at >= since
    ]
    return paginate(call, comments, lambda comment: comment_shape(call.forge, call.repository, comment))


def _create_comment(call: Call) -> Answer:
    issue = _issue(call)
    made = call.forge.issues.comment(call.repository, issue.number, login=call.login, body=_body(call))
    return Answer(comment_shape(call.forge, call.repository, made), status=201)


def _get_comment(call: Call) -> Answer:
    return Answer(comment_shape(call.forge, call.repository, _comment(call)))


def _update_comment(call: Call) -> Answer:
    changed = call.forge.issues.edit(call.repository, _comment(call), _body(call))
    return Answer(comment_shape(call.forge, call.repository, changed))


def _delete_comment(call: Call) -> Answer:
    call.forge.store.write(remove=[_comment(call)])
    return Answer(status=204)


def _body(call: Call) -> str:
    body = call.text("body")
    if len(body) > _LONGEST_BODY:
        raise RefusedError(422, f"Validation Failed: body is too long (maximum is {_LONGEST_BODY} characters)")
    return body


def _since(call: Call) -> datetime | None:
    text = call.query.get("since")
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError as error:
        raise RefusedError(422, "Invalid request.\n\nsince is not a timestamp.") from error


def _comment(call: Call) -> Comment:
    number = call.parameters["id"]
    if not number.isdecimal():
        raise not_found()
    comment = call.forge.issues.find_comment(call.repository, int(number))
    if call.forge.pulls.find(call.repository, comment.number) is None:
        _check_enabled(call)
    return comment


def _check_enabled(call: Call) -> None:
    if not call.repository.has_issues:
        raise RefusedError(410, "Issues are disabled for this repo")


def _issue(call: Call) -> Issue | Pull:
    """Return the issue in the path, or the pull request, which is one too."""
    text = call.parameters["number"]
    number = int(text) if text.isdecimal() else 0
    pull = call.forge.pulls.find(call.repository, number)
    if pull is not None:
        return pull
    _check_enabled(call)
    issue = call.forge.issues.find(call.repository, number)
    if issue is None:
        raise not_found()
    if issue.is_deleted:
        raise RefusedError(410, "This issue was deleted")
    if issue.transferred_to:
        raise _moved(call, issue)
    return issue


def _moved(call: Call, issue: Issue) -> RefusedError:
    """Return the redirect to where an issue was transferred, if the sender sees that repository."""
    store = call.forge.store
    moved = store.get(Issue, issue.transferred_to)
    target = None if moved is None else store.get(Repository, moved.repository_id)
    is_seen = target is not None and (call.principal.sees(target) if call.principal else not target.private)
    if moved is None or target is None or not is_seen:
        return not_found()
    location = f"{call.forge.api_url}/repositories/{target.id}/issues/{moved.number}"
    return RefusedError(301, "Moved Permanently", headers={"location": location})


_ISSUES = "/repos/{owner}/{repo}/issues"
_READ, _WRITE = ("issues", "read"), ("issues", "write")

ENDPOINTS = (
    Endpoint("GET", f"{_ISSUES}/comments/{{id}}", _get_comment, _READ),
    Endpoint("PATCH", f"{_ISSUES}/comments/{{id}}", _update_comment, _WRITE),
    Endpoint("DELETE", f"{_ISSUES}/comments/{{id}}", _delete_comment, _WRITE),
    Endpoint("GET", f"{_ISSUES}/{{number}}/comments", _list_comments, _READ),
    Endpoint("POST", f"{_ISSUES}/{{number}}/comments", _create_comment, _WRITE),
    Endpoint("GET", f"{_ISSUES}/{{number}}", _get_issue, _READ),
)
