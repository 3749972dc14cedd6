"""Commits, their statuses, check suites and check runs."""

from __future__ import annotations

from typing import get_args

from codecourier.local.forge.call import Answer, Call, Endpoint, paginate
from codecourier.local.forge.check_shapes import check_run_shape, check_suite_shape, status_shape
from codecourier.local.forge.checks import app_id, combined_state, latest_runs, latest_statuses, suites_at
from codecourier.local.forge.errors import RefusedError, invalid_field, not_accessible, not_found
from codecourier.local.forge.records import CheckRun, CheckSuite, CommitStatus, now
from codecourier.local.forge.shapes import (
    commit_shape,
    node_id,
    repository_shape,
    repository_url,
    signature_shape,
)

__all__ = ["ENDPOINTS"]

_STATES = get_args(CommitStatus.model_fields["state"].annotation)
_RUN_STATES = get_args(CheckRun.model_fields["status"].annotation)


def _create_status(call: Call) -> Answer:
    sha, state = call.commit_sha(call.parameters["sha"]), call.text("state")
    if state not in _STATES:
        raise invalid_field("Status", "state")
    status = CommitStatus.model_validate(
        {
            "id": call.forge.store.next_id(),
            "repository_id": call.repository.id,
            "sha": sha,
            "state": state,
            "context": call.optional_text("context") or "default",
            "description": call.optional_text("description"),
            "target_url": call.optional_text("target_url"),
            "login": call.login,
            "created_at": now(),
        }
    )
    call.forge.store.write(status)
    return Answer(status_shape(call.forge, call.repository, status), status=201)


def _get_combined_status(call: Call) -> Answer:
    sha = call.commit_sha(call.parameters["revision"])
    statuses = latest_statuses(call.forge.store, call.repository, sha)
    url = repository_url(call.forge, call.repository)
    rest = {
        "state": combined_state(status.state for status in statuses),
        "sha": sha,
        "total_count": len(statuses),
        "repository": repository_shape(call.forge, call.repository),
        "commit_url": f"{url}/commits/{sha}",
        "url": f"{url}/commits/{sha}/status",
    }
    return paginate(
        call,
        statuses,
        lambda status: status_shape(call.forge, call.repository, status),
        wrap=lambda page: {**rest, "statuses": page},
    )


def _create_check_run(call: Call) -> Answer:
    _check_for_app(call)
    sha = call.commit_sha(call.text("head_sha"))
    run = call.forge.checks.create_run(call.repository, sha=sha, name=call.text("name"), app=call.forge.app.slug)
    return Answer(_change_run(call, run), status=201)


def _update_check_run(call: Call) -> Answer:
    _check_for_app(call)
    number = call.parameters["id"]
    run = call.forge.store.get(CheckRun, int(number)) if number.isdecimal() else None
    if run is None or run.repository_id != call.repository.id:
        raise not_found()
    return Answer(_change_run(call, run))


def _change_run(call: Call, run: CheckRun) -> dict[str, object]:
    """Store a check run with the changes in the request, and return its shape."""
    conclusion = call.optional_text("conclusion")
    status = "completed" if conclusion else call.optional_text("status") or run.status
    if status not in _RUN_STATES:
        raise invalid_field("CheckRun", "status")
    output = call.body.get("output") or {}
    changes: dict[str, object] = {
        "status": status,
        "conclusion": conclusion or run.conclusion,
        "completed_at": now() if status == "completed" else None,
        "external_id": call.optional_text("external_id") or run.external_id,
        "details_url": call.optional_text("details_url") or run.details_url,
        "title": output.get("title", run.title),
        "summary": output.get("summary", run.summary),
        "text": output.get("text", run.text),
    }
    if status == "completed" and changes["conclusion"] is None:
        raise RefusedError(422, 'Invalid request.\n\n"conclusion" wasn\'t supplied.')
    try:
        changed = CheckRun.model_validate({**run.model_dump(), **changes})
    except ValueError as error:
        raise invalid_field("CheckRun", "conclusion") from error
    call.forge.store.write(changed)
    return check_run_shape(call.forge, call.repository, changed)


