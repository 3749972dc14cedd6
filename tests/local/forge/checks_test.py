"""Statuses and check runs, and what they mean for a pull request."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.forge import ForgeRepository

pytestmark = pytest.mark.forge


@pytest.fixture
def token(repository: ForgeRepository) -> str:
    """Return a token of an installation that may write checks."""
    granted = {"contents": "read", "checks": "write", "statuses": "write"}
    return repository.app_token(repository.control.install_app(repository.owner, granted))  # type: ignore[arg-type]


def set_run(repository: ForgeRepository, token: str, sha: str, name: str = "build", **fields: object) -> Any:
    answer = repository.api("POST", "/check-runs", token, {"name": name, "head_sha": sha, **fields})
    assert answer.status == 201, answer
    return answer.body


def runs(repository: ForgeRepository, token: str, query: str = "") -> list[tuple[str, str, str | None]]:
    found = repository.api("GET", f"/commits/main/check-runs{query}", token).body["check_runs"]
    return [(run["name"], run["status"], run["conclusion"]) for run in found]


def test_newest_status_of_a_context_counts(repository: ForgeRepository) -> None:
    def combined() -> tuple[str, dict[str, str]]:
        body = repository.api("GET", "/commits/main/status", repository.token()).body
        return body["state"], {status["context"]: status["state"] for status in body["statuses"]}

    assert combined() == ("pending", {})
    repository.set_status(repository.sha, "pending")
    repository.set_status(repository.sha, "success", "lint")
    assert combined()[0] == "pending"
    repository.set_status(repository.sha, "success")
    assert combined() == ("success", {"build": "success", "lint": "success"})
    repository.set_status(repository.sha, "error", "lint")
    assert combined()[0] == "failure"
    assert repository.set_status(repository.sha, "green").status == 422


def test_check_run_is_made_and_completed(repository: ForgeRepository, token: str) -> None:
    run = set_run(repository, token, repository.sha, status="in_progress")
    assert (run["status"], run["conclusion"], run["completed_at"]) == ("in_progress", None, None)
    body = {"conclusion": "failure", "output": {"title": "Broken", "summary": "One test failed"}}
    changed = repository.api("PATCH", f"/check-runs/{run['id']}", token, body).body
    assert (changed["id"], changed["output"]["title"]) == (run["id"], "Broken")
    assert runs(repository, token) == [("build", "completed", "failure")]
    set_run(repository, token, repository.sha, conclusion="success")
    assert runs(repository, token) == [("build", "completed", "success")]
    assert runs(repository, token, "?check_name=lint") == []
    assert repository.api("PATCH", "/check-runs/99999", token, body).status == 404


def test_check_run_of_nonsense_is_refused(repository: ForgeRepository, token: str) -> None:
    for sent in ({"conclusion": "great"}, {"status": "done"}, {"status": "completed"}):
        answer = repository.api("POST", "/check-runs", token, {"name": "build", "head_sha": repository.sha, **sent})
        assert answer.status == 422
    assert runs(repository, token) == []


def test_commit_that_does_not_exist_is_named(repository: ForgeRepository) -> None:
    answer = repository.api("GET", "/commits/nothing/status", repository.token())
    assert (answer.status, answer.body["message"]) == (422, "No commit found for SHA: nothing")


def test_checks_decide_about_the_state_of_a_pull(repository: ForgeRepository, token: str) -> None:
    sha = repository.branch("work")
    github = repository.github()
    github.create_pull(base="main", head="work", title="Title")
    set_run(repository, token, sha, status="in_progress")
    assert github.get_pull(1).mergeable_state == "unstable"
    set_run(repository, token, sha, conclusion="success")
    assert github.get_pull(1).mergeable_state == "clean"
    set_run(repository, token, sha, conclusion="timed_out")
    assert github.get_pull(1).mergeable_state == "unstable"
