"""Commits, statuses, check runs and check suites."""

from __future__ import annotations

from typing import get_args

from codecourier.local.forge.call import Answer, Call, Endpoint, paginate
from codecourier.local.forge.checks import combined_state, latest_runs, latest_statuses, suite_for
from codecourier.local.forge.errors import ForgeError, invalid_field, not_accessible, not_found
from codecourier.local.forge.records import CheckRun, CheckSuite, CommitStatus, now
from codecourier.local.forge.shapes.commits import (
    check_run_shape,
    check_suite_shape,
    commit_shape,
    file_shape,
    status_shape,
)
from codecourier.local.forge.shapes.repositories import repository_shape, repository_url

__all__ = ["ENDPOINTS", "record_check_run", "record_status"]

_STATES = get_args(CommitStatus.model_fields["state"].annotation)
_RUN_STATES = get_args(CheckRun.model_fields["status"].annotation)


def _list_commits(call: Call) -> Answer:
    start = call.query.get("sha") or call.repository.default_branch
    sha = call.git.resolve(start)
    if sha is None:
        raise not_found()
    path = call.query.get("path")
    commits = call.git.commits(sha, paths=[path] if path else [])
    return paginate(call, commits, lambda commit: commit_shape(call.forge, call.repository, commit))


def _get_commit(call: Call) -> Answer:
    sha = call.commit_sha(call.parameters["revision"])
    commit = call.git.commit(sha)
    changes = call.git.changes(commit.parents[0] if commit.parents else call.git.empty_tree(), sha)
    additions, deletions = sum(change.additions for change in changes), sum(change.deletions for change in changes)
    shape = commit_shape(call.forge, call.repository, commit)
    shape["stats"] = {"additions": additions, "deletions": deletions, "total": additions + deletions}
    shape["files"] = [file_shape(call.forge, call.repository, sha, change) for change in changes]
    return Answer(shape)


def _create_status(call: Call) -> Answer:
    sha = call.commit_sha(call.parameters["sha"])
    return Answer(status_shape(call.forge, call.repository, record_status(call, sha)), status=201)


def record_status(call: Call, sha: str) -> CommitStatus:
    """Store a commit status from a request's body.

    Raises
    ------
    ForgeError
        422 for an unknown state.
    """
    state = call.text("state")
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
    call.forge.store.write(status, counts=[("statuses_created", call.repository.full_name)])
    return status


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


def _list_statuses(call: Call) -> Answer:
    sha = call.commit_sha(call.parameters["revision"])
    found = call.forge.store.of_repository(CommitStatus, call.repository.id)
    statuses = [status for status in reversed(found) if status.sha == sha]
    return paginate(call, statuses, lambda status: status_shape(call.forge, call.repository, status))


def _create_check_run(call: Call) -> Answer:
    _only_apps(call)
    run = record_check_run(call, call.commit_sha(call.text("head_sha")))
    return Answer(check_run_shape(call.forge, call.repository, run), status=201)


def record_check_run(call: Call, sha: str) -> CheckRun:
    """Store a check run, and the suite it needs, from a request's body.

    Raises
    ------
    ForgeError
        422 for an unknown status or conclusion.
    """
    store = call.forge.store
    suite, is_new = suite_for(store, call.repository, sha, _branch_at(call, sha))
    run = CheckRun(
        id=store.next_id(),
        repository_id=call.repository.id,
        suite_id=suite.id,
        sha=sha,
        name=call.text("name"),
        status="queued",
        conclusion=None,
        started_at=now(),
    )
    run = _changed_run(call, run)
    store.write(*([suite] if is_new else []), run, counts=[("check_runs_created", call.repository.full_name)])
    return run


def _update_check_run(call: Call) -> Answer:
    _only_apps(call)
    run = _changed_run(call, _check_run(call))
    call.forge.store.write(run)
    return Answer(check_run_shape(call.forge, call.repository, run))


def _changed_run(call: Call, run: CheckRun) -> CheckRun:
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
    }
    if status == "completed" and changes["conclusion"] is None:
        raise ForgeError(422, 'Invalid request.\n\n"conclusion" wasn\'t supplied.')
    try:
        return CheckRun.model_validate({**run.model_dump(), **changes})
    except ValueError as error:
        raise invalid_field("CheckRun", "conclusion") from error


