"""Issues and comments in GitHub's shapes."""

from __future__ import annotations

from typing import Any

from codecourier.local.forge.forge import Forge
from codecourier.local.forge.records import Comment, Issue, Pull, Repository
from codecourier.local.forge.shapes import node_id, repository_url, stamp, user_shape

__all__ = ["comment_shape", "issue_shape"]


def issue_shape(forge: Forge, repository: Repository, issue: Issue | Pull) -> dict[str, Any]:
    """Return an issue, or a pull request as one, as `issue`."""
    url = f"{repository_url(forge, repository)}/issues/{issue.number}"
    is_pull = isinstance(issue, Pull)
    html_url = f"{forge.base_url}/{repository.full_name}/{'pull' if is_pull else 'issues'}/{issue.number}"
    shape = {
        "id": issue.id,
        "node_id": node_id("Issue", issue.id),
        "number": issue.number,
        "url": url,
        "repository_url": repository_url(forge, repository),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": html_url,
        "state": issue.state,
        "locked": isinstance(issue, Issue) and issue.locked,
        "title": issue.title,
        "body": issue.body,
        "user": _author(forge, issue.login),
        "labels": [],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": len(forge.issues.comments(repository, issue.number)),
        "created_at": stamp(issue.created_at),
        "updated_at": stamp(issue.updated_at),
        "closed_at": stamp(issue.closed_at),
        "author_association": "COLLABORATOR",
    }
    return {**shape, "pull_request": _pull_links(forge, repository, issue)} if is_pull else shape


def comment_shape(forge: Forge, repository: Repository, comment: Comment) -> dict[str, Any]:
    """Return a comment as `issue-comment`."""
    url = f"{repository_url(forge, repository)}/issues"
    page = f"{forge.base_url}/{repository.full_name}/issues/{comment.number}"
    return {
        "id": comment.id,
        "node_id": node_id("IssueComment", comment.id),
        "url": f"{url}/comments/{comment.id}",
        "html_url": f"{page}#issuecomment-{comment.id}",
        "issue_url": f"{url}/{comment.number}",
        "user": _author(forge, comment.login),
        "body": comment.body,
        "created_at": stamp(comment.created_at),
        "updated_at": stamp(comment.updated_at),
        "author_association": "COLLABORATOR",
    }


def _author(forge: Forge, login: str | None) -> dict[str, Any] | None:
    return None if login is None else user_shape(forge, login)


def _pull_links(forge: Forge, repository: Repository, pull: Issue | Pull) -> dict[str, str]:
    html_url = f"{forge.base_url}/{repository.full_name}/pull/{pull.number}"
    return {
        "url": f"{repository_url(forge, repository)}/pulls/{pull.number}",
        "html_url": html_url,
        "diff_url": f"{html_url}.diff",
        "patch_url": f"{html_url}.patch",
    }
