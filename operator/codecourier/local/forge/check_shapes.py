"""Statuses, check suites and check runs in GitHub's shapes."""

from __future__ import annotations

from typing import Any

from codecourier.local.forge.checks import app_id, latest_runs, suite_state
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.records import CheckRun, CheckSuite, CommitStatus, Pull, Repository
from codecourier.local.forge.shapes import node_id, repository_shape, repository_url, stamp, user_shape

__all__ = ["app_shape", "check_run_shape", "check_suite_shape", "minimal_pull_shape", "status_shape"]

_EPOCH = "2026-01-01T00:00:00Z"
"""When every App was made."""


def status_shape(forge: Forge, repository: Repository, status: CommitStatus) -> dict[str, Any]:
    """Return a commit status as `status`, which is a `simple-commit-status` too."""
    url = repository_url(forge, repository)
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


def app_shape(forge: Forge, slug: str) -> dict[str, Any]:
    """Return an App as `integration`."""
    number = app_id(slug, forge.app.slug)
    return {
        "id": number,
        "slug": slug,
        "node_id": node_id("App", number),
        "owner": user_shape(forge, forge.app.owner),
        "name": slug,
        "description": None,
        "external_url": forge.base_url,
        "html_url": f"{forge.base_url}/apps/{slug}",
        "created_at": _EPOCH,
        "updated_at": _EPOCH,
        "permissions": {"checks": "write", "metadata": "read"},
        "events": [],
    }


def check_run_shape(forge: Forge, repository: Repository, run: CheckRun) -> dict[str, Any]:
    """Return a check run as `check-run`."""
    url, html_url = repository_url(forge, repository), f"{forge.base_url}/{repository.full_name}"
    suite = forge.store.get(CheckSuite, run.suite_id)
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
            "text": run.text,
            "annotations_count": 0,
            "annotations_url": f"{url}/check-runs/{run.id}/annotations",
        },
        "name": run.name,
        "check_suite": {"id": run.suite_id},
        "app": app_shape(forge, suite.app if suite else forge.app.slug),
        "pull_requests": _pulls_at(forge, repository, run.sha),
    }


def check_suite_shape(forge: Forge, repository: Repository, suite: CheckSuite) -> dict[str, Any]:
    """Return a check suite as `check-suite`."""
    url = f"{repository_url(forge, repository)}/check-suites/{suite.id}"
    runs = [run for run in latest_runs(forge.store, repository, suite.sha) if run.suite_id == suite.id]
    status, conclusion = suite_state(runs)
    git = forge.repositories.git(repository)
    commit = git.commit(suite.sha)
    branches = [name.removeprefix("refs/heads/") for name, sha in git.refs("refs/heads/").items() if sha == suite.sha]
    ends = [run.completed_at for run in runs if run.completed_at is not None]
    return {
        "id": suite.id,
        "node_id": node_id("CheckSuite", suite.id),
        "head_branch": branches[0] if branches else None,
        "head_sha": suite.sha,
        "status": status,
        "conclusion": conclusion,
        "url": url,
        "before": commit.parents[0] if commit.parents else None,
        "after": suite.sha,
        "pull_requests": _pulls_at(forge, repository, suite.sha),
        "app": app_shape(forge, suite.app),
        "repository": repository_shape(forge, repository),
        "created_at": stamp(suite.created_at),
        "updated_at": stamp(max(ends, default=suite.created_at)),
        "head_commit": {
            "id": commit.sha,
            "tree_id": commit.tree,
            "message": commit.message,
            "timestamp": commit.committer.date,
            "author": {"name": commit.author.name, "email": commit.author.email},
            "committer": {"name": commit.committer.name, "email": commit.committer.email},
        },
        "latest_check_runs_count": len(runs),
        "check_runs_url": f"{url}/check-runs",
    }


def minimal_pull_shape(forge: Forge, repository: Repository, pull: Pull) -> dict[str, Any]:
    """Return a pull request as `pull-request-minimal`."""
    url = repository_url(forge, repository)
    place = {"id": repository.id, "url": url, "name": repository.name}
    return {
        "id": pull.id,
        "number": pull.number,
        "url": f"{url}/pulls/{pull.number}",
        "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": place},
        "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": place},
    }


def _pulls_at(forge: Forge, repository: Repository, sha: str) -> list[dict[str, Any]]:
    pulls = forge.store.of_repository(Pull, repository.id)
    return [
        minimal_pull_shape(forge, repository, pull) for pull in pulls if pull.state == "open" and pull.head_sha == sha
    ]