def _get_check_run(call: Call) -> Answer:
    return Answer(check_run_shape(call.forge, call.repository, _check_run(call)))


def _check_run(call: Call) -> CheckRun:
    number = call.parameters["id"]
    run = call.forge.store.get(CheckRun, int(number)) if number.isdecimal() else None
    if run is None or run.repository_id != call.repository.id:
        raise not_found()
    return run


def _list_check_runs(call: Call) -> Answer:
    sha = call.commit_sha(call.parameters["revision"])
    runs = latest_runs(call.forge.store, call.repository, sha)
    for field, key in (("name", "check_name"), ("status", "status")):
        if key in call.query:
            runs = [run for run in runs if getattr(run, field) == call.query[key]]
    return paginate(
        call,
        runs,
        lambda run: check_run_shape(call.forge, call.repository, run),
        wrap=lambda page: {"total_count": len(runs), "check_runs": page},
    )


def _create_check_suite(call: Call) -> Answer:
    _only_apps(call)
    sha = call.commit_sha(call.text("head_sha"))
    suite, is_new = suite_for(call.forge.store, call.repository, sha, _branch_at(call, sha))
    if is_new:
        call.forge.store.write(suite)
    return Answer(_suite_shape(call, suite), status=201 if is_new else 200)


def _list_check_suites(call: Call) -> Answer:
    sha = call.commit_sha(call.parameters["revision"])
    found = call.forge.store.of_repository(CheckSuite, call.repository.id)
    suites = [suite for suite in found if suite.sha == sha]
    return paginate(
        call,
        suites,
        lambda suite: _suite_shape(call, suite),
        wrap=lambda page: {"total_count": len(suites), "check_suites": page},
    )


def _suite_shape(call: Call, suite: CheckSuite) -> dict[str, object]:
    runs = [run for run in latest_runs(call.forge.store, call.repository, suite.sha) if run.suite_id == suite.id]
    repository_json = repository_shape(call.forge, call.repository)
    return check_suite_shape(call.forge, call.repository, suite, runs, repository_json)


def _branch_at(call: Call, sha: str) -> str | None:
    heads = call.git.refs("refs/heads/")
    return next((name.removeprefix("refs/heads/") for name, tip in heads.items() if tip == sha), None)


def _only_apps(call: Call) -> None:
    if call.principal is None or call.principal.holder != "installation":
        raise not_accessible("personal")


_COMMIT = "/repos/{owner}/{repo}/commits/{revision:path}"
_READ_CHECKS, _WRITE_CHECKS = ("checks", "read"), ("checks", "write")

ENDPOINTS = (
    Endpoint("GET", "/repos/{owner}/{repo}/commits", _list_commits, ("contents", "read")),
    Endpoint("GET", f"{_COMMIT}/status", _get_combined_status, ("statuses", "read")),
    Endpoint("GET", f"{_COMMIT}/statuses", _list_statuses, ("statuses", "read")),
    Endpoint("GET", f"{_COMMIT}/check-runs", _list_check_runs, _READ_CHECKS),
    Endpoint("GET", f"{_COMMIT}/check-suites", _list_check_suites, _READ_CHECKS),
    Endpoint("GET", _COMMIT, _get_commit, ("contents", "read")),
    # An older address of the list above, which PyGithub asks.
    Endpoint("GET", "/repos/{owner}/{repo}/statuses/{revision:path}", _list_statuses, ("statuses", "read")),
    Endpoint("POST", "/repos/{owner}/{repo}/statuses/{sha}", _create_status, ("statuses", "write")),
    Endpoint("POST", "/repos/{owner}/{repo}/check-runs", _create_check_run, _WRITE_CHECKS),
    Endpoint("GET", "/repos/{owner}/{repo}/check-runs/{id}", _get_check_run, _READ_CHECKS),
    Endpoint("PATCH", "/repos/{owner}/{repo}/check-runs/{id}", _update_check_run, _WRITE_CHECKS),
    Endpoint("POST", "/repos/{owner}/{repo}/check-suites", _create_check_suite, _WRITE_CHECKS),
)
