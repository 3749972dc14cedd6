"""Commits, statuses and check runs, in GitHub's shapes."""

from __future__ import annotations

from typing import Any

from codecourier.local.forge.forge import Forge
from codecourier.local.forge.git import Commit, Signature
from codecourier.local.forge.records import CheckRun, CommitStatus, Repository
from codecourier.local.forge.shapes.accounts import node_id, stamp, user_shape

__all__ = ["check_run_shape", "commit_shape", "status_shape"]


def commit_shape(forge: Forge, repository: Repository, commit: Commit) -> dict[str, Any]:
    """Return a commit as `commit`."""
    url, html_url = _urls(forge, repository)
    return {
        "url": f"{url}/commits/{commit.sha}",
        "sha": commit.sha,
        "node_id": node_id("Commit", commit.sha),
        "html_url": f"{html_url}/commit/{commit.sha}",
        "comments_url": f"{url}/commits/{commit.sha}/comments",
        "commit": {
            "url": f"{url}/git/commits/{commit.sha}",
            "author": _signature(commit.author),
            "committer": _signature(commit.committer),
            "message": commit.message,
            "comment_count": 0,
            "tree": {"sha": commit.tree, "url": f"{url}/git/trees/{commit.tree}"},
        },
        "author": None,
        "committer": None,
        "parents": [
            {"sha": parent, "url": f"{url}/commits/{parent}", "html_url": f"{html_url}/commit/{parent}"}
            for parent in commit.parents
        ],
    }


def status_shape(forge: Forge, repository: Repository, status: CommitStatus) -> dict[str, Any]:
    """Return a commit status as `status`, which is a `simple-commit-status` too."""
    url, _ = _urls(forge, repository)
    creator = user_shape(forge, status.login)
    return {
        "url": f"{url}/statuses/{status.sha}",
        "avatar_url": creator["avatar_url"],
        "id": status.id,
        "node_id": node_id("StatusContext", status.id),
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": stamp(status.created_at),
        "updated_at": stamp(status.created_at),
        "creator": creator,
    }


def check_run_shape(forge: Forge, repository: Repository, run: CheckRun) -> dict[str, Any]:
    """Return a check run as `check-run`."""
    url, html_url = _urls(forge, repository)
    return {
        "id": run.id,
        "node_id": node_id("CheckRun", run.id),
        "head_sha": run.sha,
        "external_id": run.external_id,
        "url": f"{url}/check-runs/{run.id}",
        "html_url": f"{html_url}/runs/{run.id}",
        "details_url": run.details_url,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": stamp(run.started_at),
        "completed_at": stamp(run.completed_at),
        "output": {
            "title": run.title,
            "summary": run.summary,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{url}/check-runs/{run.id}/annotations",
        },
        "name": run.name,
        "check_suite": None,
        "app": None,
        "pull_requests": [],
    }


def _signature(signature: Signature) -> dict[str, str]:
    return {"name": signature.name, "email": signature.email, "date": signature.date}


def _urls(forge: Forge, repository: Repository) -> tuple[str, str]:
    return f"{forge.api_url}/repos/{repository.full_name}", f"{forge.base_url}/{repository.full_name}"
