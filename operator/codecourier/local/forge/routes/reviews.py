"""Reviews of pull requests, comments on their lines, and what users may do.

https://docs.github.com/rest/pulls/reviews, https://docs.github.com/rest/pulls/comments and
https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from codecourier.local.forge.call import Answer, Call, Endpoint, paginate
from codecourier.local.forge.errors import RefusedError, not_found, validation_failed
from codecourier.local.forge.gates import permission_of
from codecourier.local.forge.merge_records import Review, ReviewComment
from codecourier.local.forge.records import User
from codecourier.local.forge.shapes import node_id, repository_url, stamp, user_shape

__all__ = ["ENDPOINTS"]

_EVENTS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}

_RIGHTS = {
    level: {"pull": rank > 0, "triage": rank > 1, "push": rank > 1, "maintain": is_admin, "admin": is_admin}
    for level, rank, is_admin in (("none", 0, False), ("read", 1, False), ("write", 2, False), ("admin", 3, True))
}
"""What each level lets a user do."""

_ASSOCIATIONS = {"write": "COLLABORATOR", "read": "COLLABORATOR", "none": "NONE"}


def _list_reviews(call: Call) -> Answer:
    return paginate(call, call.forge.reviews.reviews(call.repository, call.pull), lambda review: _shape(call, review))


def _create_review(call: Call) -> Answer:
    pull, event = call.pull, call.optional_text("event")
    if event not in _EVENTS:
        raise RefusedError(422, f"Invalid request.\n\nevent is not a member of [{', '.join(_EVENTS)}].")
    if event != "COMMENT" and call.login == pull.login:
        what = "approve" if event == "APPROVE" else "request changes on"
        raise validation_failed("PullRequestReview", f"Can not {what} your own pull request")
    body, comments = call.optional_text("body") or "", call.body.get("comments") or []
    if event != "APPROVE" and not (body or comments):
        raise RefusedError(422, 'Invalid request.\n\n"body" wasn\'t supplied.')
    try:
        review = call.forge.reviews.submit(
            call.repository, pull, login=call.login, state=_EVENTS[event], body=body, comments=comments
        )
    except (KeyError, ValueError) as error:
        raise RefusedError(422, "Invalid request.\n\ncomments have a path and a body.") from error
    return Answer(_shape(call, review))


def _list_comments(call: Call) -> Answer:
    comments = call.forge.reviews.comments(call.repository, call.pull)
    if "since" in call.query:
        since = datetime.fromisoformat(call.query["since"])
        comments = [comment for comment in comments if comment.created_at >= since]
    if call.query.get("sort") in {"created", "updated"} and call.query.get("direction") == "desc":
        comments.reverse()
    return paginate(call, comments, lambda comment: _comment_shape(call, comment))


def _get_permission(call: Call) -> Answer:
    login = call.parameters["username"]
    if not any(user.login == login for user in call.forge.store.all(User)):
        raise not_found()
    permission = permission_of(call.forge.store, call.repository, login)
    user = {**user_shape(call.forge, login), "role_name": permission, "permissions": _RIGHTS[permission]}
    return Answer({"permission": permission, "role_name": permission, "user": user})


def _association(call: Call, login: str) -> str:
    if login == call.repository.owner:
        return "OWNER"
    return _ASSOCIATIONS.get(permission_of(call.forge.store, call.repository, login), "COLLABORATOR")


def _shape(call: Call, review: Review) -> dict[str, Any]:
    """Return a review as `pull-request-review`."""
    pull_url = f"{repository_url(call.forge, call.repository)}/pulls/{review.number}"
    html_url = f"{call.forge.base_url}/{call.repository.full_name}/pull/{review.number}#pullrequestreview-{review.id}"
    return {
        "id": review.id,
        "node_id": node_id("PullRequestReview", review.id),
        "user": user_shape(call.forge, review.login),
        "body": review.body,
        "state": review.state,
        "html_url": html_url,
        "pull_request_url": pull_url,
        "_links": {"html": {"href": html_url}, "pull_request": {"href": pull_url}},
        "submitted_at": stamp(review.submitted_at),
        "commit_id": review.sha,
        "author_association": _association(call, review.login),
    }


def _comment_shape(call: Call, comment: ReviewComment) -> dict[str, Any]:
    """Return a comment on a line as `pull-request-review-comment`."""
    base = repository_url(call.forge, call.repository)
    url, pull_url = f"{base}/pulls/comments/{comment.id}", f"{base}/pulls/{comment.number}"
    html_url = f"{call.forge.base_url}/{call.repository.full_name}/pull/{comment.number}#discussion_r{comment.id}"
    links = {"self": url, "html": html_url, "pull_request": pull_url}
    return {
        "id": comment.id,
        "node_id": node_id("PullRequestReviewComment", comment.id),
        "pull_request_review_id": comment.review_id,
        "url": url,
        "html_url": html_url,
        "pull_request_url": pull_url,
        "diff_hunk": "",
        "path": comment.path,
        "line": comment.line,
        "original_line": comment.line,
        "side": "RIGHT",
        "commit_id": comment.sha,
        "original_commit_id": comment.sha,
        "user": user_shape(call.forge, comment.login),
        "body": comment.body,
        "created_at": stamp(comment.created_at),
        "updated_at": stamp(comment.created_at),
        "author_association": _association(call, comment.login),
        "_links": {name: {"href": link} for name, link in links.items()},
    }


_REPOSITORY = "/repos/{owner}/{repo}"
_PULL = f"{_REPOSITORY}/pulls/{{number}}"
_READ, _WRITE = ("pull_requests", "read"), ("pull_requests", "write")

ENDPOINTS = (
    Endpoint("GET", f"{_PULL}/reviews", _list_reviews, _READ),
    Endpoint("POST", f"{_PULL}/reviews", _create_review, _WRITE),
    Endpoint("GET", f"{_PULL}/comments", _list_comments, _READ),
    Endpoint("GET", f"{_REPOSITORY}/collaborators/{{username}}/permission", _get_permission, ("metadata", "read")),
)