def _list_check_runs(call: Call) -> Answer:
    sha = call.commit_sha(call.parameters["revision"])
    if call.query.get("filter") == "all":
        found = [run for run in call.forge.store.of_repository(CheckRun, call.repository.id) if run.sha == sha]
    else:
        found = latest_runs(call.forge.store, call.repository, sha)
    suites = {suite.id for suite in _suites(call, sha)}
    runs = [run for run in found if run.suite_id in suites and _is_wanted(call, run)]
    return paginate(
        call,
        runs,
        lambda run: check_run_shape(call.forge, call.repository, run),
        wrap=lambda page: {"total_count": len(runs), "check_runs": page},
    )


def _list_check_suites(call: Call) -> Answer:
    sha = call.commit_sha(call.parameters["revision"])
    runs = [run for run in latest_runs(call.forge.store, call.repository, sha) if _is_wanted(call, run)]
    suites = _suites(call, sha)
    if "check_name" in call.query:
        suites = [suite for suite in suites if suite.id in {run.suite_id for run in runs}]
    return paginate(
        call,
        suites,
        lambda suite: check_suite_shape(call.forge, call.repository, suite),
        wrap=lambda page: {"total_count": len(suites), "check_suites": page},
    )


def _suites(call: Call, sha: str) -> list[CheckSuite]:
    """Return the suites at a commit of the App that the query names, or of all."""
    wanted = call.query.get("app_id")
    suites = suites_at(call.forge.store, call.repository, sha)
    return [suite for suite in suites if wanted in {None, str(app_id(suite.app, call.forge.app.slug))}]


def _is_wanted(call: Call, run: CheckRun) -> bool:
    name, status = call.query.get("check_name"), call.query.get("status")
    return name in {None, run.name} and status in {None, run.status}


def _get_commit(call: Call) -> Answer:
    return Answer(commit_shape(call.forge, call.repository, call.git.commit(_existing(call, "revision"))))


def _get_git_commit(call: Call) -> Answer:
    commit = call.git.commit(_existing(call, "sha"))
    shape = commit_shape(call.forge, call.repository, commit)
    return Answer(
        {
            "sha": commit.sha,
            "node_id": node_id("Commit", commit.sha),
            "url": shape["commit"]["url"],
            "html_url": shape["html_url"],
            "author": signature_shape(commit.author),
            "committer": signature_shape(commit.committer),
            "tree": shape["commit"]["tree"],
            "message": commit.message,
            "parents": shape["parents"],
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        }
    )


def _existing(call: Call, parameter: str) -> str:
    """Return the commit that the path names; of Git's own objects only a whole SHA is one."""
    wanted = call.parameters[parameter]
    if parameter == "sha" and call.git.object_type(wanted) != "commit":
        raise not_found()
    return call.commit_sha(wanted)


def _check_for_app(call: Call) -> None:
    if call.principal is None or call.principal.holder != "installation":
        raise not_accessible("personal")


_REPOSITORY = "/repos/{owner}/{repo}"
_COMMIT = f"{_REPOSITORY}/commits/{{revision:path}}"

ENDPOINTS = (
    Endpoint("GET", f"{_COMMIT}/status", _get_combined_status, ("statuses", "read")),
    Endpoint("GET", f"{_COMMIT}/check-runs", _list_check_runs, ("checks", "read")),
    Endpoint("GET", f"{_COMMIT}/check-suites", _list_check_suites, ("checks", "read")),
    Endpoint("GET", _COMMIT, _get_commit, ("contents", "read")),
    Endpoint("GET", f"{_REPOSITORY}/git/commits/{{sha}}", _get_git_commit, ("contents", "read")),
    Endpoint("POST", f"{_REPOSITORY}/statuses/{{sha}}", _create_status, ("statuses", "write")),
    Endpoint("POST", f"{_REPOSITORY}/check-runs", _create_check_run, ("checks", "write")),
    Endpoint("PATCH", f"{_REPOSITORY}/check-runs/{{id}}", _update_check_run, ("checks", "write")),
)
