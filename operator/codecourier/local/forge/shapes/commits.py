"""Commits, files, statuses and checks, in GitHub's shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from codecourier.local.forge.checks import suite_outcome
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.git import Commit, FileChange, Signature
from codecourier.local.forge.records import CheckRun, CheckSuite, CommitStatus, Repository
from codecourier.local.forge.shapes.accounts import app_shape, user_shape
from codecourier.local.forge.shapes.values import node_id, stamp

__all__ = ["check_run_shape", "check_suite_shape", "commit_shape", "file_shape", "status_shape"]


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
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        },
        "author": None,
        "committer": None,
        "parents": [
            {"sha": parent, "url": f"{url}/commits/{parent}", "html_url": f"{html_url}/commit/{parent}"}
            for parent in commit.parents
        ],
    }


def file_shape(forge: Forge, repository: Repository, sha: str, change: FileChange) -> dict[str, Any]:
    """Return a changed file as `diff-entry`."""
    url, html_url = _urls(forge, repository)
    path = quote(change.path)
    shape: dict[str, Any] = {
        "sha": change.blob,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{html_url}/blob/{sha}/{path}",
        "raw_url": f"{html_url}/raw/{sha}/{path}",
        "contents_url": f"{url}/contents/{path}?ref={sha}",
    }
    return shape if change.previous_path is None else {**shape, "previous_filename": change.previous_path}


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
        "required": False,
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
        "check_suite": {"id": run.suite_id},
        "app": app_shape(forge),
        "pull_requests": [],
    }


def check_suite_shape(
    forge: Forge, repository: Repository, suite: CheckSuite, runs: Sequence[CheckRun], repository_json: dict[str, Any]
) -> dict[str, Any]:
    """Return a check suite as `check-suite`.

    Parameters
    ----------
    forge
        The forge.
    repository
        The suite's repository.
    suite
        It.
    runs
        Its newest check run of each name.
    repository_json
        The repository's own shape.
    """
    url, _ = _urls(forge, repository)
    commit = forge.repositories.git(repository).commit(suite.sha)
    status, conclusion = suite_outcome(runs)
    return {
        "id": suite.id,
        "node_id": node_id("CheckSuite", suite.id),
        "head_branch": suite.head_branch,
        "head_sha": suite.sha,
        "status": status,
        "conclusion": conclusion,
        "url": f"{url}/check-suites/{suite.id}",
        "before": commit.parents[0] if commit.parents else None,
        "after": suite.sha,
        "pull_requests": [],
        "app": app_shape(forge),
        "repository": repository_json,
        "created_at": stamp(suite.created_at),
        "updated_at": stamp(suite.created_at),
        "head_commit": {
            "id": commit.sha,
            "tree_id": commit.tree,
            "message": commit.message,
            "timestamp": commit.committer.date,
            "author": {"name": commit.author.name, "email": commit.author.email},
            "committer": {"name": commit.committer.name, "email": commit.committer.email},
        },
        "latest_check_runs_count": len(runs),
        "check_runs_url": f"{url}/check-suites/{suite.id}/check-runs",
    }


def _signature(signature: Signature) -> dict[str, str]:
    return {"name": signature.name, "email": signature.email, "date": signature.date}


def _urls(forge: Forge, repository: Repository) -> tuple[str, str]:
    return f"{forge.api_url}/repos/{repository.full_name}", f"{forge.base_url}/{repository.full_name}"
