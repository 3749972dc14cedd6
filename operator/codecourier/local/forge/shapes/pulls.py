"""Pull requests, in GitHub's shapes."""

from __future__ import annotations

from typing import Any

from codecourier.local.forge.forge import Forge
from codecourier.local.forge.merging import merge_state
from codecourier.local.forge.pulls import is_mergeable
from codecourier.local.forge.records import Pull, Repository
from codecourier.local.forge.shapes.accounts import node_id, stamp, user_shape
from codecourier.local.forge.shapes.repositories import repository_shape, repository_url

__all__ = ["pull_shape", "short_pull_shape"]


def short_pull_shape(forge: Forge, repository: Repository, pull: Pull) -> dict[str, Any]:
    """Return a pull request of a list as `pull-request-simple`."""
    url = repository_url(forge, repository)
    html_url = f"{forge.base_url}/{repository.full_name}/pull/{pull.number}"
    repository_json = repository_shape(forge, repository)
    return {
        **_addresses(url, html_url, pull),
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "user": user_shape(forge, pull.login),
        "body": pull.body,
        "labels": [],
        "milestone": None,
        "assignee": None,
        "created_at": stamp(pull.created_at),
        "updated_at": stamp(pull.updated_at),
        "closed_at": stamp(pull.closed_at),
        "merged_at": stamp(pull.merged_at),
        "merge_commit_sha": pull.merge_commit_sha,
        "draft": pull.draft,
        "author_association": "COLLABORATOR",
        "auto_merge": None,
        "head": _end(repository, repository_json, pull.head_ref, pull.head_sha),
        "base": _end(repository, repository_json, pull.base_ref, pull.base_sha),
    }


def pull_shape(forge: Forge, repository: Repository, pull: Pull) -> dict[str, Any]:
    """Return one pull request as `pull-request`."""
    git = forge.repositories.git(repository)
    fork_point = git.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha
    additions, deletions, files = git.count_changes(fork_point, pull.head_sha)
    mergeable = is_mergeable(git, pull) if pull.state == "open" else None
    return {
        **short_pull_shape(forge, repository, pull),
        "merged": pull.merged_at is not None,
        "merged_by": user_shape(forge, pull.merged_by) if pull.merged_by else None,
        "mergeable": mergeable,
        "mergeable_state": merge_state(forge.store, git, repository, pull, mergeable=bool(mergeable)),
        "maintainer_can_modify": False,
        "comments": 0,
        "review_comments": 0,
        "commits": int(git.text("rev-list", "--count", f"{fork_point}..{pull.head_sha}")),
        "additions": additions,
        "deletions": deletions,
        "changed_files": files,
    }


def _end(repository: Repository, repository_json: dict[str, Any], branch: str, sha: str) -> dict[str, Any]:
    return {
        "label": f"{repository.owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": repository_json["owner"],
        "repo": repository_json,
    }


def _addresses(url: str, html_url: str, pull: Pull) -> dict[str, Any]:
    pull_url, issue_url = f"{url}/pulls/{pull.number}", f"{url}/issues/{pull.number}"
    links = {
        "self": pull_url,
        "html": html_url,
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{pull_url}/comments",
        "review_comment": f"{url}/pulls/comments{{/number}}",
        "commits": f"{pull_url}/commits",
        "statuses": f"{url}/statuses/{pull.head_sha}",
    }
    named = {f"{name}_url": link for name, link in links.items() if name not in {"self", "html"}}
    return {
        **named,
        "url": pull_url,
        "html_url": html_url,
        "diff_url": f"{html_url}.diff",
        "patch_url": f"{html_url}.patch",
        "_links": {name: {"href": link} for name, link in links.items()},
    }
